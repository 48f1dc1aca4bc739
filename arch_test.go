// Package tollgate_test holds the rules of the house that a compiler does not check: which room may import which, and
// what no file may hold. ARCHITECTURE.md says why the rooms are what they are.
package tollgate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// own is the prefix of our packages; the tables leave it out.
const own = "tollgate/internal/"

// imports is the import map: who may import what of ours, and why. What is not here is forbidden; a line that nobody
// uses any more is an error as well, so that the map stays true.
var imports = []struct{ from, to, why string }{
	{"cmd/tollgate", "cli", "main hands the command line over and does nothing else"},

	{"cli", "app", "a command opens the program, reloads it and closes it"},
	{"cli", "builtin", "the list of providers is chosen where the program is put together"},
	{"cli", "client", "the demo asks its first question as any client would"},
	{"cli", "config", "validate prints findings, config prints the schema and the masked file"},
	{"cli", "ocisim", "sim and demo start the simulator"},
	{"cli", "price", "docs prints the price table"},
	{"cli", "record", "docs lets every metric appear once"},
	{"cli", "telemetry", "the log and the metrics outlive a reload, so the command makes them"},

	{"app", "access", "app builds every room from the configuration"},
	{"app", "config", "app is the only room that knows the whole configuration"},
	{"app", "dispatch", "app builds every room from the configuration"},
	{"app", "egress", "app makes the one dialer that all upstream calls use"},
	{"app", "gateway", "app builds the gateway and swaps its snapshot"},
	{"app", "jsonscan", "app checks the JSON of a configured parameter"},
	{"app", "openai", "app names the operations that a setting concerns"},
	{"app", "price", "app gives each deployment its price"},
	{"app", "provider", "app opens the deployments of each provider"},
	{"app", "secret", "app hands the master key on, masked"},
	{"app", "telemetry", "app counts reloads"},

	{"builtin", "price", "a provider is told the longest answer of its models"},
	{"builtin", "provider", "the explicit list of providers: no init(), no registry"},
	{"builtin", "provider/compat", "the explicit list of providers: no init(), no registry"},
	{"builtin", "provider/oci", "the explicit list of providers: no init(), no registry"},

	{"gateway", "access", "who may call is decided in access, from the dispatched route's entry"},
	{"gateway", "apierr", "the gateway writes the errors"},
	{"gateway", "dispatch", "the step of a request that calls an upstream"},
	{"gateway", "jsonscan", "the top level of a body is scanned, not decoded"},
	{"gateway", "money", "the cost header"},
	{"gateway", "openai", "the shapes that callers send and read"},
	{"gateway", "price", "a call is priced when it is settled; /model/info shows prices"},
	{"gateway", "provider", "the step of a request that calls an upstream"},
	{"gateway", "record", "settle fills one flat record per call"},
	{"gateway", "sse", "streams are written as events"},
	{"gateway", "telemetry", "settle logs and counts the record"},

	{"access", "apierr", "a refusal is an error as the caller sees it"},

	{"dispatch", "apierr", "what is left after retries and fallbacks is an error as the caller sees it"},
	{"dispatch", "jsonscan", "an alias is put into a body in place"},
	{"dispatch", "money", "cost-based routing compares prices"},
	{"dispatch", "openai", "requests and replies pass through"},
	{"dispatch", "provider", "dispatch calls deployments"},

	{"provider", "config", "a provider decodes its own config.Params; no other name of config is used"},
	{"provider", "egress", "a provider is given the one dialer"},
	{"provider", "jsonscan", "upstream errors are read without a tree"},
	{"provider", "openai", "the seam speaks OpenAI's shapes"},

	{"provider/compat", "apierr", "a parameter that cannot be sent is refused before the call"},
	{"provider/compat", "config", "its own config.Params"},
	{"provider/compat", "egress", "it calls through the one dialer"},
	{"provider/compat", "jsonscan", "bodies pass with only the model rewritten"},
	{"provider/compat", "openai", "the seam speaks OpenAI's shapes"},
	{"provider/compat", "provider", "an implementation imports its seam"},
	{"provider/compat", "sse", "upstream streams are events"},

	{"provider/oci", "apierr", "a parameter that cannot be sent is refused before the call"},
	{"provider/oci", "config", "its own config.Params"},
	{"provider/oci", "egress", "it calls through the one dialer"},
	{"provider/oci", "jsonscan", "bodies are scanned before they are translated"},
	{"provider/oci", "openai", "the seam speaks OpenAI's shapes"},
	{"provider/oci", "provider", "an implementation imports its seam"},
	{"provider/oci", "provider/compat", "OCI's second surface speaks OpenAI's wire"},
	{"provider/oci", "provider/oci/auth", "signing and key files are a subject of their own, below the translation"},
	{"provider/oci", "provider/oci/cl100k", "arrays of token ids are decoded to text for OCI, which takes none"},
	{"provider/oci", "provider/oci/schema", "what a vendor takes of a JSON schema is a subject of its own"},
	{"provider/oci", "secret", "credentials are masked from the file to the signature"},
	{"provider/oci", "sse", "upstream streams are events"},
	{"provider/oci/schema", "jsonscan", "schemas are rewritten in place"},

	{"openai", "jsonscan", "a request knows its scanned top level"},
	{"price", "money", "prices are exact money"},
	{"config", "secret", "secrets of the file are masked as soon as they are read"},
	{"telemetry", "record", "the log line and the metrics are made from the record"},

	{"ocisim", "ocisim/answer", "what the simulated models say"},
	{"ocisim", "ocisim/hashembed", "the simulated embeddings"},
}

