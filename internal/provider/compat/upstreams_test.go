package compat_test

import (
	"fmt"
	"testing"

	"tollgate/internal/config"
	"tollgate/internal/provider/compat"
)

// A caller of a wildcard writes part of the model's id: what a URL's path takes for "here" or "up" would lead to another
// path of the operator's Azure, with the operator's key. Where the id stays out of the path it may be anything.
func TestOpen_AzureModelStaysInItsPlace(t *testing.T) {
	unset(t)
	unset(t)
	at := func(base, id string) error {
		_, err := compat.Open(newSpec(t, config.Params{Model: "azure/" + id, APIBase: base}))
		return err
	}
	const base = "https://me.openai.azure.com"
	for _, id := range []string{"", ".", "..", "../x", "a/..", "a/./b", `a\..\b`, "a/../../../openai/files"} {
		for _, fixed := range []string{base + "/openai/deployments/mine", base + "/openai/v1"} {
			if err := at(fixed, id); err != nil {
				t.Errorf("%q at %s: %v", id, fixed, err)
			}
		}
		want := fmt.Sprintf("model: %q cannot be a deployment's name in a path", id)
		if err := at(base, id); err == nil || err.Error() != want {
			t.Errorf("error = %v\n want %s", err, want)
		}
	}
	for _, id := range []string{"a..b", ".hidden", "...", "gpt-4.1", "a/b"} {
		if err := at(base, id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}
