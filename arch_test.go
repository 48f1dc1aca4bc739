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

	{"app", "account", "app tells the rooms what was changed in the store"},
	{"app", "admin", "app gives the management API what it works with"},
	{"app", "budget", "app opens the budgets and gives deployments theirs"},
	{"app", "importer", "app opens the store that LiteLLM's database is brought into"},
	{"app", "rekey", "app opens the store whose secrets are sealed anew"},
	{"importer", "account", "keys, teams, users and what they have spent"},
	{"importer", "budget", "durations, read as LiteLLM writes them"},
	{"importer", "ledger", "rows of LiteLLM become rows here"},
	{"importer", "money", "doubles become exact money"},
	{"importer", "seal", "LiteLLM's ciphertexts are opened, and sealed as ours"},
	{"importer", "telemetry", "ids of what has none"},
	{"rekey", "account", "what is stored sealed"},
	{"rekey", "seal", "opened with the old key, sealed with the new one"},
	{"app", "jobs", "app starts the work in the background"},
	{"app", "ledger", "app opens the ledger between spool and store"},
	{"app", "limit", "app opens the limits"},
	{"app", "money", "app notes counters that were set by hand"},
	{"app", "quota", "app chooses where replicas agree"},
	{"app", "record", "app tells the budgets which calls are booked"},
	{"app", "redis", "app opens Redis where it is configured"},
	{"app", "seal", "app opens what was stored sealed"},
	{"app", "spool", "app opens the ledger's spool"},
	{"app", "store", "the one room that sees the store as well as those that use it"},

	{"admin", "access", "the entries of the route table, and who calls"},
	{"admin", "account", "the objects that are managed"},
	{"admin", "apierr", "a refusal is an error as the caller sees it"},
	{"admin", "budget", "durations and the ends of periods"},
	{"admin", "ledger", "reports are questions to the ledger"},
	{"admin", "money", "reports are exact money"},
	{"admin", "price", "/spend/calculate and /cost/estimate"},
	{"admin", "seal", "credentials and stored models are sealed before they are stored"},
	{"admin", "secret", "what is shown of a secret is masked"},
	{"admin", "telemetry", "ids of what is made"},

	{"cli", "account", "a raw key is hashed before it is sent, amounts are exact"},
	{"cli", "egress", "prices update fetches through the one dialer"},
	{"cli", "money", "spend report adds up exactly"},
	{"client", "account", "replies are the accounts' own shapes"},
	{"client", "secret", "the key is masked"},

	{"gateway", "account", "the counters that a call is charged to"},
	{"gateway", "budget", "a call holds its worst case before it goes out"},
	{"gateway", "limit", "a call takes its place in the limits"},

	{"access", "account", "keys, teams, users and what they may do"},
	{"access", "budget", "an identity is compiled into the budgets that pay for it"},
	{"access", "limit", "an identity is compiled into the limits that hold it"},
	{"access", "money", "caps are exact money"},
	{"budget", "account", "a budget is counted on an account's scope"},
	{"budget", "money", "budgets are exact money"},
	{"budget", "quota", "a budget is a quota of money"},
	{"budget", "record", "what the ledger has booked is no longer on its way"},
	{"limit", "quota", "a limit is a quota of requests, tokens or slots"},
	{"quota/quotatest", "quota", "the suite that every truth must pass"},
	{"redis", "account", "replicas tell each other what was changed"},
	{"redis", "quota", "Redis is one of the truths"},
	{"redis", "secret", "the password is masked"},
	{"ledger", "account", "rows carry scopes and metadata"},
	{"ledger", "jsonscan", "a row's JSON is written and bounded without a tree"},
	{"ledger", "money", "rows are exact money"},
	{"ledger", "record", "a call becomes a row"},
	{"ledger", "spool", "calls wait in the spool for the store"},
	{"store", "account", "the store implements what the rooms declare"},
	{"store", "budget", "the end of a period is the budgets' to say"},
	{"store", "ledger", "the store implements what the rooms declare"},
	{"store", "money", "money is stored exactly"},
	{"store", "quota", "the store is one of the truths"},
	{"store", "record", "calls are booked"},
	{"store/storetest", "account", "the suite that both engines must pass"},
	{"store/storetest", "ledger", "the suite that both engines must pass"},
	{"store/storetest", "money", "the suite that both engines must pass"},
	{"store/storetest", "record", "the suite that both engines must pass"},
	{"store/storetest", "store", "the suite that both engines must pass"},
	{"account", "money", "an amount becomes exact money where it is enforced"},
	{"record", "account", "a call names the scopes that pay for it"},
	{"record", "money", "a call's cost is exact money"},
	{"seal", "secret", "the key to seal with is masked"},

	// Seams and what stands behind them. A new guardrail, callback or cache is its folder and one line in builtin.
	{"admin", "callback", "which variables of a callback are sealed, and for where"},
	{"alert", "account", "budgets are those of accounts"},
	{"alert", "money", "what is left of a budget"},
	{"alert", "record", "alerts are made of finished calls"},
	{"alert", "secret", "webhooks are secrets"},
	{"app", "alert", "app opens the alerts, which outlive reloads"},
	{"builtin", "cache", "the explicit list of caches"},
	{"builtin", "egress", "OCI's guardrails go out the way that its models go"},
	{"cache", "setting", "what a backend is opened with"},
	{"callback/*", "callback/otlp", "one way of speaking OpenTelemetry's protocol"},
	{"cli", "cache/s3store", "validate says which object stores are not served"},
	{"cli", "guardrail", "validate says which guardrails are not served"},
	{"rekey", "callback", "what of a callback's variables is sealed, and for where"},
	{"app", "cache", "app opens the cache of a configuration"},
	{"app", "callback", "app opens the callbacks, and the hub that outlives reloads"},
	{"app", "guardrail", "app opens the guardrails of a configuration"},
	{"app", "setting", "the settings of integrations are handed to them"},
	{"builtin", "cache/*", "the explicit list of caches"},
	{"builtin", "callback", "the explicit list of callbacks"},
	{"builtin", "callback/*", "the explicit list of callbacks"},
	{"builtin", "guardrail", "the explicit list of guardrails"},
	{"builtin", "guardrail/*", "the explicit list of guardrails"},
	{"cli", "callback", "validate says which callbacks are not served"},
	{"gateway", "cache", "the step that asks the cache"},
	{"gateway", "callback", "keys, teams and callers choose who hears of a call"},
	{"gateway", "content", "a stream is put together for callbacks and the cache"},
	{"gateway", "egress", "debug logs name the call that a request is made for"},
	{"gateway", "guardrail", "the steps that guardrails stand in"},
	{"content", "jsonscan", "texts are found without a tree"},
	{"content", "openai", "the shapes that it finds texts in"},
	{"setting", "secret", "secrets of settings are masked as soon as they are read"},
	{"cache", "content", "what a question says, and whether an answer says anything"},
	{"cache", "jsonscan", "keys are made without a tree"},
	{"cache", "money", "what a hit has saved"},
	{"cache", "openai", "questions and answers"},
	{"cache/*", "cache", "an implementation imports its seam"},
	{"cache/*", "secret", "passwords are masked"},
	{"cache/*", "setting", "its own settings"},
	{"cache/*", "cache/redisconn", "one way of reading Redis' settings"},
	{"cache/redisconn", "redis", "one way of connecting to Redis"},
	{"cache/s3store", "s3", "one client of S3"},
	{"callback", "jsonscan", "payloads are made without a tree"},
	{"callback", "record", "an event is a finished call"},
	{"callback", "setting", "a callback's own switch"},
	{"callback", "spool", "events wait on the disk"},
	{"callback/*", "callback", "an implementation imports its seam"},
	{"callback/*", "callback/post", "one way of posting batches"},
	{"callback/*", "money", "costs"},
	{"callback/*", "record", "steps and guardrails of a call"},
	{"callback/*", "secret", "keys are masked"},
	{"callback/*", "setting", "its own settings"},
	{"callback/s3archive", "awssign", "objects are signed for"},
	{"callback/s3archive", "s3", "one client of S3"},
	{"guardrail", "apierr", "a refusal is an error as the caller sees it"},
	{"guardrail", "content", "what guardrails judge"},
	{"guardrail", "jsonscan", "what a caller asks for is read without a tree"},
	{"guardrail", "openai", "requests, answers and streams"},
	{"guardrail", "record", "each run is on the record"},
	{"guardrail", "setting", "a guardrail's own settings"},
	{"guardrail/*", "content", "what guardrails judge"},
	{"guardrail/*", "guardrail", "an implementation imports its seam"},
	{"guardrail/*", "guardrail/detect", "one way of finding things of a known shape"},
	{"guardrail/*", "guardrail/remote", "one way of calling vendors"},
	{"guardrail/*", "openai", "requests and answers"},
	{"guardrail/*", "secret", "keys are masked"},
	{"guardrail/*", "setting", "its own settings"},
	{"guardrail/bedrock", "awssign", "calls are signed"},
	{"s3", "awssign", "calls are signed"},
	{"s3", "setting", "the settings of S3 are the same for caches and archives"},
	{"awssign", "secret", "keys are masked"},

	{"ocisim", "ocisim/answer", "what the simulated models say"},
	{"ocisim", "ocisim/hashembed", "the simulated embeddings"},
	{"ocisim", "ocisim/identity", "certificates, tokens and policies of the simulated identity services"},
}

