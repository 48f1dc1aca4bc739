package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// team is a team with its key, what the key may call, and what it asks.
type team struct {
	name    string
	allowed []string
	prompts []prompt
	refused string // the alias that it tries in vain

	key    string
	client openai.Client
}

type prompt struct{ alias, text string }

// calls is how many rows the ledger will have of the team. A refusal is one.
func (t *team) calls() int {
	n := len(t.prompts)
	if t.refused != "" {
		n++
	}
	return n
}

func run(ctx context.Context, g *gateway, a, b string) error {
	models, err := g.models(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("models: %s\n\n", strings.Join(models, ", "))
	for _, alias := range []string{a, b} {
		if !slices.Contains(models, alias) {
			return fmt.Errorf("the gateway has no model %s", alias)
		}
	}
	teams := []*team{
		{
			name: "team-alpha", allowed: []string{a}, refused: b,
			prompts: []prompt{{a, "What is the capital of Japan?"}, {a, "What is 7 x 8?"}, {a, "Say hello."}},
		},
		{
			name: "team-beta", allowed: []string{a, b},
			prompts: []prompt{{a, "What is the capital of Norway?"}, {b, "What is 6 x 9?"}},
		},
	}
	id := runID()
	if err := makeKeys(ctx, g, teams, id); err != nil {
		return err
	}
	for _, t := range teams {
		for _, p := range t.prompts {
			if err := t.ask(ctx, p); err != nil {
				return err
			}
		}
	}
	if err := teams[0].tryInVain(ctx); err != nil {
		return err
	}
	if err := showRows(ctx, g, teams); err != nil {
		return err
	}
	return showTotals(ctx, g, id)
}

func runID() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func makeKeys(ctx context.Context, g *gateway, teams []*team, id string) error {
	fmt.Println("two keys, each for an hour and 5 dollars:")
	for _, t := range teams {
		key, err := g.makeKey(ctx, t.allowed, metadata{Team: t.name, Owner: "cost companion", Run: id})
		if err != nil {
			return err
		}
		t.key, t.client = key, openai.NewClient(option.WithBaseURL(g.url+"/v1"), option.WithAPIKey(key))
		fmt.Printf("  %-11s sk-...%s  %s\n", t.name, key[max(len(key)-4, 0):], strings.Join(t.allowed, ", "))
	}
	fmt.Println()
	return nil
}

// ask asks a model by the team's key and prints its answer.
func (t *team) ask(ctx context.Context, p prompt) error {
	fmt.Printf("%s > %s: %s\n", t.name, p.alias, p.text)
	answer, err := t.complete(ctx, p)
	if err != nil {
		return fmt.Errorf("the gateway refused the prompt: %s", reason(err))
	}
	if len(answer.Choices) == 0 {
		return errors.New("the answer has no choices")
	}
	text := cmp.Or(answer.Choices[0].Message.Content, "(no text within 30 tokens)")
	fmt.Printf("  %s  (%d tokens)\n", text, answer.Usage.TotalTokens)
	return nil
}

// tryInVain shows that a key does not reach a model that is not on its list.
func (t *team) tryInVain(ctx context.Context) error {
	fmt.Printf("%s > %s: may I?\n", t.name, t.refused)
	_, err := t.complete(ctx, prompt{t.refused, "May I?"})
	if err == nil {
		return fmt.Errorf("%s reached %s, which is not on its key's list", t.name, t.refused)
	}
	refused, ok := errors.AsType[*openai.Error](err)
	if !ok {
		return fmt.Errorf("no answer to %s: %s", t.name, reason(err))
	}
	fmt.Printf("  refused with %d: %s\n\n", refused.StatusCode, refused.Message)
	return nil
}

func (t *team) complete(ctx context.Context, p prompt) (*openai.ChatCompletion, error) {
	return t.client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:     p.alias,
		Messages:  []openai.ChatCompletionMessageParamUnion{openai.UserMessage(p.text)},
		MaxTokens: openai.Int(30),
	})
}

// showRows waits until the ledger has every call, for LITELLM_SPEND_FLUSH_WAIT seconds at most, and prints the rows.
func showRows(ctx context.Context, g *gateway, teams []*team) error {
	seconds, err := strconv.ParseFloat(cmp.Or(os.Getenv("LITELLM_SPEND_FLUSH_WAIT"), "15"), 64)
	if err != nil {
		return errors.New("LITELLM_SPEND_FLUSH_WAIT is no number of seconds")
	}
	begun := time.Now()
	for {
		rows := map[string][]row{}
		have, want, all := 0, 0, true
		for _, t := range teams {
			if rows[t.name], err = g.rows(ctx, t.key); err != nil {
				return err
			}
			have, want = have+len(rows[t.name]), want+t.calls()
			all = all && len(rows[t.name]) >= t.calls()
		}
		waited := time.Since(begun).Seconds()
		if all {
			fmt.Printf("the ledger has all %d calls after %.1f s\n", want, waited)
			printRows(teams, rows)
			return nil
		}
		if waited > seconds {
			return fmt.Errorf("the ledger has %d of %d calls after %.0f s", have, want, waited)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func printRows(teams []*team, rows map[string][]row) {
	for _, t := range teams {
		fmt.Printf("\nrows of %s\n", t.name)
		for _, r := range rows[t.name] {
			fmt.Printf("  %-11s %-8s %-52s %4d tokens  %s USD\n", cmp.Or(r.Metadata.Team, "?"), r.Status, r.Model, r.TotalTokens, dollars(r.Spend))
		}
	}
}

// showTotals prints the spend of this run's keys, and of every model that the gateway has called in 30 days.
func showTotals(ctx context.Context, g *gateway, id string) error {
	fmt.Println("\nspend by key (this run)")
	keys, err := g.totals(ctx, "keys")
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Metadata.Run == id {
			fmt.Printf("  %-11s %s USD\n", k.Metadata.Team, dollars(k.TotalSpend))
		}
	}
	fmt.Println("\nspend by model (all keys)")
	models, err := g.totals(ctx, "models")
	if err != nil {
		return err
	}
	for _, m := range models {
		fmt.Printf("  %-52s %s USD\n", m.Model, dollars(m.TotalSpend))
	}
	return nil
}

func dollars(amount json.Number) string {
	f, _ := amount.Float64() // an absent amount is 0
	return fmt.Sprintf("%.8f", f)
}
