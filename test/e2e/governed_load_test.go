package e2e_test

import (
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// witness stands between gateways and the simulator and notes the id of each answer that the simulator has given.
type witness struct {
	url string

	mu  sync.Mutex
	ids map[string]bool // guarded by mu
}

// newWitness starts a witness of a simulator.
func newWitness(t *testing.T, sim string) *witness {
	t.Helper()
	target, err := url.Parse(sim)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{ids: map[string]bool{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		// The signature covers the host, so it stays.
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(resp *http.Response) error { w.note(resp); return nil },
		FlushInterval:  -1,
		// A gateway that is killed leaves its calls: nobody need hear of that.
		ErrorLog:     log.New(io.Discard, "", 0),
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *witness) note(resp *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp.StatusCode == http.StatusOK {
		w.ids[resp.Header.Get("Opc-Request-Id")] = true
	}
}

func (w *witness) saw(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ids[id]
}

// load is callers that call without a pause until it is stopped.
type load struct {
	stopping chan struct{}
	callers  sync.WaitGroup

	mu  sync.Mutex
	all []answered // guarded by mu
}

// startLoad lets n callers call; call is told which caller it is and how often it has called.
func startLoad(n int, call func(caller, i int) answered) *load {
	l := &load{stopping: make(chan struct{})}
	for caller := range n {
		l.callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stopping:
					return
				default:
				}
				a := call(caller, i)
				l.mu.Lock()
				l.all = append(l.all, a)
				l.mu.Unlock()
			}
		})
	}
	return l
}

// answers is how many calls were answered so far.
func (l *load) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return served(l.all)
}

// wait waits until so many more calls were answered than now.
func (l *load) wait(t *testing.T, more int) {
	t.Helper()
	want := l.answers() + more
	eventually(t, 60*time.Second, func() string {
		if n := l.answers(); n < want {
			return fmt.Sprintf("%d calls were answered, want %d", n, want)
		}
		return ""
	})
}

// stop ends the callers and returns how their calls went.
func (l *load) stop() []answered {
	close(l.stopping)
	l.callers.Wait()
	return l.all
}

// mixed calls like question, every second time as a stream.
func mixed(i int) obj {
	if i%2 == 1 {
		return question("chat", asStream)
	}
	return question("chat")
}

// settled lets each replica write what it has and returns the rows of the keys, by key.
func (w *world) settled(keys []string) map[string][]row {
	w.t.Helper()
	for _, r := range w.replicas {
		r.manage("POST", "/global/spend/refresh", obj{})
	}
	rows := map[string][]row{}
	for _, key := range keys {
		rows[key] = w.rows(key, 0)
	}
	return rows
}

// reconcile compares, after a load with keys of a team of its own, what callers saw, what the ledger holds, what the
// simulator gave, and every sum that the management API shows.
func (w *world) reconcile(team string, keys []string, all []answered) {
	w.t.Helper()
	rows := w.settled(keys)
	of, upstream := map[string]int{}, map[string]int{}
	sum := new(big.Rat)
	for _, key := range keys {
		mine := spent(w.t, rows[key])
		sum.Add(sum, mine)
		w.shows(mine, "GET", "/key/info?key="+key, "info.spend")
		for _, r := range rows[key] {
			of[r.Metadata.CallID]++
			if r.Metadata.UpstreamID != "" {
				upstream[r.Metadata.UpstreamID]++
			}
			if w.witness != nil && r.Status == "success" && !w.witness.saw(r.Metadata.UpstreamID) {
				w.t.Errorf("a row of a call that the simulator has not answered: %+v", r)
			}
		}
	}
	for id, n := range of {
		if n != 1 {
			w.t.Errorf("%d rows of the call %s", n, id)
		}
	}
	for id, n := range upstream {
		if n != 1 {
			w.t.Errorf("%d rows of the simulator's answer %s", n, id)
		}
	}
	lost := 0
	for _, a := range all {
		if a.ok() && of[a.callID] != 1 {
			lost++
		}
	}
	if lost > 0 {
		w.t.Errorf("%d calls were answered and have no row, of %d", lost, served(all))
	}
	w.shows(sum, "GET", "/team/info?team_id="+team, "team_info.spend")
	w.shows(sum, "GET", "/global/spend", "spend")
	models, byKey := new(big.Rat), new(big.Rat)
	for _, m := range w.list("/global/spend/models") {
		models.Add(models, dollars(w.t, m["total_spend"]))
	}
	for _, k := range w.list("/global/spend/keys") {
		byKey.Add(byKey, dollars(w.t, k["total_spend"]))
	}
	if models.Cmp(sum) != 0 || byKey.Cmp(sum) != 0 {
		w.t.Errorf("the rows' sum is %s, that of the models %s, that of the keys %s", sum.FloatString(12), models.FloatString(12), byKey.FloatString(12))
	}
	today := time.Now().UTC().Format(time.DateOnly)
	w.shows(sum, "GET", "/team/daily/activity?team_ids="+team+"&start_date="+time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)+"&end_date="+today, "metadata.total_spend")
	w.verify()
}

// shows compares a number that the management API shows with what it should be.
func (w *world) shows(want *big.Rat, method, path, at string) {
	w.t.Helper()
	if got := w.shown(method, path, nil, at); got.Cmp(want) != 0 {
		w.t.Errorf("%s shows %s, the rows' sum is %s", path, got.FloatString(12), want.FloatString(12))
	}
}
