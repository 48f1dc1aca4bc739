package admin

// configRoutes are stored models, credentials and configuration, the audit log and the tools beside them.
func (a *API) configRoutes() []Route {
	return []Route{
		a.route("POST", "/model/new", admin, "Add a deployment.", does(a.newModel)),
		a.route("POST", "/model/update", admin, "Change a deployment that was added.", does(a.updateModel)),
		a.route("PATCH", "/model/{model_id}/update", admin, "As /model/update, the id in the path.", does(a.patchModel)),
		a.route("POST", "/model/delete", admin, "Take a deployment away that was added.", does(a.deleteModel)),
		a.route("POST", "/model/block", admin, "Send no calls to a deployment that was added.", does(a.blockModel(true))),
		a.route("POST", "/model/unblock", admin, "Send calls to a blocked deployment again.", does(a.blockModel(false))),
		a.stateless("GET", "/v2/model/info", adminView, "List the deployments page by page, secrets masked.", does(a.modelInfoV2)),

		a.route("POST", "/credentials", admin, "Store a credential that deployments can name.", does(a.newCredential)),
		a.route("GET", "/credentials", adminView, "List the credentials, their values masked.", does(a.listCredentials)),
		a.route("GET", "/credentials/by_name/{name}", adminView, "Show a credential, its values masked.", does(a.credentialByName)),
		a.route("GET", "/credentials/by_model/{model_id}", adminView, "Show which credentials a stored deployment has, masked.", does(a.credentialByModel)),
		a.route("PATCH", "/credentials/{name}", admin, "Change values of a credential.", does(a.updateCredential)),
		a.route("DELETE", "/credentials/{name}", admin, "Delete a credential.", does(a.deleteCredential)),

		a.route("POST", "/config/update", admin, "Store keys of the configuration.", does(a.updateConfig)),
		a.route("POST", "/config/field/update", admin, "Store one key of the configuration.", does(a.updateField)),
		a.route("GET", "/config/field/info", adminView, "Show one key of the configuration.", does(a.fieldInfo)),
		a.route("POST", "/config/field/delete", admin, "Take a stored key away.", does(a.deleteField)),
		a.stateless("GET", "/config/list", adminView, "List the keys of a section that are set.", does(a.listConfig)),
		a.stateless("GET", "/config/yaml", admin, "Show the configuration, secrets masked.", does(a.configYAML)),
		a.stateless("GET", "/get/config/callbacks", adminView, "List the callbacks.", does(a.getCallbacks)),
		a.stateless("GET", "/callbacks/list", adminView, "List the callbacks by when they are called.", does(a.listCallbacks)),
		a.stateless("GET", "/active/callbacks", adminView, "List the callbacks by LiteLLM's internal lists.", does(a.activeCallbacks)),
		a.stateless("GET", "/router/settings", adminView, "Show how calls are routed.", does(a.routerSettings)),
		a.stateless("POST", "/reload/model_cost_map", admin, "Read the price table anew.", does(a.reloadPrices)),

		a.route("GET", "/audit", adminView, "List what was changed, page by page.", does(a.auditLog)),
		a.route("GET", "/audit/{id}", adminView, "Show one change.", does(a.auditEntry)),

		a.route("POST", "/v1/access_group", admin, "Make an access group of models.", does(a.newAccessGroup)),
		a.route("GET", "/v1/access_group", adminView, "List the access groups.", does(a.listAccessGroups)),
		a.route("GET", "/v1/access_group/{access_group_id}", adminView, "Show an access group.", does(a.accessGroupInfo)),
		a.route("PUT", "/v1/access_group/{access_group_id}", admin, "Change an access group.", does(a.updateAccessGroup)),
		a.route("DELETE", "/v1/access_group/{access_group_id}", admin, "Delete an access group.", does(a.deleteAccessGroup)),
		a.stateless("GET", "/access_group/list", adminView, "List the access groups that deployments name.", does(a.listModelGroups)),
		a.stateless("GET", "/access_group/{access_group}/info", adminView, "Show an access group that deployments name.", does(a.modelGroupInfo)),

		a.route("POST", "/jwt/key/mapping/new", admin, "Let a claim of a token stand for a key.", does(a.newMapping)),
		a.route("POST", "/jwt/key/mapping/update", admin, "Change a mapping.", does(a.updateMapping)),
		a.route("POST", "/jwt/key/mapping/delete", admin, "Delete a mapping.", does(a.deleteMapping)),
		a.route("GET", "/jwt/key/mapping/list", adminView, "List the mappings.", does(a.listMappings)),
		a.route("GET", "/jwt/key/mapping/info", adminView, "Show a mapping.", does(a.mappingInfo)),

		a.stateless("POST", "/utils/token_counter", info, "Count the tokens of a prompt.", does(a.tokenCounter)),
		a.stateless("GET", "/utils/supported_openai_params", info, "List the OpenAI parameters that a model takes.", does(a.supportedParams)),
	}
}
