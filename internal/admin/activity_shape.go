package admin

import (
	"cmp"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// activityReply is the answer of /user/daily/activity and its kin.
type activityReply struct {
	Results  []activityDay  `json:"results"`
	Metadata activityTotals `json:"metadata"`
}

// activityDay is what happened on one day, in all and by what it can be told apart by.
type activityDay struct {
	Date      string            `json:"date"`
	Metrics   ledger.Metrics    `json:"metrics"`
	Breakdown activityBreakdown `json:"breakdown"`
}

type activityBreakdown struct {
	Models      map[string]*activityPart `json:"models"`
	ModelGroups map[string]*activityPart `json:"model_groups"`
	Providers   map[string]*activityPart `json:"providers"`
	MCPServers  map[string]*activityPart `json:"mcp_servers"`
	Endpoints   map[string]*activityPart `json:"endpoints"`
	APIKeys     map[string]*keyPart      `json:"api_keys"`
	Entities    map[string]*activityPart `json:"entities"`
}

// activityPart is one value of a breakdown with the keys that had a share in it.
type activityPart struct {
	Metrics  ledger.Metrics      `json:"metrics"`
	Metadata map[string]any      `json:"metadata"`
	Keys     map[string]*keyPart `json:"api_key_breakdown"`
}

// keyPart is a key's share.
type keyPart struct {
	Metrics  ledger.Metrics `json:"metrics"`
	Metadata keyLabel       `json:"metadata"`
}

// keyLabel says whose a hash is; nulls where the key is gone or has none.
type keyLabel struct {
	KeyAlias *string `json:"key_alias"`
	TeamID   *string `json:"team_id"`
}

// activityTotals are the sums of the page and where it stands. Pages count lines of usage, not days, so that the last
// day of a page can go on with the next; the sums of all pages are the sums of the period.
type activityTotals struct {
	Spend               money.USD `json:"total_spend"`
	PromptTokens        int64     `json:"total_prompt_tokens"`
	CompletionTokens    int64     `json:"total_completion_tokens"`
	TotalTokens         int64     `json:"total_tokens"`
	Requests            int64     `json:"total_api_requests"`
	Successful          int64     `json:"total_successful_requests"`
	Failed              int64     `json:"total_failed_requests"`
	CacheReadTokens     int64     `json:"total_cache_read_input_tokens"`
	CacheCreationTokens int64     `json:"total_cache_creation_input_tokens"`
	Page                int       `json:"page"`
	TotalPages          int       `json:"total_pages"`
	HasMore             bool      `json:"has_more"`
}

// activityDimensions are what a line of activity is told apart by besides the entity, which stands last.
var activityDimensions = []ledger.Dimension{ledger.ByDate, ledger.ByKey, ledger.ByModel, ledger.ByGroup, ledger.ByProvider, ledger.ByEndpoint}

// activityLabels say what ids stand for.
type activityLabels struct {
	keys     map[string]account.Key    // by hash; a key that is gone is absent
	entities map[string]map[string]any // metadata of an entity, such as team_alias
}

// activitySum adds up lines of activity, in any order. It grows with what is told apart, not with the lines.
type activitySum struct {
	days map[string]*activityDay
	sum  ledger.Metrics
}

// add adds a line whose values are activityDimensions and the entity.
func (a *activitySum) add(line ledger.Usage) {
	day := a.days[line.Values[0]]
	if day == nil {
		day = newActivityDay(line.Values[0])
		if a.days == nil {
			a.days = map[string]*activityDay{}
		}
		a.days[line.Values[0]] = day
	}
	day.add(line)
	addMetrics(&a.sum, line.Metrics)
}

func newActivityDay(date string) *activityDay {
	return &activityDay{Date: date, Breakdown: activityBreakdown{
		Models: map[string]*activityPart{}, ModelGroups: map[string]*activityPart{}, Providers: map[string]*activityPart{},
		MCPServers: map[string]*activityPart{}, Endpoints: map[string]*activityPart{}, APIKeys: map[string]*keyPart{},
		Entities: map[string]*activityPart{},
	}}
}

// unassigned is the entity of calls that have none.
const unassigned = "Unassigned"

// parts are the breakdowns in the order of a line's values, from the third.
func (d *activityDay) parts() []map[string]*activityPart {
	b := &d.Breakdown
	return []map[string]*activityPart{b.Models, b.ModelGroups, b.Providers, b.Endpoints, b.Entities}
}

func (d *activityDay) add(line ledger.Usage) {
	key := line.Values[1]
	addMetrics(&d.Metrics, line.Metrics)
	addKey(d.Breakdown.APIKeys, key, line.Metrics)
	parts := d.parts()
	for i, part := range parts {
		name := line.Values[i+2]
		if name == "" && i == len(parts)-1 {
			name = unassigned
		}
		if name == "" {
			continue // a call that was refused before it had one
		}
		if part[name] == nil {
			part[name] = &activityPart{Metadata: map[string]any{}, Keys: map[string]*keyPart{}}
		}
		addMetrics(&part[name].Metrics, line.Metrics)
		addKey(part[name].Keys, key, line.Metrics)
	}
}

func addKey(keys map[string]*keyPart, hash string, m ledger.Metrics) {
	if hash == "" {
		return // nobody was identified
	}
	if keys[hash] == nil {
		keys[hash] = &keyPart{}
	}
	addMetrics(&keys[hash].Metrics, m)
}

// ids lists the keys and the entities of all days, sorted.
func (a *activitySum) ids() (keys, entities []string) {
	for _, d := range a.days {
		keys = slices.AppendSeq(keys, maps.Keys(d.Breakdown.APIKeys))
		entities = slices.AppendSeq(entities, maps.Keys(d.Breakdown.Entities))
	}
	slices.Sort(keys)
	slices.Sort(entities)
	return slices.Compact(keys), slices.Compact(entities)
}

// reply is the answer: the newest day first, and what ids stand for.
func (a *activitySum) reply(labels activityLabels) activityReply {
	reply := activityReply{Results: []activityDay{}}
	for _, date := range slices.Backward(slices.Sorted(maps.Keys(a.days))) {
		a.days[date].label(labels)
		reply.Results = append(reply.Results, *a.days[date])
	}
	m := a.sum
	reply.Metadata = activityTotals{
		Spend: m.Spend, PromptTokens: m.PromptTokens, CompletionTokens: m.CompletionTokens, TotalTokens: m.TotalTokens, Requests: m.Requests,
		Successful: m.Successful, Failed: m.Failed, CacheReadTokens: m.CacheReadTokens, CacheCreationTokens: m.CacheCreationTokens,
	}
	return reply
}

// label writes what the ids of a day stand for.
func (d *activityDay) label(labels activityLabels) {
	labels.name(d.Breakdown.APIKeys)
	for _, part := range d.parts() {
		for _, p := range part {
			labels.name(p.Keys)
		}
	}
	for id, p := range d.Breakdown.Entities {
		maps.Copy(p.Metadata, labels.entities[id])
	}
}

func (l activityLabels) name(keys map[string]*keyPart) {
	for hash, part := range keys {
		key := l.keys[hash]
		part.Metadata = keyLabel{KeyAlias: orNull(key.KeyAlias), TeamID: orNull(key.TeamID)}
	}
}

// newestFirst orders lines: the newest day first and the rest in a fixed order, so that pages never overlap
// (BerriAI/litellm#30164).
func newestFirst(a, b ledger.Usage) int {
	return cmp.Or(cmp.Compare(b.Values[0], a.Values[0]), slices.Compare(a.Values[1:], b.Values[1:]))
}

// addMetrics adds b to a. A sum of money that has no place stays at the largest amount.
func addMetrics(a *ledger.Metrics, b ledger.Metrics) {
	a.Spend = addMoney(a.Spend, b.Spend)
	a.PromptTokens += b.PromptTokens
	a.CompletionTokens += b.CompletionTokens
	a.CacheReadTokens += b.CacheReadTokens
	a.CacheCreationTokens += b.CacheCreationTokens
	a.TotalTokens += b.TotalTokens
	a.Successful += b.Successful
	a.Failed += b.Failed
	a.Requests += b.Requests
}

// addMoney is a + b for display, at most the largest amount.
func addMoney(a, b money.USD) money.USD {
	sum, err := a.Add(b)
	if err != nil {
		return money.Max
	}
	return sum
}
