// Package config reads the gateway's configuration: LiteLLM's config.yaml as it
// is met in the field, with tollgate_settings beside it.
//
// Load turns files into one immutable Config and a list of Diagnostics, each with
// file, line and column. The way is: parse (source.go), merge included files
// (include.go), replace os.environ/ references (environ.go), decode by the table
// of keys (keys*.go, decode.go), then assemble the deployments (models.go).
// Nothing is fetched and no credential is opened here.
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"tollgate/internal/secret"
)

// Load reads the configuration at path, with the files that it includes. The
// path "" is the empty configuration: all defaults. env looks an environment
// variable up, as os.LookupEnv does.
//
// The Config is never nil; when the diagnostics have errors it is incomplete and
// must not be served. References between entries are looked at by Check.
//
// added are merged in behind the files, as an include is.
func Load(path string, env func(string) (string, bool), added ...Document) (*Config, Diagnostics) {
	l := newLoader(env)
	if path == "" {
		return l.finish(l.merge(&node{kind: mapNode}, added))
	}
	l.read = readFile
	l.files = []string{path}
	data, err := readFile(path)
	if err != nil {
		l.add(Error, Position{File: path}, "", CodeFile, "the configuration cannot be read: %v", err)
		return l.finish(nil)
	}
	return l.finish(l.merge(l.include(l.parseFile(path, data), filepath.Dir(path), []string{path}), added))
}

// Document is a part of the configuration that stands in no file: what was stored
// at run time. Its Name stands in positions; it is no file to watch.
type Document struct {
	Name string
	Data []byte // YAML or JSON
}

// merge adds documents to a tree; a tree that could not be read stays as it is.
func (l *loader) merge(root *node, added []Document) *node {
	if root == nil {
		return nil
	}
	for _, d := range added {
		if tree := l.parseFile(d.Name, d.Data); tree != nil {
			mergeInto(root, tree)
		}
	}
	return root
}

// Parse is Load for bytes in memory. name stands in positions. An include is an
// error, since there is no folder that it could be relative to.
func Parse(name string, data []byte, env func(string) (string, bool), added ...Document) (*Config, Diagnostics) {
	l := newLoader(env)
	l.files = []string{name}
	return l.finish(l.merge(l.include(l.parseFile(name, data), "", []string{name}), added))
}

// loader is the state of one run.
type loader struct {
	report
	env         func(string) (string, bool)
	environment map[string]secret.String
	read        func(path string) ([]byte, error) // nil: no files besides the first
	files       []string
	nodes       int // values expanded so far, in all files
	positions   map[string]Position
	noticed     map[string]bool // accepted keys that were reported
	ids         map[string]int  // generated ids, with how often each was given
}

func newLoader(env func(string) (string, bool)) *loader {
	return &loader{
		env:         env,
		environment: make(map[string]secret.String),
		positions:   make(map[string]Position),
		noticed:     make(map[string]bool),
		ids:         make(map[string]int),
	}
}

// finish makes the Config of a merged tree; nil, after an error, gives the defaults.
func (l *loader) finish(root *node) (*Config, Diagnostics) {
	if root == nil {
		root = &node{kind: mapNode}
	}
	l.readEnvironment(root)
	l.resolve(root, object(&topLevel), "", Error)
	c := &Config{Environment: l.environment, Files: l.files, root: root, positions: l.positions}

	l.checkTopLevel(root)
	credentials := l.credentials(root, c)
	c.Models = l.models(root, credentials)
	l.section(root, "litellm_settings", &litellmSettings, &c.Litellm)
	l.section(root, "general_settings", &generalSettings, &c.General)
	l.section(root, "tollgate_settings", &tollgateSettings, &c.Tollgate)
	l.top(root, "guardrails", &c.Guardrails)
	l.top(root, "callback_settings", &c.CallbackSettings)
	l.decode(completedRouter(root), object(&routerSettings), slot{path: "router_settings", target: reflect.ValueOf(&c.Router).Elem()})
	return c, l.sorted(l.files)
}

// section decodes one of the settings sections into target, a pointer to its struct.
func (l *loader) section(root *node, name string, s *section, target any) {
	n := root.get(name)
	if n.isNull() {
		n = &node{kind: mapNode}
	}
	l.decode(n, object(s), slot{path: name, target: reflect.ValueOf(target).Elem()})
}

// top decodes a key of the file itself into target.
func (l *loader) top(root *node, name string, target any) {
	k, _ := topLevel.find(name)
	if n := root.get(name); !n.isNull() {
		l.decode(n, k.shape, slot{path: name, target: reflect.ValueOf(target).Elem(), masked: k.masked})
	}
}

// checkTopLevel types the sections that nothing here decodes, and names unknown keys.
func (l *loader) checkTopLevel(root *node) {
	rest := *root
	rest.entries = nil
	for _, e := range root.entries {
		switch e.key {
		case "model_list", "litellm_settings", "general_settings", "router_settings", "tollgate_settings", "credential_list", "include":
		default:
			if _, known := topLevel.find(e.key); !known && e.value.anchored {
				continue // it is there for the aliases to it
			}
			rest.entries = append(rest.entries, e)
		}
	}
	l.decode(&rest, object(&topLevel), slot{})
}

// shared are the keys of litellm_settings, and of the file, that complete
// router_settings where that says nothing.
var shared = []struct{ section, name, as string }{
	{"litellm_settings", "num_retries", "num_retries"},
	{"litellm_settings", "request_timeout", "timeout"},
	{"litellm_settings", "fallbacks", "fallbacks"},
	{"litellm_settings", "default_fallbacks", "default_fallbacks"},
	{"litellm_settings", "context_window_fallbacks", "context_window_fallbacks"},
	{"litellm_settings", "content_policy_fallbacks", "content_policy_fallbacks"},
	{"litellm_settings", "allowed_fails", "allowed_fails"},
	{"litellm_settings", "max_fallbacks", "max_fallbacks"},
	{"", "model_group_alias", "model_group_alias"},
}

// completedRouter is router_settings with the shared keys that it lacks.
func completedRouter(root *node) *node {
	completed := &node{kind: mapNode}
	if router := root.get("router_settings"); !router.isNull() {
		if router.kind != mapNode {
			return router // its type is reported when it is decoded
		}
		*completed = *router
		completed.entries = slices.Clone(router.entries)
	}
	for _, k := range shared {
		from, path := root, k.name
		if k.section != "" {
			from, path = root.get(k.section), k.section+"."+k.name
		}
		if value := from.get(k.name); !value.isNull() && completed.get(k.as).isNull() {
			completed.set(entry{key: k.as, keyPos: value.pos, value: value, path: path})
		}
	}
	return completed
}

// Pos returns where the value at a path ("general_settings.master_key") stands;
// the zero Position when the file does not hold it.
func (c *Config) Pos(path string) Position { return c.positions[path] }

// readFile reads a bounded file.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}
