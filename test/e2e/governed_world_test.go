package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/testkit"
)

// Prices of the deployments that governed worlds have, in dollars a token. Next to nothing for input: what a call holds
// is then nearly what it costs, and the simulator's own count of tokens tells what the ledger must hold to the last digit.
var inputPrice, outputPrice = big.NewRat(1, 1e9), big.NewRat(2, 1e6)

// outputTokens is what a call of ask asks for; the simulator writes as much.
const outputTokens = 20

// ourPrice is what all deployments of a governed world have in common.
const ourPrice = "<<: *oci, input_cost_per_token: 0.000000001, output_cost_per_token: 0.000002"

const governedConfig = `
x-oci: &oci
  oci_region: os.environ/OCI_REGION
  oci_user: os.environ/OCI_USER
  oci_fingerprint: os.environ/OCI_FINGERPRINT
  oci_tenancy: os.environ/OCI_TENANCY
  oci_key_file: os.environ/OCI_KEY_FILE
  oci_compartment_id: os.environ/OCI_COMPARTMENT_ID
  api_base: os.environ/OCI_ENDPOINT
model_list:
  - {model_name: chat, litellm_params: {model: oci/meta.llama-4-maverick-17b-128e-instruct-fp8, ` + ourPrice + `}}
  - {model_name: second, litellm_params: {model: oci/cohere.command-latest, ` + ourPrice + `}}
`

// settings is how a governed world is made. The zero value is one replica on SQLite.
type settings struct {
	replicas int
	database string   // URL; "" = a SQLite file for each replica
	env      []string // such as REDIS_HOST
	models   string   // further lines of model_list
	config   string   // further sections
	witness  bool     // note what the simulator answers
}

// world is a simulator with gateways in front of it.
type world struct {
	t        *testing.T
	sim      simulator
	replicas []*replica
	database string
	witness  *witness // nil unless the settings ask for one
}

// simulator is the control API of a running simulator.
type simulator struct {
	t   *testing.T
	url string
}

// replica is a gateway with a data directory and a configuration of its own, which may be killed and started again.
type replica struct {
	t    *testing.T
	env  []string
	args []string
	dir  string

	mu sync.Mutex
	p  *process // guarded by mu
}

func newWorld(t *testing.T, s settings) *world {
	t.Helper()
	url, env := sim(t)
	w := &world{t: t, sim: simulator{t, url}, database: s.database}
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, governedConfig+s.models+s.config)
	env = append(append(env, "LITELLM_MASTER_KEY="+masterKey, "LITELLM_SALT_KEY="+masterKey+"-salt"), s.env...)
	if s.database != "" {
		env = append(env, "DATABASE_URL="+s.database)
	}
	if s.witness {
		w.witness = newWitness(t, url)
		env = append(env, "OCI_ENDPOINT="+w.witness.url) // the last one counts
	}
	for range max(s.replicas, 1) {
		r := &replica{t: t, env: env, args: []string{"serve", "--config", file, "--port", "0"}, dir: t.TempDir()}
		r.p = r.begin()
		w.replicas = append(w.replicas, r)
	}
	for _, r := range w.replicas {
		listen(r.p)
	}
	return w
}

// onBothStores runs a test on SQLite and on PostgreSQL.
func onBothStores(t *testing.T, test func(t *testing.T, database string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, testkit.Postgres(t)) })
}

// begin starts the gateway.
func (r *replica) begin() *process {
	r.t.Helper()
	return start(r.t, r.env, append(r.args, "--data-dir", r.dir)...)
}

// start starts the gateway and waits until it serves.
func (r *replica) start() {
	r.t.Helper()
	p := listen(r.begin())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p = p
}

func (r *replica) process() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.p
}

// url is where the gateway serves now; another after each start.
func (r *replica) url() string { return r.process().url }

// kill ends the gateway as kill -9 does.
func (r *replica) kill() { r.end(os.Kill) }

// stop lets the gateway end in order.
func (r *replica) stop() { r.end(syscall.SIGTERM) }

