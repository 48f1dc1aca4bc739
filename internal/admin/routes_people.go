package admin

// peopleRoutes are users, organisations, customers and budgets.
func (a *API) peopleRoutes() []Route {
	return []Route{
		a.route("POST", "/user/new", admin, "Make a user, with a key unless auto_create_key is false.", does(a.newUser)),
		a.route("POST", "/user/update", manage, "Change a user. Absent and null fields stay.", does(a.updateUser)),
		a.route("POST", "/user/bulk_update", admin, "Change many users, each for itself.", does(a.bulkUpdateUsers)),
		a.route("GET", "/user/info", manage, "Show a user with its keys and teams, the caller itself by default.", does(a.userInfo)),
		a.route("GET", "/v2/user/info", manage, "Show a user alone.", does(a.userInfoV2)),
		a.route("GET", "/user/list", manage, "List users page by page.", does(a.listUsers)),
		a.route("GET", "/user/get_users", manage, "As /user/list.", does(a.listUsers)),
		a.route("POST", "/user/delete", admin, "Delete users with their keys and memberships.", does(a.deleteUsers)),
		a.route("GET", "/user/available_users", adminView, "Count the users.", does(a.availableUsers)),
		a.stateless("GET", "/user/available_roles", info, "List the roles that a user can have.", does(a.availableRoles)),

		a.route("POST", "/organization/new", manage, "Make an organization, with a budget of its own.", does(a.newOrg)),
		a.route("PATCH", "/organization/update", manage, "Change an organization.", does(a.updateOrg)),
		a.route("DELETE", "/organization/delete", admin, "Delete organizations that have no teams and keys.", does(a.deleteOrgs)),
		a.route("GET", "/organization/info", manage, "Show an organization with its members and teams.", does(a.orgInfo)),
		a.route("POST", "/organization/info", adminView, "Show organizations (deprecated).", does(a.orgsInfo)),
		a.route("GET", "/organization/list", manage, "List the organizations that the caller may see.", does(a.listOrgs)),
		a.route("POST", "/organization/member_add", manage, "Add members to an organization; users that nobody knows are made.", does(a.addOrgMembers)),
		a.route("PATCH", "/organization/member_update", manage, "Change a member's role or budget in an organization.", does(a.updateOrgMember)),
		a.route("DELETE", "/organization/member_delete", manage, "Take a member out of an organization.", does(a.deleteOrgMember)),

		a.route("POST", "/budget/new", admin, "Make a budget that objects can share.", does(a.newBudget)),
		a.route("POST", "/budget/update", admin, "Change a budget. Null takes a limit away.", does(a.updateBudget)),
		a.route("POST", "/budget/info", adminView, "Show budgets.", does(a.budgetInfo)),
		a.route("GET", "/budget/settings", adminView, "Show what a budget can be told and what one is.", does(a.budgetSettings)),
		a.route("GET", "/budget/list", adminView, "List the budgets.", does(a.listBudgets)),
		a.route("POST", "/budget/delete", admin, "Delete a budget that nothing counts on.", does(a.deleteBudget)),
	}
}

// customerRoutes are the customers under both of LiteLLM's names.
func (a *API) customerRoutes() []Route {
	var all []Route
	for _, root := range []string{"/customer", "/end_user"} {
		all = append(all,
			a.route("POST", root+"/new", admin, "Make a customer.", does(a.newCustomer)),
			a.route("GET", root+"/info", adminView, "Show a customer.", does(a.customerInfo)),
			a.route("GET", root+"/list", adminView, "List the customers.", does(a.listCustomers)),
			a.route("POST", root+"/update", admin, "Change a customer.", does(a.updateCustomer)),
			a.route("POST", root+"/delete", admin, "Delete customers. What they spent stays in the ledger.", does(a.deleteCustomers)),
			a.route("POST", root+"/block", admin, "Refuse the calls of customers.", does(a.blockCustomers)),
			a.route("POST", root+"/unblock", admin, "Serve blocked customers again.", does(a.unblockCustomers)),
		)
	}
	return append(all, a.route("POST", "/customer/erase", admin, "Erase what the ledger knows of a customer; the money stays on the books.", does(a.eraseCustomer)))
}
