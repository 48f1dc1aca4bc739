package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// tally is what a batch of new calls adds to sums, each sum once.
type tally struct {
	counters map[account.Scope]money.USD
	leases   map[lease]money.USD
	dims     map[dims]string // to its id
	aliases  map[named]bool
	facts    [len(factTables)]map[fact]sums
}

// lease names what a replica holds of an account.
type lease struct{ account, replica string }

// budgetAccount is the account of quota from which a scope's budget is leased.
func budgetAccount(s account.Scope) string { return "budget:" + string(s) }

// factTables hold the same sums by quarter of an hour and, in the table after it, by day.
var factTables = [...]string{
	"usage", "usage_days", "usage_models", "usage_model_days", "usage_customers", "usage_customer_days", "usage_tags", "usage_tag_days",
}

// The tables of slots among factTables.
const (
	usageOfKeys      = 0
	usageOfModels    = 2
	usageOfCustomers = 4
	usageOfTags      = 6
)

const (
	secondsPerSlot = 15 * 60
	slotsPerDay    = 24 * 4
)

// dims are the columns of usage_dims; charges are the scopes, joined by NUL, which no scope has.
type dims struct {
	apiKey, user, team, org, endUser, model, modelID, group, provider, endpoint, tag string
	charges                                                                          string
}

// fact is the key of a row of usage: dims by their id.
type fact struct {
	dim  string
	slot int64
}

// sums are the numbers of a row of usage.
type sums struct {
	spend                                                            money.USD
	prompt, completion, cacheRead, cacheCreation, successful, failed int64
}