func (r *replica) end(signal os.Signal) {
	r.t.Helper()
	p := r.process()
	if err := p.cmd.Process.Signal(signal); err != nil {
		r.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		p.ended <- err // for the clean-up
		if err != nil && signal != os.Kill {
			r.t.Errorf("the gateway ended with %v:\n%s", err, p.stderr)
		}
	case <-time.After(60 * time.Second):
		r.t.Fatalf("the gateway did not stop:\n%s", p.stderr)
	}
}

// counted is what the simulator has billed.
type counted struct {
	Calls            int64 `json:"calls"`
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
}

func (c counted) minus(d counted) counted {
	return counted{c.Calls - d.Calls, c.PromptTokens - d.PromptTokens, c.CompletionTokens - d.CompletionTokens}
}

// cost is what the counted tokens cost by the prices of a governed world.
func (c counted) cost() *big.Rat {
	in := new(big.Rat).Mul(big.NewRat(c.PromptTokens, 1), inputPrice)
	return in.Add(in, new(big.Rat).Mul(big.NewRat(c.CompletionTokens, 1), outputPrice))
}

// usage is the simulator's count since its start.
func (s simulator) usage() counted {
	s.t.Helper()
	var all struct{ Keys map[string]counted }
	s.do("GET", "/_sim/usage", "", &all)
	var sum counted
	for _, k := range all.Keys {
		sum = counted{sum.Calls + k.Calls, sum.PromptTokens + k.PromptTokens, sum.CompletionTokens + k.CompletionTokens}
	}
	return sum
}

// fault makes the simulator misbehave by a rule.
func (s simulator) fault(rule string) {
	s.t.Helper()
	s.do("POST", "/_sim/faults", rule, nil)
}

func (s simulator) heal() {
	s.t.Helper()
	s.do("DELETE", "/_sim/faults", "", nil)
}

func (s simulator) do(method, path, body string, into any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		s.t.Fatalf("the simulator answers %s %s with %d", method, path, resp.StatusCode)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits until done says "" and fails with what it said last. There is no event to wait for where it is used:
// it looks again and again.
func eventually(t *testing.T, within time.Duration, done func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(within)
	for {
		missing := done()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", within, missing)
		}
		<-tick.C
	}
}

// held is what replicas hold of budgets and slots in PostgreSQL, as text; "" when nothing is. (What is below zero was used
// without a lease, and is booked already.)
func (w *world) held() string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	rows, err := conn.Query(w.t.Context(), "SELECT account, sum(amount)::bigint FROM leases WHERE amount > 0 GROUP BY account")
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var account string
		var amount int64
		if err := rows.Scan(&account, &amount); err != nil {
			return err.Error()
		}
		fmt.Fprintf(&all, "%s holds %d; ", account, amount)
	}
	if err := rows.Err(); err != nil {
		return err.Error()
	}
	return all.String()
}

// released waits until no replica holds anything of any budget that is tight. (A remainder that is small against what
// is left of its budget goes back within a minute only.)
func (w *world) released() {
	w.t.Helper()
	eventually(w.t, 10*time.Second, w.held)
}

// stopped ends all gateways in order; then nothing may be held any more.
func (w *world) stopped() {
	w.t.Helper()
	for _, r := range w.replicas {
		r.stop()
	}
	if held := w.held(); held != "" {
		w.t.Errorf("after all gateways have ended: %s", held)
	}
}

// verify lets the program itself say whether rows, totals and usage fit.
func (w *world) verify() {
	w.t.Helper()
	for _, r := range w.replicas {
		cmd := exec.CommandContext(w.t.Context(), binary, "ledger", "verify", "--data-dir", r.dir)
		cmd.Env = append([]string{"HOME=" + w.t.TempDir()}, r.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Errorf("ledger verify: %v\n%s", err, out)
		}
		if w.database != "" {
			return
		}
	}
}

// redisEnv tells a gateway where Redis is.
func redisEnv(addr string) []string {
	host, port, _ := strings.Cut(addr, ":")
	return []string{"REDIS_HOST=" + host, "REDIS_PORT=" + port}
}

// metric is the value of a metric without labels.
func (r *replica) metric(t *testing.T, name string) float64 {
	t.Helper()
	a, err := r.try(masterKey, "GET", "/metrics", nil)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("/metrics: %v %d", err, a.status)
	}
	for line := range strings.Lines(string(a.body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