// modules says who may import which module that is not ours. The standard library is free for all.
var modules = []struct{ from, module, why string }{
	{"access", "github.com/MicahParks/jwkset", "key sets of token issuers"},
	{"access", "github.com/golang-jwt/jwt/v5", "signed bearer tokens"},
	{"admin", "golang.org/x/crypto", "passwords are hashed with bcrypt"},
	{"app", "go.yaml.in/yaml/v3", "the masked configuration is shown by the management API"},
	{"cli", "github.com/schollz/progressbar/v3", "progress of long work"},
	{"importer", "github.com/jackc/pgx/v5", "LiteLLM's database is read"},
	{"importer", "golang.org/x/sync", "reading and writing go side by side"},
	{"cli", "golang.org/x/term", "a key is typed without being shown"},
	{"ledger", "google.golang.org/protobuf", "calls are encoded field by field on their way through the spool"},
	{"redis", "github.com/redis/go-redis/v9", "the client of Redis and Valkey"},
	{"seal", "golang.org/x/crypto", "LiteLLM's older ciphertexts are NaCl boxes"},
	{"spool", "github.com/gofrs/flock", "one process uses a spool"},
	{"store", "github.com/jackc/pgx/v5", "the driver of PostgreSQL, COPY and LISTEN included"},
	{"store", "modernc.org/sqlite", "SQLite without C"},
	{"store/storetest", "github.com/google/go-cmp", "objects are compared whole"},
	{"testkit", "github.com/jackc/pgx/v5", "databases are made for tests"},
	{"testkit", "github.com/redis/go-redis/v9", "servers are asked whether they are up"},
	{"cmd/tollgate", "golang.org/x/crypto", "public certificate authorities for an image that holds nothing but the binary"},
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
	{"cache/redisvectors", "github.com/redis/go-redis/v9", "the client of Redis and Valkey"},
	{"callback/langfuse", "go.opentelemetry.io/proto/otlp", "the protocol's types"},
	{"callback/otel", "go.opentelemetry.io", "metrics by the SDK and its exporters; the protocol's types"},
	{"callback/otel", "google.golang.org/grpc", "metrics over gRPC"},
	{"callback/otlp", "go.opentelemetry.io/proto/otlp", "the protocol's types"},
	{"callback/otlp", "google.golang.org/genproto", "when a backend wants to be asked again"},
	{"callback/otlp", "google.golang.org/grpc", "the protocol over gRPC"},
	{"callback/otlp", "google.golang.org/protobuf", "the protocol over HTTP"},
	{"recorder", "go.opentelemetry.io/proto/otlp", "what backends of OpenTelemetry and Langfuse are sent"},
	{"recorder", "google.golang.org/genproto", "answers of a backend of gRPC"},
	{"recorder", "google.golang.org/grpc", "a backend of gRPC"},
	{"recorder", "google.golang.org/protobuf", "what backends are sent is decoded"},
	{"awssign", "github.com/aws/aws-sdk-go-v2", "the signature of AWS"},
	{"cache", "golang.org/x/sync", "several keys are asked side by side"},
	{"cache/local", "github.com/maypok86/otter/v2", "a bounded map that keeps what is asked for"},
	{"cache/pgvector", "github.com/jackc/pgx/v5", "the driver of PostgreSQL"},
	{"cache/redisconn", "github.com/redis/go-redis/v9", "the client of Redis and Valkey"},
	{"cache/redisstore", "github.com/redis/go-redis/v9", "the client of Redis and Valkey"},
	{"guardrail/contentfilter", "go.yaml.in/yaml/v3", "files of words and categories"},
	{"guardrail/remote", "golang.org/x/sync", "pieces are judged side by side"},
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

// names reports whether a name of the import map is that of a room: "guardrail/*" is every folder below guardrail.
func names(entry, room string) bool {
	if family, ok := strings.CutSuffix(entry, "*"); ok {
		return strings.HasPrefix(room, family)
	}
	return entry == room
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
			i := slices.IndexFunc(imports, func(e struct{ from, to, why string }) bool { return names(e.from, p.room()) && names(e.to, to) })
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
