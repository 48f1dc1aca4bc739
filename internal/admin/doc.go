// Package admin is the management API: keys, teams, users, organisations, customers, budgets, tags, stored models, credentials,
// configuration, spend and audit, with LiteLLM's names, shapes and words. It never stands on the way of a model's call.
//
// routes.go is the table of everything that is served. A handler is a plain function of a decoded request; the adapter in
// serve.go decodes, calls, encodes and turns errors into answers. Whether a caller may use a route at all is access' word;
// which objects and which fields of them it may read or write is the table's in fields.go.
package admin
