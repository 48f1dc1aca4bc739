package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// entry is a call on its way into the ledger: its row, and what is added up from it.
type entry struct {
	row      ledger.Row
	endpoint string
	alias    string // the key's
	tags     []string
	held     []account.Scope // what the call was admitted under
	charges  []account.Scope // the same where nothing has moved since: the counters that are charged
	replica  string

	cacheRead, cacheCreation int64
	reached                  bool // a deployment: the model is one of ours, not a caller's invention
	madeUp                   bool // nothing was reached, and what was named may be nothing of ours
}

// Write books calls: see ledger.Sink. The same call must always come with the same start, which its row is keyed by.
//
// The request_id of a row is the reply's id, or that id, "_" and the call's id where the table has it already. Two
// writers that book two calls with one reply id in the same moment may both keep it: it is a name, not the key.
//
// A call that the engine cannot hold, whatever is wrong with it, does not stand in the way of the others: its texts are
// cut and its JSON is left out, its money is booked.
func (s *Store) Write(ctx context.Context, calls []record.Call) (booked int, err error) {
	entries := make([]entry, len(calls))
	for i := range calls {
		entries[i] = entryOf(&calls[i])
	}
	return s.book(ctx, inOrder(entries))
}

// ImportRows books rows of another ledger: rows and usage, no counters and no leases. A row that is there is left out.
func (s *Store) ImportRows(ctx context.Context, rows []ledger.Row) (booked int, err error) {
	entries := make([]entry, len(rows))
	for i := range rows {
		entries[i] = entry{row: rows[i], endpoint: rows[i].CallType, alias: aliasOfRow(&rows[i]), tags: tagsOfRow(&rows[i]), reached: true}
	}
	return s.book(ctx, inOrder(entries))
}

func entryOf(c *record.Call) entry {
	charges := slices.Clone(c.Charges)
	for i, scope := range charges {
		if !storable(string(scope)) {
			charges[i] = account.Scope(ledger.Clean(string(scope)))
		}
	}
	slices.Sort(charges)
	charges = slices.Compact(charges)
	return entry{
		row: ledger.RowOf(c), endpoint: c.Route, alias: ledger.Clean(c.KeyAlias), tags: ledger.TagsOf(c), held: charges, charges: charges, replica: c.Replica,
		cacheRead: int64(c.CachedTokens), cacheCreation: int64(c.CacheWrittenTokens), reached: c.Upstream != "",
		madeUp: c.Upstream == "" && c.Status >= 400 && c.Status <= 404,
	}
}

// inOrder sorts entries as every writer sorts them, so that two that book the same calls do not wait for each other in
// a circle, and drops repetitions.
func inOrder(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(a.row.StartTime.Compare(b.row.StartTime), strings.Compare(a.row.CallID, b.row.CallID))
	})
	return slices.CompactFunc(entries, func(a, b entry) bool {
		return a.row.CallID == b.row.CallID && a.row.StartTime.Equal(b.row.StartTime)
	})
}

// book books entries in one transaction or, where one of them cannot be stored, in as many as it takes to find it.
func (s *Store) book(ctx context.Context, entries []entry) (booked int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	bookAll := s.bookSQLite
	if s.pool != nil {
		bookAll = s.bookPostgres
	}
	booked, err = bookAll(ctx, entries)
	switch {
	case err == nil || !poisonous(err):
		return booked, err
	case len(entries) == 1:
		s.log.Error("store: a call cannot be stored as it is: its texts are cut", "call_id", entries[0].row.CallID, "error", err)
		entries[0].strip()
		return bookAll(ctx, entries)
	}
	half := len(entries) / 2
	first, err := s.book(ctx, entries[:half])
	if err != nil {
		return first, err
	}
	second, err := s.book(ctx, entries[half:])
	return first + second, err
}

// poisonous reports whether an error comes from what is written, so that the same write would fail for ever.
func poisonous(err error) bool {
	if errors.Is(err, ErrText) || errors.Is(err, money.ErrOverflow) {
		return true
	}
	var e *pgconn.PgError
	return errors.As(err, &e) && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "54"))
}

// strip takes off an entry whatever an engine may refuse.
func (e *entry) strip() {
	const longest = 200
	r := &e.row
	for _, text := range []*string{
		&r.CallID, &r.RequestID, &r.CallType, &r.APIKey, &r.Model, &r.ModelID, &r.ModelGroup, &r.Provider, &r.APIBase, &r.User, &r.CacheKey,
		&r.TeamID, &r.OrganizationID, &r.EndUser, &r.RequesterIP, &r.SessionID, &r.AgentID, &r.MCPToolName, &e.endpoint, &e.alias,
	} {
		*text = strings.ToValidUTF8(strings.ReplaceAll((*text)[:min(len(*text), longest)], "\x00", ""), "")
	}
	r.Metadata, r.RequestTags, r.Messages, r.Response, r.ProxyServerRequest = nil, nil, nil, nil, nil
	e.tags = slices.DeleteFunc(slices.Clone(e.tags), func(tag string) bool { return len(tag) > 1000 || !storable(tag) })
	e.held = slices.DeleteFunc(slices.Clone(e.held), func(c account.Scope) bool { return len(c) > 2000 || !storable(string(c)) })
}
