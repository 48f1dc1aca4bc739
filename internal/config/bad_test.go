package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/config"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// lookup is an environment of the given variables alone.
func lookup(pairs ...string) func(string) (string, bool) {
	vars := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// TestLoad_BadFiles holds each file of testdata/bad against its exact findings,
// those of Check included where the file loads.
func TestLoad_BadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d bad files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c, found := config.Load(file, lookup("EMPTY", "", "TEXT", "env-value-must-not-show"))
			if c == nil {
				t.Fatal("no Config")
			}
			if !found.HasErrors() {
				found = append(found, config.Check(c)...)
			}
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			var lines strings.Builder
			for _, d := range found {
				lines.WriteString(strings.ReplaceAll(d.String(), "testdata/bad/", "") + "\n")
				if d.File == "" || d.Line == 0 || d.Column == 0 {
					t.Errorf("no place: %v", d)
				}
			}
			got := lines.String()
			if strings.Contains(got, "must-not-show") || strings.Contains(got, "nor-this") {
				t.Errorf("a secret shows in\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