// modules says who may import which module that is not ours. The standard library is free for all.
var modules = []struct{ from, module, why string }{
	{"cli", "github.com/fsnotify/fsnotify", "the configuration's files are watched"},
	{"cli", "github.com/rs/cors", "CORS for browsers"},
	{"cli", "github.com/spf13/cobra", "the command line"},
	{"cli", "github.com/spf13/pflag", "the command line"},
	{"cli", "go.yaml.in/yaml/v3", "a configuration is written for --model"},
	{"config", "go.yaml.in/yaml/v3", "YAML with line and column"},
	{"egress", "golang.org/x/net", "proxies from the environment, host names as browsers read them"},
	{"gateway", "golang.org/x/sync", "health probes run side by side"},
	{"provider/compat", "golang.org/x/net", "header values are checked before they are sent"},
	{"provider/oci", "golang.org/x/sync", "many embeddings go out side by side"},
	{"provider/oci/auth", "github.com/youmark/pkcs8", "encrypted PKCS#8 keys, which the standard library does not read"},
	{"telemetry", "github.com/prometheus/client_golang", "metrics"},
}

// strangers may not see each other: a client that is proved by a simulator of its own kin proves little. The client's
// tests may call the simulator, as they would call OCI; the simulator's tests may not use the client.
var strangers = []struct {
	a, b  string
	tests bool // the tests of a as well
	why   string
}{
	{"ocisim", "provider", true, "the simulator and the OCI client are written apart from the same facts"},
	{"provider", "ocisim", false, "the simulator and the OCI client are written apart from the same facts"},
}

// noRooms are names that say nothing of what is inside.
var noRooms = []string{"util", "utils", "common", "helper", "helpers", "misc", "manager", "types"}

// Sizes over which a file or function is worth a look. They are logged and fail nothing.
const (
	longFile     = 500
	longFunction = 60
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Dir, Name, Doc string
	Imports                    []string
	TestImports, XTestImports  []string
	GoFiles, CgoFiles          []string
	IgnoredGoFiles             []string
	Module                     struct{ Path string }
}

// room is the package's name in the tables.
func (p pkg) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, own), "tollgate/")
}

// files are the package's Go files without tests, those of other build tags included.
func (p pkg) files() []string {
	var out []string
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
		if !strings.HasSuffix(name, "_test.go") {
			out = append(out, filepath.Join(p.Dir, name))
		}
	}
	return out
}

// packages asks the go command for every package of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Name,Doc,Imports,TestImports,XTestImports,GoFiles,CgoFiles,IgnoredGoFiles,Module", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// guarded reports whether the import map speaks of a package: the program itself, not the tests and tools around it.
func guarded(p pkg) bool {
	return strings.HasPrefix(p.ImportPath, own) || strings.HasPrefix(p.ImportPath, "tollgate/cmd/")
}

