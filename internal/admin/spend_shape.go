package admin

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// spendDays sums calls by day, key, user and model, for the summary that /spend/logs gives of dates.
type spendDays map[string]*spendDay

type spendDay struct {
	spend               money.USD
	keys, users, models map[string]money.USD
}

func (s spendDays) add(date, key, user, model string, spend money.USD) {
	day := s[date]
	if day == nil {
		day = &spendDay{keys: map[string]money.USD{}, users: map[string]money.USD{}, models: map[string]money.USD{}}
		s[date] = day
	}
	day.spend = addMoney(day.spend, spend)
	day.keys[key] = addMoney(day.keys[key], spend)
	day.users[user] = addMoney(day.users[user], spend)
	day.models[model] = addMoney(day.models[model], spend)
}

// summary lists the days that have calls, the oldest first, and then, as LiteLLM does, a day without any for each that
// is left until the end, the end included. Hashes of keys stand among the fields of a day.
func (s spendDays) summary(p period) []map[string]any {
	out := []map[string]any{}
	if len(s) == 0 {
		return out
	}
	dates := slices.Sorted(maps.Keys(s))
	for _, date := range dates {
		day := s[date]
		row := map[string]any{}
		for key, spend := range day.keys {
			row[key] = spend
		}
		row["startTime"], row["spend"], row["users"], row["models"] = date, day.spend, day.users, day.models
		out = append(out, row)
	}
	whole := period{From: p.From, To: p.To.AddDate(0, 0, 1), Zone: p.Zone}
	for _, date := range whole.days() {
		if date > dates[len(dates)-1] {
			out = append(out, map[string]any{"startTime": date, "spend": 0, "users": struct{}{}, "models": struct{}{}})
		}
	}
	return out
}

// teamSpend is the answer of /global/spend/teams.
type teamSpend struct {
	DailySpend []map[string]any `json:"daily_spend"` // {"date": day, alias: dollars}
	Teams      []string         `json:"teams"`
	Total      []teamTotal      `json:"total_spend_per_team"`
}

type teamTotal struct {
	TeamID string    `json:"team_id"` // LiteLLM puts the alias here
	Spend  money.USD `json:"total_spend"`
}

// topTeams is how many teams have a total.
const topTeams = 10

// teamSpendOf makes the answer of lines by date and team, in the order of dates. Teams of one name are one line.
func teamSpendOf(lines []ledger.Usage, name func(teamID string) string) teamSpend {
	out := teamSpend{DailySpend: []map[string]any{}, Teams: []string{}, Total: []teamTotal{}}
	totals := map[string]money.USD{}
	var day map[string]any
	for _, line := range lines {
		if day == nil || day["date"] != line.Values[0] {
			day = map[string]any{"date": line.Values[0]}
			out.DailySpend = append(out.DailySpend, day)
		}
		team := name(line.Values[1])
		before, _ := day[team].(money.USD)
		day[team] = addMoney(before, line.Metrics.Spend)
		totals[team] = addMoney(totals[team], line.Metrics.Spend)
	}
	out.Teams = append(out.Teams, slices.Sorted(maps.Keys(totals))...)
	for _, team := range out.Teams {
		out.Total = append(out.Total, teamTotal{TeamID: team, Spend: totals[team]})
	}
	slices.SortStableFunc(out.Total, func(a, b teamTotal) int { return cmp.Compare(b.Spend, a.Spend) })
	out.Total = out.Total[:min(len(out.Total), topTeams)]
	return out
}

// requestDays is the answer of /global/activity, and one line of /global/activity/model.
type requestDays struct {
	Model    *string      `json:"model,omitempty"`
	Daily    []requestDay `json:"daily_data"`
	Requests int64        `json:"sum_api_requests"`
	Tokens   int64        `json:"sum_total_tokens"`
}

type requestDay struct {
	Date     string `json:"date"` // "Jan 22"
	Requests int64  `json:"api_requests"`
	Tokens   int64  `json:"total_tokens"`
}

func (r *requestDays) add(date string, m ledger.Metrics) {
	r.Daily = append(r.Daily, requestDay{Date: shortDay(date), Requests: m.Requests, Tokens: m.TotalTokens})
	r.Requests += m.Requests
	r.Tokens += m.TotalTokens
}

// shortDay turns a day into LiteLLM's "Jan 22".
func shortDay(date string) string {
	day, err := time.Parse(dayLayout, date)
	if err != nil {
		return date // the store's dates are days; whatever else it says is shown as it is
	}
	return day.Format("Jan 02")
}

// topModels is how many models /global/activity/model lists.
const topModels = 10

// requestsByModel makes the answer of /global/activity/model of lines by model and date.
func requestsByModel(lines []ledger.Usage) []requestDays {
	out := []requestDays{}
	for _, line := range lines {
		model := line.Values[0]
		if n := len(out); n == 0 || *out[n-1].Model != model {
			out = append(out, requestDays{Model: &model, Daily: []requestDay{}})
		}
		out[len(out)-1].add(line.Values[1], line.Metrics)
	}
	slices.SortStableFunc(out, func(a, b requestDays) int { return cmp.Compare(b.Requests, a.Requests) })
	return out[:min(len(out), topModels)]
}

// limitErrorDays is the answer of /global/activity/exceptions, and one line of …/exceptions/deployment.
type limitErrorDays struct {
	APIBase string          `json:"api_base,omitempty"`
	Daily   []limitErrorDay `json:"daily_data"`
	Sum     int64           `json:"sum_num_rate_limit_exceptions"`
}

type limitErrorDay struct {
	Date  string `json:"date"`
	Count int64  `json:"num_rate_limit_exceptions"`
}

// count adds one refusal; dates come in order.
func (l *limitErrorDays) count(date string) {
	short := shortDay(date)
	if n := len(l.Daily); n == 0 || l.Daily[n-1].Date != short {
		l.Daily = append(l.Daily, limitErrorDay{Date: short})
	}
	l.Daily[len(l.Daily)-1].Count++
	l.Sum++
}
