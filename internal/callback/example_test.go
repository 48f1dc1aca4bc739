package callback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
	"tollgate/internal/record"
	"tollgate/internal/setting"
)

// BEGIN of what docs/how-to/write-your-own-callback.md shows.

// Tickets opens a ticket for every call that has failed.
type Tickets struct{ to post.Poster }

// OpenTickets reads endpoint, api_key (TICKETS_API_KEY) and timeout.
func OpenTickets(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	endpoint, key := m.Need("endpoint"), m.NeedSecret("api_key", "TICKETS_API_KEY")
	timeout := m.Seconds("timeout", callback.Timeout)
	if err := m.Err(); err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + key.Reveal()}}
	return &Tickets{to: post.Poster{Client: spec.Client, URL: endpoint, Header: header, Timeout: timeout}}, nil
}

// Deliver implements callback.Callback. Tickets are opened one by one.
func (t *Tickets) Deliver(ctx context.Context, batch []*callback.Event) error {
	return post.Each(batch, 1, func(e *callback.Event) error {
		if !e.Failed() {
			return nil
		}
		return t.open(ctx, e.Payload.CallID, e.Payload.ModelGroup+": "+e.Payload.ErrorInformation.Class)
	})
}

func (t *Tickets) open(ctx context.Context, id, title string) error {
	body, err := json.Marshal(map[string]string{"external_id": id, "title": title})
	if err != nil {
		return &post.Refused{Text: err.Error()} // it will not be better next time
	}
	return t.to.Post(ctx, body)
}

// Ping opens a ticket that says that it is a test.
func (t *Tickets) Ping(ctx context.Context) error { return t.open(ctx, "check", "tollgate check") }

// END

func Example() {
	tracker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		fmt.Println(r.Header.Get("Authorization"), string(text))
	}))
	defer tracker.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()

	// What the gateway does with the configuration.
	settings := setting.New("callback_settings.tickets", map[string]any{"endpoint": tracker.URL}, func(name string) string { return "value-of-" + name })
	tickets, err := OpenTickets(callback.Spec{Name: "tickets", Settings: settings, Client: &http.Client{Transport: transport}})
	if err != nil {
		fmt.Println(err)
		return
	}
	hub, err := callback.New(callback.Options{Log: slog.New(slog.DiscardHandler)}, callback.Settings{
		Callbacks: []callback.Configured{{Name: "tickets", Events: callback.Failure, Callback: tickets}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// What it does with every call.
	now := time.Now()
	hub.Emit(&record.Call{SentID: "1", Caller: "hash", Alias: "fast", Started: now, Ended: now, Outcome: record.Success, Status: 200})
	hub.Emit(&record.Call{SentID: "2", Caller: "hash", Alias: "fast", Started: now, Ended: now, Outcome: record.Failure, Status: 503, Error: "The upstream is away."})

	// And when it ends.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(hub.Close(ctx))
	// Output:
	// Bearer value-of-TICKETS_API_KEY {"external_id":"2","title":"fast: ServiceUnavailableError"}
	// <nil>
}

// TestExampleIsWhatThePageShows keeps the page true.
func TestExampleIsWhatThePageShows(t *testing.T) {
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/how-to/write-your-own-callback.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(code), "callback.md shows.\n\n")
	shown, _, found := strings.Cut(shown, "\n// END")
	if !found || !strings.Contains(string(page), shown) {
		t.Error("docs/how-to/write-your-own-callback.md shows other code")
	}
}
