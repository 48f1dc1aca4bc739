package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// governance is the virtual key that the gateway is called with, so that what is measured is what callers get: a key that
// is looked up, a budget that is held and settled, limits that are counted, a row in the ledger for every call.
type governance struct {
	key           string
	answered, cut int // calls of the gateway, as their callers saw them
	failed        int
	begun         time.Time
}

// govern makes the key. Its budget and limits bind nobody, and cost what those that do would.
func (b *bench) govern(ctx context.Context) error {
	b.governed = governance{begun: time.Now()}
	var made struct {
		Key string `json:"key"`
	}
	if err := b.manage(ctx, "POST", "/key/generate", `{"max_budget":1000000,"rpm_limit":100000000,"tpm_limit":1000000000000,"max_parallel_requests":100000,"metadata":{"team":"bench"}}`, &made); err != nil {
		return err
	}
	b.governed.key = made.Key
	return nil
}

// keyFor is what callers of a target send.
func (b *bench) keyFor(target string) string {
	if (target == gateway || target == shortKeyed) && b.governed.key != "" {
		return b.governed.key
	}
	return masterKey
}

// note adds what was observed of calls of a target.
func (b *bench) note(target string, got *observed) {
	if target == gateway || target == shortKeyed {
		b.governed.answered += got.calls
		b.governed.cut += got.cut
		b.governed.failed += got.errors
	}
}

// audit compares the ledger with what the callers saw. A run whose sums differ is void.
func (b *bench) audit(ctx context.Context) error {
	if b.governed.key == "" {
		return nil
	}
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	var report struct {
		Metadata struct {
			Requests   int `json:"total_api_requests"`
			Successful int `json:"total_successful_requests"`
		} `json:"metadata"`
	}
	path := fmt.Sprintf("/key/daily/activity?start_date=%s&end_date=%s&page_size=1000", day(b.governed.begun), day(time.Now()))
	if err := b.manage(ctx, "GET", path, "", &report); err != nil {
		return err
	}
	g := &b.governed
	rows := report.Metadata
	if rows.Successful < g.answered || rows.Requests > g.answered+g.cut+g.failed {
		return fmt.Errorf("the run is void: the ledger has %d calls, %d of them answered; the callers saw %d answered, %d cut and %d failed",
			rows.Requests, rows.Successful, g.answered, g.cut, g.failed)
	}
	return nil
}

// manage makes a call of the gateway's management API.
func (b *bench) manage(ctx context.Context, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, b.targets[gateway].url()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