// importsOf are all imports of a package's files, whatever their build tags.
func importsOf(t *testing.T, p pkg) []string {
	t.Helper()
	var out []string
	for _, name := range p.files() {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			out = append(out, strings.Trim(spec.Path.Value, `"`))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestImportMap(t *testing.T) {
	used := make([]bool, len(imports))
	for _, p := range packages(t) {
		if !guarded(p) {
			continue
		}
		for _, path := range importsOf(t, p) {
			to, ours := strings.CutPrefix(path, own)
			if !ours {
				continue
			}
			i := slices.IndexFunc(imports, func(e struct{ from, to, why string }) bool { return e.from == p.room() && e.to == to })
			if i < 0 {
				t.Errorf("%s may not import %s: the import map has no such line", p.room(), to)
				continue
			}
			used[i] = true
		}
	}
	for i, e := range imports {
		if !used[i] {
			t.Errorf("the import map allows %s -> %s, which nobody uses: take the line out", e.from, e.to)
		}
		if e.why == "" {
			t.Errorf("%s -> %s has no reason", e.from, e.to)
		}
	}
}

func TestModuleMap(t *testing.T) {
	used := make([]bool, len(modules))
	for _, p := range packages(t) {
		if !guarded(p) {
			continue
		}
		for _, path := range importsOf(t, p) {
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
				continue // the standard library, cgo or our own
			}
			i := slices.IndexFunc(modules, func(m struct{ from, module, why string }) bool {
				return m.from == p.room() && (path == m.module || strings.HasPrefix(path, m.module+"/"))
			})
			if i < 0 {
				t.Errorf("%s may not import %s: the list of modules has no such line", p.room(), path)
				continue
			}
			used[i] = true
		}
	}
	for i, m := range modules {
		if !used[i] {
			t.Errorf("the list of modules allows %s -> %s, which nobody uses: take the line out", m.from, m.module)
		}
	}
}

func TestStrangersStayApart(t *testing.T) {
	within := func(path, room string) bool {
		return path == own+room || strings.HasPrefix(path, own+room+"/")
	}
	for _, p := range packages(t) {
		for _, s := range strangers {
			if !within(p.ImportPath, s.a) {
				continue
			}
			paths := importsOf(t, p)
			if s.tests {
				paths = slices.Concat(paths, p.TestImports, p.XTestImports)
			}
			for _, path := range paths {
				if within(path, s.b) {
					t.Errorf("%s imports %s: %s", p.ImportPath, path, s.why)
				}
			}
		}
	}
}

// TestRoomsKnowParamsOnly holds the rooms to the one name of config that they may use. app knows the rest.
func TestRoomsKnowParamsOnly(t *testing.T) {
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.room(), "provider") {
			continue
		}
		eachFile(t, p, func(set *token.FileSet, f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "config" && x.Obj == nil && importsPath(f, own+"config") && sel.Sel.Name != "Params" {
					t.Errorf("%s: a provider knows config.Params only, not config.%s", set.Position(sel.Pos()), sel.Sel.Name)
				}
				return true
			})
		})
	}
}

func importsPath(f *ast.File, path string) bool {
	return slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool { return strings.Trim(s.Path.Value, `"`) == path })
}

func TestNamesSayWhatIsInside(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(noRooms, filepath.Base(p.ImportPath)) || slices.Contains(noRooms, p.Name) {
			t.Errorf("package %s: a name must say what is inside", p.ImportPath)
		}
		for _, name := range p.files() {
			if base := strings.TrimSuffix(filepath.Base(name), ".go"); slices.Contains(noRooms, base) && base != "types" {
				t.Errorf("file %s: a name must say what is inside", name)
			}
		}
		if guarded(p) && p.Doc == "" {
			t.Errorf("package %s has no package comment", p.ImportPath)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		eachFile(t, p, func(set *token.FileSet, f *ast.File) {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: no init(): what a program does at its start stands in app and cli", set.Position(fn.Pos()))
				}
			}
		})
	}
}

// TestSizes fails nothing: it shows what has grown (go test -v -run TestSizes .).
func TestSizes(t *testing.T) {
	for _, p := range packages(t) {
		eachFile(t, p, func(set *token.FileSet, f *ast.File) {
			if n := set.Position(f.End()).Line; n > longFile {
				t.Logf("%s has %d lines: more than one subject?", set.Position(f.Pos()).Filename, n)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
					if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > longFunction {
						t.Logf("%s: %s has %d lines", set.Position(fn.Pos()), fn.Name.Name, n)
					}
				}
			}
		})
	}
}

func eachFile(t *testing.T, p pkg, visit func(*token.FileSet, *ast.File)) {
	t.Helper()
	for _, name := range p.files() {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		visit(set, f)
	}
}
