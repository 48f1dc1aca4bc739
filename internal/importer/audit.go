package importer

import (
	"context"
	"errors"

	"tollgate/internal/account"
)

// audit brings the audit log.
func (r *run) audit(ctx context.Context) error {
	if !r.source.has("AuditLog") {
		return nil
	}
	line := r.report.line("audit log")
	all, err := r.count(ctx, "AuditLog", "")
	if err != nil {
		return err
	}
	var batch []account.AuditEntry
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := r.putAudit(ctx, line, batch)
		batch = batch[:0]
		r.o.Progress("audit log", line.Found, all)
		return err
	}
	err = r.documents(ctx, `SELECT to_jsonb(t) FROM `+quoted("AuditLog")+` t`, func(d document) error {
		line.Found++
		var e account.AuditEntry
		if err := d.into(&e); err != nil || e.ID == "" {
			line.Left++
			r.report.leave("audit log", "cannot be read", d.text("id"))
			return nil
		}
		if batch = append(batch, e); len(batch) == together {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func (r *run) putAudit(ctx context.Context, line *Line, batch []account.AuditEntry) error {
	if r.dry() {
		line.Brought += int64(len(batch))
		return nil
	}
	var there int64
	err := r.o.Target.Update(ctx, func(tx account.Tx) error {
		there = 0
		for i := range batch {
			err := tx.Audit(ctx, batch[i])
			if errors.Is(err, account.ErrExists) {
				there++
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	line.Brought += int64(len(batch)) - there
	line.There += there
	return err
}
