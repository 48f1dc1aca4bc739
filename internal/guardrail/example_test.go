package guardrail_test

import (
	"context"
	"fmt"
	"regexp"

	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
	"tollgate/internal/setting"
)

// ticketNumbers keeps the numbers of support tickets away from models: it masks them, or blocks the call.
type ticketNumbers struct {
	pattern *regexp.Regexp
	block   bool
}

// openTicketNumbers is the Opener: it reads the settings of one entry of guardrails and does no I/O.
func openTicketNumbers(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	g := &ticketNumbers{block: s.Choice("action", "mask", "block") == "block"}
	prefix := s.Need("prefix")
	if err := s.Err(); err != nil {
		return nil, err
	}
	g.pattern = regexp.MustCompile(`\b` + regexp.QuoteMeta(prefix) + `-[0-9]{1,8}\b`)
	return g, nil
}

// Check implements guardrail.Guardrail.
func (g *ticketNumbers) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	v := guardrail.Verdict{Texts: make([]string, len(in.Content.Texts))}
	found := 0
	for i, t := range in.Content.Texts {
		found += len(g.pattern.FindAllString(t.Value, -1))
		v.Texts[i] = g.pattern.ReplaceAllString(t.Value, "[TICKET]")
	}
	switch {
	case found == 0:
		return guardrail.Verdict{}, nil
	case g.block:
		v.Action, v.Reason = guardrail.Block, "Ticket numbers must not be sent to a model."
	default:
		v.Action = guardrail.Mask
	}
	v.Findings = []guardrail.Finding{{Kind: "ticket_number", Action: v.Action, Count: found}}
	return v, nil
}

// Overlap implements guardrail.Windowed: a prefix of up to 16 characters, a dash, eight digits, and one more to see where it ends.
func (g *ticketNumbers) Overlap() int { return 26 }

var _ guardrail.Windowed = (*ticketNumbers)(nil)

func Example() {
	settings := setting.New("guardrails[0].litellm_params", map[string]any{"prefix": "OPS"}, nil)
	g, err := openTicketNumbers(guardrail.Spec{Name: "tickets", Kind: "ticket_numbers", Settings: settings})
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := guardrail.New([]guardrail.Config{{
		Name: "tickets", Kind: "ticket_numbers", Guardrail: g, DefaultOn: true, Mode: guardrail.On(guardrail.PreCall, guardrail.PostCall),
	}}, guardrail.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	// What the gateway does with it, in one call.
	request, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","messages":[{"role":"user","content":"What became of OPS-4711?"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := set.Select(guardrail.Selection{Request: request})
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err = run.Pre(context.Background(), request)
	fmt.Println(string(request.Body), err)
	fmt.Println(run.Applied(), run.Records()[0].MaskedEntities)
	// Output:
	// {"model":"m","messages":[{"role":"user","content":"What became of [TICKET]?"}]} <nil>
	// [tickets] map[ticket_number:1]
}
