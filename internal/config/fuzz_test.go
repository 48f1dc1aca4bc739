package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/config"
)

// FuzzParse: whatever the bytes, Parse ends soon, gives a Config, places its
// findings inside the file, and lets nothing of a secret out.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	env := lookup("SECRET", "hush-hush", "LITELLM_MASTER_KEY", "hush-hush")
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		c, found := config.Parse("f.yaml", data, env)
		if c == nil {
			t.Fatal("no Config")
		}
		lines := 1 // YAML knows five line breaks
		for _, r := range string(data) {
			if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
				lines++
			}
		}
		for _, d := range append(found, config.Check(c)...) {
			if d.Line > lines || d.Message == "" || d.Code == "" {
				t.Errorf("finding outside of %d lines: %+v", lines, d)
			}
			if strings.Contains(d.Message, "hush-hush") {
				t.Errorf("a secret shows: %v", d)
			}
		}
		for _, m := range c.Models {
			if m.Name == "" || m.Params.Model == "" || m.Info.ID == "" {
				t.Errorf("unusable model %+v", m)
			}
		}
		if _, err := c.Dump(); err != nil {
			t.Errorf("Dump: %v", err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestParse_HostileFilesEndSoon holds the limits against files that are made to
// cost time: each is small and would be huge when expanded or compared naively.
func TestParse_HostileFilesEndSoon(t *testing.T) {
	entry := func(n int) string { return strings.Repeat("- {model_name: a, litellm_params: {model: b}}\n", n) }
	var wide strings.Builder
	for i := range 9000 {
		wide.WriteString("    k" + strings.Repeat("x", i%40) + string(rune('a'+i%26)) + strings.Repeat("y", i/1000) + ": 1\n")
	}
	bomb := "a: &a {x: 1, y: 2}\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += string(c) + ": &" + string(c) + " {<<: [" + strings.Repeat("*"+string(c-1)+",", 9) + "]}\n"
	}
	for name, file := range map[string]string{
		"merge bomb":       bomb,
		"many models":      "model_list:\n" + entry(60_000),
		"unknown keys":     "general_settings:\n" + wide.String(),
		"long key":         strings.Repeat("k", 1<<20) + ": {" + strings.Repeat("a: {", 60) + strings.Repeat("}", 61),
		"organisations":    "model_list:\n- model_name: a\n  litellm_params: {model: b, organization: [" + strings.Repeat("o,", 130_000) + "]}\n",
		"flow nesting":     strings.Repeat("[", 1<<20),
		"block nesting":    strings.Repeat("- ", 1<<19),
		"anchors":          strings.Repeat("- &a x\n- *a\n", 50_000),
		"comments":         strings.Repeat("# c\n", 1<<16) + "a: 1\n",
		"mistaken entries": "model_list:\n" + strings.Repeat("- x\n", 200_000),
	} {
		start := time.Now()
		c, found := config.Parse("f.yaml", []byte(file), lookup())
		config.Check(c)
		took := time.Since(start)
		t.Logf("%s: %d bytes, %d findings, %v", name, len(file), len(found), took)
		if took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}
