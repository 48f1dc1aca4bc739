package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"tollgate/internal/config"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.schema.json") // checks it against the draft's own schema
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance reads a YAML file as an editor does, without this package.
func instance(t *testing.T, file string) any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchema_GoodFilesValidate(t *testing.T) {
	schema := compiledSchema(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		if err := schema.Validate(instance(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// What Load calls a wrong type, the schema refuses as well.
func TestSchema_RefusesWrongTypes(t *testing.T) {
	schema := compiledSchema(t)
	for _, document := range []string{
		`[]`,
		`{"model_list": {}}`,
		`{"model_list": [{"model_name": "a"}]}`,
		`{"model_list": [{"model_name": ["a"], "litellm_params": {}}]}`,
		`{"model_list": [{"model_name": "a", "litellm_params": {"rpm": -1}}]}`,
		`{"model_list": [{"model_name": "a", "litellm_params": {"rpm": "many"}}]}`,
		`{"model_list": [{"model_name": "a", "litellm_params": {"timeout": "30s"}}]}`,
		`{"model_list": [{"model_name": "a", "litellm_params": {"oci_auth": "apikey"}}]}`,
		`{"model_list": [{"model_name": "a", "litellm_params": {"input_cost_per_audio_token": "cheap"}}]}`,
		`{"litellm_settings": {"drop_params": "maybe"}}`,
		`{"router_settings": {"routing_strategy": "least_busy"}}`,
		`{"router_settings": {"fallbacks": [{"a": ["b"], "c": ["d"]}]}}`,
		`{"router_settings": {"fallbacks": ["a"]}}`,
		`{"router_settings": {"model_group_alias": {"a": {"hidden": true}}}}`,
		`{"tollgate_settings": {"compat_status": "oldest"}}`,
	} {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(document)))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(value) == nil {
			t.Errorf("valid: %s", document)
		}
	}
}

func TestSchema_CompletesKeys(t *testing.T) {
	var schema struct {
		Schema     string `json:"$schema"`
		Properties map[string]struct {
			Title, Description string
		}
		Defs map[string]struct {
			Properties map[string]struct {
				Title, Description string
				Default            any
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema != "https://json-schema.org/draft/2020-12/schema" || schema.Properties["model_list"].Description == "" {
		t.Errorf("head of the schema: %q, %v", schema.Schema, schema.Properties["model_list"])
	}
	router := schema.Defs["router_settings"].Properties
	if router["num_retries"].Default != 2.0 || router["routing_strategy"].Default != "simple-shuffle" || router["tag_filtering_match_any"].Default != true {
		t.Errorf("defaults: %v", router["num_retries"])
	}
	if region := schema.Defs["litellm_params"].Properties["oci_region"]; region.Title != "oci_region" || region.Description == "" {
		t.Errorf("oci_region: %+v", region)
	}
	if !bytes.Equal(config.Schema(), config.Schema()) {
		t.Error("two runs give two schemas")
	}
}
