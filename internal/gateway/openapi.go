package gateway

import (
	"net/http"
	"regexp"
	"strings"

	"tollgate/internal/access"
)

// openAPI is GET /openapi.json: a description made from the route table, so that it cannot forget a route.
func (g *Gateway) openAPI(w http.ResponseWriter, _ *http.Request, _ visit) {
	paths := map[string]map[string]any{}
	for _, rt := range g.allRoutes() {
		path := strings.ReplaceAll(rt.Path, "{model...}", "{model}")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(rt.Method)] = operation(&rt)
	}
	description := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Tollgate", "version": g.opts.Version,
			"description": "An AI gateway in front of Oracle OCI Generative AI. Requests and answers have OpenAI's shapes.",
		},
		"paths": paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer"}},
			"schemas":         map[string]any{"Error": errorSchema()},
		},
	}
	if g.opts.RootPath != "" {
		description["servers"] = []any{map[string]any{"url": g.opts.RootPath}}
	}
	writeJSON(w, description)
}

// pathParameter is a part of a route's path that stands for any value.
var pathParameter = regexp.MustCompile(`\{([a-z_]+)(?:\.\.\.)?\}`)

func operation(rt *route) map[string]any {
	op := map[string]any{
		"summary":     rt.Summary,
		"operationId": strings.Trim(strings.NewReplacer("/", "_", "{", "", "}", "", ".", "").Replace(strings.ToLower(rt.Method)+rt.Path), "_"),
		"responses": map[string]any{
			"200":     map[string]any{"description": "The answer."},
			"default": map[string]any{"description": "A refusal or a failure.", "content": jsonContent(map[string]any{"$ref": "#/components/schemas/Error"})},
		},
	}
	var parameters []any
	for _, m := range pathParameter.FindAllStringSubmatch(rt.Path, -1) {
		parameters = append(parameters, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if rt.Permission != access.Public {
		op["security"] = []any{map[string]any{"bearer": []any{}}}
	}
	if rt.Method == http.MethodPost {
		op["requestBody"] = map[string]any{"required": true, "content": jsonContent(map[string]any{"type": "object"})}
	}
	return op
}

func jsonContent(schema map[string]any) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": schema}}
}

func errorSchema() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{
		"type": "object", "required": []any{"error"},
		"properties": map[string]any{"error": map[string]any{
			"type": "object", "required": []any{"message", "type", "param", "code"},
			"properties": map[string]any{"message": text, "type": text, "code": text, "param": map[string]any{"type": []any{"string", "null"}}},
		}},
	}
}
