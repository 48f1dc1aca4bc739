package admin

import (
	"cmp"
	"maps"
	"slices"

	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// reportLine is the share that a key and a model have in a line of /global/spend/report.
type reportLine struct {
	Model  string    `json:"model"`
	APIKey string    `json:"api_key"`
	Spend  money.USD `json:"spend"`
	Tokens int64     `json:"total_tokens"`
}

// reportParty is who spent: of a team TeamName, of a customer Customer, of a customer of a team both.
type reportParty struct {
	TeamName *string      `json:"team_name,omitempty"`
	Customer *string      `json:"customer,omitempty"`
	Spend    money.USD    `json:"total_spend"`
	Metadata []reportLine `json:"metadata"`
}

func (p *reportParty) add(model, key string, m ledger.Metrics) {
	p.Spend = addMoney(p.Spend, m.Spend)
	p.Metadata = append(p.Metadata, reportLine{Model: model, APIKey: key, Spend: m.Spend, Tokens: m.TotalTokens})
}

// reportDays groups lines by day and by party. Each line's values are the date, the key, the model and what party is
// told of; list is the field that holds the parties of a day.
func reportDays(lines []ledger.Usage, list string, party func(values []string) reportParty) []map[string]any {
	byDay := map[string]map[string]*reportParty{}
	for _, line := range lines {
		date := line.Values[0]
		if byDay[date] == nil {
			byDay[date] = map[string]*reportParty{}
		}
		p := party(line.Values[3:])
		id := value(p.TeamName) + "\x00" + value(p.Customer)
		if byDay[date][id] == nil {
			byDay[date][id] = &p
		}
		byDay[date][id].add(line.Values[2], line.Values[1], line.Metrics)
	}
	out := []map[string]any{}
	for _, date := range slices.Sorted(maps.Keys(byDay)) {
		parties := []*reportParty{}
		for _, id := range slices.Sorted(maps.Keys(byDay[date])) {
			parties = append(parties, byDay[date][id])
		}
		slices.SortStableFunc(parties, func(a, b *reportParty) int { return cmp.Compare(b.Spend, a.Spend) })
		out = append(out, map[string]any{"group_by_day": date + "T00:00:00+00:00", list: parties})
	}
	return out
}

// keyReport is one line of /global/spend/report by api_key.
type keyReport struct {
	APIKey string        `json:"api_key"`
	Cost   money.USD     `json:"total_cost"`
	Input  int64         `json:"total_input_tokens"`
	Output int64         `json:"total_output_tokens"`
	Models []modelReport `json:"model_details"`
}

type modelReport struct {
	Model  string    `json:"model"`
	Cost   money.USD `json:"total_cost"`
	Input  int64     `json:"total_input_tokens"`
	Output int64     `json:"total_output_tokens"`
}

// keyReports makes the report of lines by key and model, the most expensive key first.
func keyReports(lines []ledger.Usage) []keyReport {
	out := []keyReport{}
	for _, line := range lines {
		if n := len(out); n == 0 || out[n-1].APIKey != line.Values[0] {
			out = append(out, keyReport{APIKey: line.Values[0], Models: []modelReport{}})
		}
		k, m := &out[len(out)-1], line.Metrics
		k.Cost = addMoney(k.Cost, m.Spend)
		k.Input += m.PromptTokens
		k.Output += m.CompletionTokens
		k.Models = append(k.Models, modelReport{Model: line.Values[1], Cost: m.Spend, Input: m.PromptTokens, Output: m.CompletionTokens})
	}
	slices.SortStableFunc(out, func(a, b keyReport) int { return cmp.Compare(b.Cost, a.Cost) })
	return out
}
