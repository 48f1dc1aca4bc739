package admin

import (
	"context"
	"errors"
	"maps"
	"time"

	"tollgate/internal/account"
)

type auditRequest struct {
	Page            Opt[int64] `json:"page"`
	PageSize        Opt[int64] `json:"page_size"`
	ChangedBy       Opt[ID]    `json:"changed_by"`
	ChangedByAPIKey Opt[ID]    `json:"changed_by_api_key"`
	Action          Opt[ID]    `json:"action"`
	TableName       Opt[ID]    `json:"table_name"`
	ObjectID        Opt[ID]    `json:"object_id"`
	ObjectTeamID    Opt[ID]    `json:"object_team_id"`
	ObjectKeyHash   Opt[ID]    `json:"object_key_hash"`
	StartDate       Opt[ID]    `json:"start_date"`
	EndDate         Opt[ID]    `json:"end_date"`
	SortBy          Opt[ID]    `json:"sort_by"`
	SortOrder       Opt[ID]    `json:"sort_order"`
}

// auditSorts are the fields by which the log can be sorted.
var auditSorts = []string{"updated_at", "changed_by", "action", "table_name", "object_id"}

// auditLog is GET /audit: one page of what was changed.
func (a *API) auditLog(ctx context.Context, _ *call, in auditRequest) (any, error) {
	p, refused := pageOf(in.Page, in.PageSize, 10, maxPage)
	if refused != nil {
		return nil, refused
	}
	by, desc, refused := sorting(in.SortBy, in.SortOrder, "updated_at", "desc", auditSorts)
	if refused != nil {
		return nil, refused
	}
	f := in.filter()
	if in.EndDate.Given() {
		to, refused := parseMoment("end_date", string(in.EndDate.Value))
		if refused != nil {
			return nil, refused
		}
		if len(in.EndDate.Value) == len(dayLayout) {
			to = to.AddDate(0, 0, 1)
		}
		f.Before["updated_at"] = to
	}
	earlier := 0
	if in.StartDate.Given() {
		from, refused := parseMoment("start_date", string(in.StartDate.Value))
		if refused != nil {
			return nil, refused
		}
		if by != "updated_at" {
			return nil, badParam("sort_by", "With start_date the log can be sorted by updated_at alone.")
		}
		old := f
		old.Before = maps.Clone(f.Before)
		if to, ok := f.Before["updated_at"]; !ok || from.Before(to) {
			old.Before["updated_at"] = from
		}
		old.Limit = 1
		var err error
		if earlier, err = a.opts.Store.AuditLog(ctx, old, func(account.AuditEntry) error { return nil }); err != nil {
			return nil, err
		}
	}
	return a.auditPage(ctx, f, p, by, desc, earlier)
}

func (in *auditRequest) filter() account.Filter {
	f := account.Filter{Equal: map[string]any{}, Before: map[string]time.Time{}}
	for name, v := range map[string]Opt[ID]{
		"changed_by": in.ChangedBy, "action": in.Action, "table_name": in.TableName, "object_id": in.ObjectID,
	} {
		if v.Given() {
			f.Equal[name] = string(v.Value)
		}
	}
	if in.ChangedByAPIKey.Given() {
		f.Equal["changed_by_api_key"] = hashOf(string(in.ChangedByAPIKey.Value))
	}
	if in.ObjectTeamID.Given() {
		f.Equal["object_id"], f.Equal["table_name"] = string(in.ObjectTeamID.Value), tableName(account.Teams)
	}
	if in.ObjectKeyHash.Given() {
		f.Equal["object_id"], f.Equal["table_name"] = hashOf(string(in.ObjectKeyHash.Value)), tableName(account.Keys)
	}
	return f
}

// auditPage reads one page of the entries that the filter has, without the earliest of them.
func (a *API) auditPage(ctx context.Context, f account.Filter, p page, by string, desc bool, earlier int) (any, error) {
	f.Sort, f.Desc, f.Limit, f.Offset = by, desc, p.size, p.offset()
	if !desc {
		f.Offset += earlier
	}
	entries := []account.AuditEntry{}
	total, err := a.opts.Store.AuditLog(ctx, f, func(e account.AuditEntry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	total -= earlier
	if desc {
		entries = entries[:min(len(entries), max(total-p.offset(), 0))]
	}
	return row{"audit_logs": entries, "total": total, "page": p.number, "page_size": p.size, "total_pages": p.pages(total)}, nil
}

type auditEntryRequest struct {
	ID Opt[ID] `json:"id" in:"path"`
}

// auditEntry is GET /audit/{id}.
func (a *API) auditEntry(ctx context.Context, _ *call, in auditEntryRequest) (any, error) {
	f := account.Filter{Equal: map[string]any{"id": string(in.ID.Value)}}
	var found *account.AuditEntry
	_, err := a.opts.Store.AuditLog(ctx, f, func(e account.AuditEntry) error {
		found = &e
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if found == nil {
		return nil, notFound("Audit log with id %s not found", quote(string(in.ID.Value)))
	}
	return found, nil
}
