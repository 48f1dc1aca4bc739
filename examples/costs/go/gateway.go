package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// gateway is the gateway as its operator uses it. The SDK's client carries the management calls too.
type gateway struct {
	url    string
	client openai.Client
	made   []string
}

func newGateway(url, key string) *gateway {
	return &gateway{url: url, client: openai.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))}
}

// metadata is what a key says of its holder. The gateway repeats it on every row of the ledger.
type metadata struct {
	Team  string `json:"team"`
	Owner string `json:"owner"`
	Run   string `json:"run"`
}

// row is a call in the ledger, as far as it is shown.
type row struct {
	Model       string      `json:"model"`
	Status      string      `json:"status"`
	TotalTokens int64       `json:"total_tokens"`
	Spend       json.Number `json:"spend"`
	Metadata    metadata    `json:"metadata"`
}

// total is the spend of a key or a model.
type total struct {
	Model      string      `json:"model"`
	Metadata   metadata    `json:"metadata"`
	TotalSpend json.Number `json:"total_spend"`
}

// models lists the aliases, in 5 seconds at most.
func (g *gateway) models(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	page, err := g.client.Models.List(ctx)
	if err != nil {
		return nil, g.failed("GET /models", err)
	}
	var aliases []string
	for _, m := range page.Data {
		aliases = append(aliases, m.ID)
	}
	return aliases, nil
}

// makeKey makes a virtual key for an hour and 5 dollars.
func (g *gateway) makeKey(ctx context.Context, models []string, about metadata) (string, error) {
	body := map[string]any{"models": models, "max_budget": 5, "duration": "1h", "metadata": about}
	var made struct {
		Key string `json:"key"`
	}
	if err := g.client.Post(ctx, "key/generate", body, &made); err != nil {
		return "", g.failed("POST /key/generate", err)
	}
	g.made = append(g.made, made.Key)
	return made.Key, nil
}

// deleteKeys deletes the keys that were made.
func (g *gateway) deleteKeys(ctx context.Context) error {
	if len(g.made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var deleted json.RawMessage
	if err := g.client.Post(ctx, "key/delete", map[string]any{"keys": g.made}, &deleted); err != nil {
		return fmt.Errorf("the keys end in an hour, since they could not be deleted: %w", g.failed("POST /key/delete", err))
	}
	fmt.Printf("\ndeleted %d keys\n", len(g.made))
	return nil
}

// rows are the ledger's rows of a key, the oldest first.
func (g *gateway) rows(ctx context.Context, key string) ([]row, error) {
	var rows []row
	if err := g.client.Get(ctx, "spend/logs", nil, &rows, option.WithQuery("api_key", key)); err != nil {
		return nil, g.failed("GET /spend/logs", err)
	}
	return rows, nil
}

// totals reads one of the aggregates, "keys" or "models".
func (g *gateway) totals(ctx context.Context, of string) ([]total, error) {
	var totals []total
	if err := g.client.Get(ctx, "global/spend/"+of, nil, &totals); err != nil {
		return nil, g.failed("GET /global/spend/"+of, err)
	}
	return totals, nil
}

// failed says in one line how a call failed.
func (g *gateway) failed(call string, err error) error {
	if _, refused := errors.AsType[*openai.Error](err); refused {
		return fmt.Errorf("%s answered %s", call, reason(err))
	}
	return fmt.Errorf("no gateway answers at %s: %s", g.url, reason(err))
}

// reason is an error in one line. That of a refusal is the gateway's own message, which the SDK's Error does not show.
func reason(err error) string {
	text := err.Error()
	if refused, ok := errors.AsType[*openai.Error](err); ok {
		text = fmt.Sprintf("%d: %s", refused.StatusCode, refused.Message)
	}
	return strings.Join(strings.Fields(text), " ")
}
