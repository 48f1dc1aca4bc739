package admin

// in adds a route to LiteLLM's groups of routes, for keys and roles that are bound to groups.
func (r Route) in(groups ...string) Route {
	r.Groups = groups
	return r
}

// spends is the group of the routes that show a user its own spend.
const spends = "spend_tracking_routes"

// spendRoutes are the reports on the ledger. What a caller sees of them is the handlers' to say: everything, its user's, or, of
// the rows, a key's own.
func (a *API) spendRoutes() []Route {
	return []Route{
		a.route("GET", "/spend/logs", info, "List calls, the newest last, or sum them by day where dates are given.", does(a.spendLogs)),
		a.route("GET", "/spend/logs/v2", manage, "List calls page by page, narrowed in many ways.", does(a.logPage)),
		a.route("GET", "/spend/logs/ui", manage, "As /spend/logs/v2.", does(a.logPage)),
		a.route("GET", "/spend/logs/ui/{request_id}", manage, "Show what was said in a call, where it is kept.", does(a.logDetail)),
		a.route("GET", "/spend/logs/session/ui", manage, "List the calls of a session.", does(a.sessionLogs)),
		a.route("GET", "/spend/keys", manage, "List the keys that spent most.", does(a.spendKeys)),
		a.route("GET", "/spend/users", manage, "List the users that spent most.", does(a.spendUsers)),
		a.route("GET", "/spend/tags", manage, "Sum spend by tag.", does(a.spendTags)),
		a.stateless("POST", "/spend/calculate", info, "Price an answer or a prompt.", does(a.spendCalculate)),
		a.stateless("POST", "/cost/estimate", info, "Price calls of a size.", does(a.costEstimate)),

		a.route("GET", "/global/spend", manage, "Sum the spend of the gateway.", does(a.globalSpend)),
		a.route("GET", "/global/spend/logs", manage, "Sum spend by day over the last 30 days.", does(a.globalSpendLogs)),
		a.route("GET", "/global/spend/keys", manage, "Sum spend by key over the last 30 days.", does(a.globalKeys)),
		a.route("GET", "/global/spend/teams", manage, "Sum spend by team and day over the last 30 days.", does(a.globalTeams)),
		a.route("GET", "/global/spend/models", manage, "Sum spend by upstream model over the last 30 days.", does(a.globalModels)),
		a.route("GET", "/global/spend/provider", manage, "Sum spend by provider.", does(a.globalProviders)),
		a.route("GET", "/global/spend/tags", manage, "Sum spend by tag.", does(a.globalTags)),
		a.route("GET", "/global/spend/all_tag_names", manage, "List the tags that calls have brought.", does(a.allTagNames)),
		a.route("GET", "/global/all_end_users", manage, "List the customers that calls have named.", does(a.allEndUsers)),
		a.route("POST", "/global/spend/end_users", info, "Sum spend by customer.", does(a.globalEndUsers)),
		a.route("GET", "/global/spend/report", manage, "Who spent what on which model, for charge-back.", does(a.spendReport)),
		a.route("POST", "/global/spend/reset", admin, "Set the spend of all keys and teams to zero.", does(a.resetSpend)),
		a.route("POST", "/global/spend/refresh", admin, "Write what is not in the ledger yet.", does(a.refreshSpend)),

		a.route("GET", "/global/activity", manage, "Count calls and tokens by day.", does(a.globalActivity)),
		a.route("GET", "/global/activity/model", manage, "Count calls and tokens by model and day.", does(a.globalActivityByModel)),
		a.route("GET", "/global/activity/cache_hits", manage, "Count answers from the cache.", does(a.cacheHits)),
		a.route("GET", "/global/activity/exceptions", manage, "Count answers of 429 by day.", does(a.globalExceptions)),
		a.route("GET", "/global/activity/exceptions/deployment", manage, "Count answers of 429 by deployment and day.", does(a.deploymentExceptions)),

		a.route("GET", "/user/daily/activity", manage, "What users did, day by day.", does(a.userActivity)).in(spends),
		a.route("GET", "/user/daily/activity/aggregated", manage, "As /user/daily/activity, in one page.", does(a.userActivityAggregated)).in(spends),
		a.route("GET", "/team/daily/activity", manage, "What teams did, day by day.", does(a.teamActivity)).in(spends),
		a.route("GET", "/tag/daily/activity", manage, "What was done under tags, day by day.", does(a.tagActivity)).in(spends),
		a.route("GET", "/organization/daily/activity", manage, "What organizations did, day by day.", does(a.orgActivity)).in(spends),
		a.route("GET", "/customer/daily/activity", manage, "What customers did, day by day.", does(a.customerActivity)).in(spends),
		a.route("GET", "/end_user/daily/activity", manage, "As /customer/daily/activity.", does(a.customerActivity)).in(spends),
		a.route("GET", "/key/daily/activity", info, "What keys did, day by day.", does(a.keyActivity)).in(spends),
		a.route("GET", "/agent/daily/activity", manage, "Nothing: the gateway has no agents.", does(a.agentActivity)).in(spends),
		a.route("GET", "/provider/budgets", adminView, "Show the budgets of providers and what is spent of them.", does(a.providerBudgets)),
	}
}

// dayUsers, weekUsers and monthUsers are how many days the spans of /tag/dau, /tag/wau and /tag/mau have.
const (
	dayUsers   = 1
	weekUsers  = 7
	monthUsers = 30
)

// tagRoutes are the tags and what is known of those who use them.
func (a *API) tagRoutes() []Route {
	return []Route{
		a.route("POST", "/tag/new", admin, "Make a tag that has a budget or models.", does(a.newTag)),
		a.route("POST", "/tag/update", admin, "Change a tag.", does(a.updateTag)),
		a.route("POST", "/tag/info", adminView, "Show tags with their budgets.", does(a.tagInfo)),
		a.route("POST", "/tag/delete", admin, "Delete a tag. What was spent under it stays in the ledger.", does(a.deleteTag)),
		a.route("GET", "/tag/list", adminView, "List the tags that are stored and those that calls have brought.", does(a.listTags)),
		a.route("GET", "/tag/distinct", manage, "List the tags that calls have brought.", does(a.distinctTags)).in(spends),
		a.route("GET", "/tag/dau", manage, "Count the users of tags by day.", does(a.activeUsers(dayUsers))).in(spends),
		a.route("GET", "/tag/wau", manage, "Count the users of tags by seven days.", does(a.activeUsers(weekUsers))).in(spends),
		a.route("GET", "/tag/mau", manage, "Count the users of tags by thirty days.", does(a.activeUsers(monthUsers))).in(spends),
		a.route("GET", "/tag/summary", manage, "Sum what was done under tags.", does(a.tagSummary)).in(spends),
		a.route("GET", "/tag/user-agent/per-user-analytics", manage, "Sum what each user did under tags.", does(a.perUserTags)).in(spends),
	}
}