func tallyOf(entries []entry) (*tally, error) {
	t := &tally{counters: map[account.Scope]money.USD{}, leases: map[lease]money.USD{}, dims: map[dims]string{}, aliases: map[named]bool{}}
	for i := range t.facts {
		t.facts[i] = map[fact]sums{}
	}
	for i := range entries {
		if err := t.add(&entries[i]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tally) add(e *entry) error {
	if err := t.charge(e); err != nil {
		return err
	}
	if e.alias != "" {
		t.aliases[named{e.row.APIKey, e.alias}] = true
	}
	sum := sumsOf(e)
	slot := floorDiv(e.row.StartTime.Unix(), secondsPerSlot)
	d := dimsOf(e)
	if err := t.addUsage(d, chargesOf(e, "customer"), slot, sum); err != nil {
		return err
	}
	if d.apiKey == "" {
		return nil // who has no key can invent tags without end
	}
	for _, tag := range e.tags {
		charges := ""
		if slices.Contains(e.charges, account.TagScope(tag)) {
			charges = string(account.TagScope(tag))
		} else if e.madeUp {
			continue // and who has one can, where it costs nothing
		}
		if err := t.count(usageOfTags, d.ofTag(tag, charges), slot, sum); err != nil {
			return err
		}
	}
	return nil
}

// addUsage adds to the usage of a key, of its model and, where there is one, of its customer, whose charges stand apart.
func (t *tally) addUsage(d dims, charges string, slot int64, s sums) error {
	ofKey := d
	ofKey.endUser = ""
	if err := t.count(usageOfKeys, ofKey, slot, s); err != nil {
		return err
	}
	if err := t.count(usageOfModels, d.ofModel(), slot, s); err != nil || d.endUser == "" {
		return err
	}
	d.charges = charges
	return t.count(usageOfCustomers, d, slot, s)
}

// charge adds the cost of a call to the counters, and takes it off what its replica leased, in the accounts that it was
// leased from.
func (t *tally) charge(e *entry) error {
	if e.row.Spend == 0 {
		return nil
	}
	for _, scope := range e.charges {
		if err := addTo(t.counters, scope, e.row.Spend); err != nil {
			return err
		}
	}
	if e.replica == "" {
		return nil
	}
	for _, scope := range e.held {
		if err := addTo(t.leases, lease{budgetAccount(scope), e.replica}, e.row.Spend); err != nil {
			return err
		}
	}
	return nil
}

func addTo[K comparable](to map[K]money.USD, k K, u money.USD) error {
	sum, err := to[k].Add(u)
	to[k] = sum
	return err
}

// count adds to a table of slots and to the table of days behind it.
func (t *tally) count(table int, d dims, slot int64, s sums) error {
	id, known := t.dims[d]
	if !known {
		id = d.id()
		t.dims[d] = id
	}
	for i, at := range [...]int64{slot, floorDiv(slot, slotsPerDay)} {
		k := fact{id, at}
		sum, err := t.facts[table+i][k].plus(s)
		if err != nil {
			return err
		}
		t.facts[table+i][k] = sum
	}
	return nil
}

func (s sums) plus(o sums) (sums, error) {
	spend, err := s.spend.Add(o.spend)
	return sums{
		spend, s.prompt + o.prompt, s.completion + o.completion, s.cacheRead + o.cacheRead, s.cacheCreation + o.cacheCreation,
		s.successful + o.successful, s.failed + o.failed,
	}, err
}

// dimsOf are the dims of a call without tag. What a caller has made up is left out, since usage must not grow with it: a model
// that is none of ours, and without a key a customer.
func dimsOf(e *entry) dims {
	r := &e.row
	d := dims{
		apiKey: r.APIKey, user: r.User, team: r.TeamID, org: r.OrganizationID, endUser: r.EndUser, model: r.Model, modelID: r.ModelID,
		group: r.ModelGroup, provider: r.Provider, endpoint: e.endpoint, charges: chargesOf(e, ""),
	}
	if e.madeUp {
		d.model, d.group = "", ""
	}
	if d.apiKey == "" {
		if d.endUser = ""; !e.reached {
			d.model = ""
		}
	}
	return d
}

// ofModel leaves out whoever has called.
func (d dims) ofModel() dims {
	return dims{model: d.model, modelID: d.modelID, group: d.group, provider: d.provider, endpoint: d.endpoint}
}

// ofTag is of a tag and of nobody's customer: every tag times every customer would be as much as the rows.
func (d dims) ofTag(tag, charges string) dims {
	d.endUser, d.tag, d.charges = "", tag, charges
	return d
}

// chargesOf are the charges of a call that are scopes of the kind; of "" those of all kinds that have no rows of their own.
func chargesOf(e *entry, kind string) string {
	var charges strings.Builder
	for _, c := range e.charges {
		of, _, _ := strings.Cut(string(c), ":")
		if of == kind || kind == "" && of != "customer" && of != "tag" {
			if charges.Len() > 0 {
				charges.WriteByte(0)
			}
			charges.WriteString(string(c))
		}
	}
	return charges.String()
}

func sumsOf(e *entry) sums {
	r := &e.row
	s := sums{
		spend: r.Spend, prompt: r.PromptTokens, completion: r.CompletionTokens,
		cacheRead: e.cacheRead, cacheCreation: e.cacheCreation, failed: 1,
	}
	if r.Status == ledger.StatusSuccess {
		s.successful, s.failed = 1, 0
	}
	return s
}

// columns are the values of the columns of usage_dims after id, charges without.
func (d dims) columns() [11]string {
	return [...]string{d.apiKey, d.user, d.team, d.org, d.endUser, d.model, d.modelID, d.group, d.provider, d.endpoint, d.tag}
}

// id is a hash of all columns in the form of a UUID: writers on all replicas find the same row without asking.
func (d dims) id() string {
	all := make([]byte, 0, 512)
	columns := d.columns()
	for _, text := range append(columns[:], d.charges) {
		all = append(strconv.AppendInt(all, int64(len(text)), 10), ':')
		all = append(all, text...)
	}
	sum := sha256.Sum256(all)
	x := hex.EncodeToString(sum[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// chargesJSON is the list of charges as it is stored.
func (d dims) chargesJSON() string {
	if d.charges == "" {
		return "[]"
	}
	b, err := json.Marshal(strings.Split(d.charges, "\x00"))
	if err != nil { // a slice of strings always has a JSON form
		panic(err)
	}
	return string(b)
}

// knownIDs remembers ids, a bounded number of them. Safe for concurrent use.
type knownIDs struct {
	mu  sync.RWMutex
	ids map[string]struct{}
}

// mostKnown bounds knownIDs: some ten megabytes.
const mostKnown = 100_000

func (k *knownIDs) has(id string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, known := k.ids[id]
	return known
}

func (k *knownIDs) add(ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil || len(k.ids)+len(ids) > mostKnown {
		k.ids = map[string]struct{}{} // what is in use comes back with the next batches
	}
	for _, id := range ids {
		k.ids[id] = struct{}{}
	}
}

// floorDiv divides towards minus infinity: also what was before 1970 lies in its slot.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// tagsOfRow are the tags that a row carries.
func tagsOfRow(r *ledger.Row) []string {
	var tags []string
	if json.Unmarshal(r.RequestTags, &tags) != nil {
		return nil
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}
