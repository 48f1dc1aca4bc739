package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/account"
)

// note remembers that tx has changed an object or, with kind "", a scope's counter by hand: when tx commits, every
// replica is told.
func (tx *sqlTx) note(kind account.Kind, id string) {
	c := account.Change{Kind: kind, ID: id}
	if tx.noted == nil {
		tx.noted = map[account.Change]bool{}
	}
	if !tx.noted[c] {
		tx.noted[c] = true
		tx.changes = append(tx.changes, c)
	}
}

// publish writes the changes of tx into the log. Since only one transaction at a time gets here, on all replicas, the
// log is in the order of the commits: who has read up to a number has missed nothing before it.
func (tx *sqlTx) publish(ctx context.Context) error {
	if len(tx.changes) == 0 {
		return nil
	}
	if err := tx.serialise(ctx); err != nil {
		return err
	}
	const rows = 500 // of one statement
	for part := range slices.Chunk(tx.changes, rows) {
		var text strings.Builder
		text.WriteString(`INSERT INTO changes (kind, id, at) VALUES `)
		args := []any{tx.s.clock()}
		for i, c := range part {
			if i > 0 {
				text.WriteString(`, `)
			}
			fmt.Fprintf(&text, `($%d, $%d, %s)`, len(args)+1, len(args)+2, tx.s.dialect.clock(`$1`))
			args = append(args, string(c.Kind), c.ID)
		}
		if _, err := tx.exec(ctx, text.String(), args...); err != nil {
			return err
		}
	}
	return tx.s.dialect.notify(ctx, tx)
}
