package store

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/ledger"
)

// named is a key and an alias that it had.
type named struct{ key, alias string }

// id is what knownIDs knows it by.
func (n named) id() string { return "alias\x00" + n.key + "\x00" + n.alias }

// aliasOfRow is the alias that a row carries.
func aliasOfRow(r *ledger.Row) string {
	var m struct {
		Alias string `json:"user_api_key_alias"`
	}
	if json.Unmarshal(r.Metadata, &m) != nil || !storable(m.Alias) {
		return ""
	}
	return m.Alias
}

// newAliases are the aliases of a batch that are not known to be there, in order, and their ids.
func (s *Store) newAliases(t *tally) (all []named, made []string) {
	for n := range maps.Keys(t.aliases) {
		if !s.dimsKnown.has(n.id()) {
			all, made = append(all, n), append(made, n.id())
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.id(), b.id()) })
	return all, made
}

func (b *pgBooking) queueAliases(batch *pgx.Batch, t *tally) {
	all, made := b.s.newAliases(t)
	if len(all) == 0 {
		return
	}
	b.made = append(b.made, made...)
	keys, aliases := make([]string, len(all)), make([]string, len(all))
	for i, n := range all {
		keys[i], aliases[i] = n.key, n.alias
	}
	batch.Queue(`INSERT INTO key_aliases (api_key, alias) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING`, keys, aliases)
}

func (tx *sqlTx) addAliases(ctx context.Context, t *tally) (made []string, err error) {
	all, made := tx.s.newAliases(t)
	err = tx.each(ctx, `INSERT INTO key_aliases (api_key, alias) VALUES ($1, $2) ON CONFLICT DO NOTHING`, len(all), func(i int) []any {
		return []any{all[i].key, all[i].alias}
	}, nil)
	return made, err
}

// mostKeysOfAlias is how many keys a part of an alias may find for rows to be looked for by their keys.
const mostKeysOfAlias = 1000

// keysOfAlias are the keys that have had an alias with the text in it. all is false where there are too many to be of use.
func (s *Store) keysOfAlias(ctx context.Context, text string) (keys []string, all bool, err error) {
	err = s.read().rows(ctx, `SELECT DISTINCT api_key FROM key_aliases WHERE lower(alias) LIKE $1 ESCAPE '!' LIMIT $2`,
		[]any{containing(text), mostKeysOfAlias + 1}, func(scan func(...any) error) error {
			var key string
			err := scan(&key)
			keys = append(keys, key)
			return err
		})
	return keys, len(keys) <= mostKeysOfAlias, err
}

// containing is the pattern of LIKE, with ESCAPE '!', for a lower-case text that has another in it.
func containing(text string) string { return "%" + likeText(strings.ToLower(text)) + "%" }
