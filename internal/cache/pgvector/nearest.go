package pgvector

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/cache"
)

// Nearest implements cache.Vectors. The index knows no scopes: pgvector 0.8 goes on along it until a row of the scope is
// found; an older one would stop too early, so there the rows of the scope are compared one by one.
func (v *Vectors) Nearest(ctx context.Context, scope string, vector []float32, threshold float64) ([]byte, float64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if v.size.Load() == 0 { // the gateway was started anew: what is there already is found
		have, err := v.describe(ctx, v.pool)
		if err != nil {
			return nil, 0, wrap(err)
		}
		v.size.Store(int64(have))
	}
	value, similarity, err := v.nearest(ctx, scope, vector)
	switch {
	case errors.Is(err, pgx.ErrNoRows), v.gone(err):
		return nil, 0, cache.ErrMiss
	case err != nil:
		return nil, 0, wrap(err)
	case !(similarity >= threshold-rounding): // nor where it is no number, as of a vector of zeros
		return nil, 0, cache.ErrMiss
	}
	if value == nil {
		value = []byte{}
	}
	return value, similarity, nil
}

func (v *Vectors) nearest(ctx context.Context, scope string, vector []float32) (value []byte, similarity float64, err error) {
	const of = ` WHERE namespace = $1 AND scope = $2 AND expires_at > now()`
	const order = ` ORDER BY embedding <=> $3::text::vector LIMIT 1`
	if !v.iterative.Load() {
		err = v.pool.QueryRow(ctx, `WITH own AS MATERIALIZED (SELECT value, embedding FROM `+v.table.quoted+of+`)
			SELECT value, 1 - (embedding <=> $3::text::vector) FROM own`+order, v.namespace, scope, literal(vector)).Scan(&value, &similarity)
		return value, similarity, err
	}
	// One round trip. The parameter is set for the transaction alone: behind a pooler the session is not ours.
	b := &pgx.Batch{}
	b.Queue(`BEGIN READ ONLY`)
	b.Queue(`SET LOCAL hnsw.iterative_scan = strict_order`)
	b.Queue(`SELECT value, 1 - (embedding <=> $3::text::vector) FROM `+v.table.quoted+of+order, v.namespace, scope, literal(vector)).
		QueryRow(func(row pgx.Row) error {
			err := row.Scan(&value, &similarity)
			if errors.Is(err, pgx.ErrNoRows) {
				similarity = -2 // less than any threshold; the transaction goes on
				return nil
			}
			return err
		})
	b.Queue(`COMMIT`)
	err = v.pool.SendBatch(ctx, b).Close()
	return value, similarity, err
}
