package config

import (
	"strings"
	"testing"
)

// What was stored is merged in as an include is: lists grow, its settings win.
func TestLoad_AddedDocuments(t *testing.T) {
	file := []byte("model_list:\n  - {model_name: a, litellm_params: {model: openai/a}}\nlitellm_settings: {drop_params: false, num_retries: 1}\n")
	stored := Document{Name: "database", Data: []byte(`{"model_list":[{"model_name":"b","litellm_params":{"model":"openai/b"}}],"litellm_settings":{"drop_params":true}}`)}
	env := func(string) (string, bool) { return "", false }
	c, found := Parse("file", file, env, stored)
	if found.HasErrors() {
		t.Fatal(found)
	}
	if len(c.Models) != 2 || c.Models[1].Name != "b" || !c.Litellm.DropParams || c.Router.NumRetries != 1 {
		t.Errorf("models %d, drop_params %v, num_retries %d", len(c.Models), c.Litellm.DropParams, c.Router.NumRetries)
	}
	if c.Models[1].Pos.File != "database" || len(c.Files) != 1 {
		t.Errorf("the stored model stands in %q, files %v", c.Models[1].Pos.File, c.Files)
	}
	_, found = Parse("file", file, env, Document{Name: "database", Data: []byte(`{"model_list":[{"model_name":7}]}`)})
	if !found.HasErrors() || !strings.Contains(found.Error(), "database:1:") {
		t.Errorf("a bad document says: %v", found)
	}
}
