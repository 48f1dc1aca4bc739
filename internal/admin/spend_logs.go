package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/ledger"
)

// maxRows is how many rows one answer of /spend/logs has. An answer that was cut says so in truncatedHeader and tells in
// cursorHeader where to go on: the value is the parameter cursor of the next call, which has the rows before these.
const (
	maxRows         = 10_000
	truncatedHeader = "x-tollgate-truncated"
	cursorHeader    = "x-tollgate-next-cursor"
)

type spendLogsRequest struct {
	APIKey    Opt[ID]    `json:"api_key"`
	UserID    Opt[ID]    `json:"user_id"`
	RequestID Opt[ID]    `json:"request_id"`
	StartDate Opt[ID]    `json:"start_date"`
	EndDate   Opt[ID]    `json:"end_date"`
	Summarize Opt[bool]  `json:"summarize"`
	Limit     Opt[int64] `json:"limit"`  // ours
	Cursor    Opt[ID]    `json:"cursor"` // ours
}

// spendLogs is GET /spend/logs. Without dates it answers the newest rows, the oldest of them first; with dates a summary by
// day, or, with summarize=false, the rows, the newest first. end_date is the first moment that is left out.
func (a *API) spendLogs(ctx context.Context, c *call, in spendLogsRequest) (any, error) {
	q := ledger.RowQuery{APIKey: hashOf(string(in.APIKey.Value)), User: string(in.UserID.Value), RequestID: string(in.RequestID.Value)}
	if err := c.ownRows(&q); err != nil {
		return nil, err
	}
	limit := in.Limit.Or(maxRows)
	if limit < 1 || limit > maxRows {
		return nil, badParam("limit", "limit must be from 1 to "+strconv.Itoa(maxRows)+".")
	}
	a.sync(ctx)
	if !in.StartDate.Given() || !in.EndDate.Given() {
		if in.RequestID.Given() {
			return a.oneRequest(ctx, q)
		}
		return a.rows(ctx, c, q, int(limit), in.Cursor)
	}
	days, err := exclusiveDays(string(in.StartDate.Value), string(in.EndDate.Value), time.UTC)
	if err != nil {
		return nil, err
	}
	q.From, q.To = days.From, days.To
	if in.Summarize.Or(true) {
		return a.spendSummary(ctx, q, days)
	}
	q.Desc = true
	return a.rows(ctx, c, q, int(limit), in.Cursor)
}

// ownRows narrows a question about rows to what the caller may see: everything, the rows of its user, or, for a key without
// a user, the rows of the key.
func (c *call) ownRows(q *ledger.RowQuery) *apierr.Error {
	switch {
	case c.who.seesAll():
	case c.who.user != "":
		q.User = c.who.user
	case c.who.key != nil && (q.APIKey == "" || q.APIKey == c.who.hash):
		q.APIKey = c.who.hash
	default:
		return forbidden("You are not allowed to see the spend of others. Your role=%s", c.who.role)
	}
	return nil
}

// oneRequest answers a request id: its rows, or a list that holds null, as LiteLLM's find_unique.
func (a *API) oneRequest(ctx context.Context, q ledger.RowQuery) (any, error) {
	var found []any
	q.Limit = maxRows
	err := a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		found = append(found, *r)
		return nil
	})
	if len(found) == 0 {
		found = []any{nil}
	}
	return found, err
}

// spendSummary sums what /spend/logs of dates tells. Of a request id the ledger keeps no sums, so its rows are added up.
func (a *API) spendSummary(ctx context.Context, q ledger.RowQuery, days period) (any, error) {
	sums := spendDays{}
	var err error
	if q.RequestID != "" {
		err = a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
			sums.add(r.StartTime.UTC().Format(dayLayout), r.APIKey, r.User, r.Model, r.Spend)
			return nil
		})
	} else {
		u := ledger.UsageQuery{From: q.From, To: q.To, By: []ledger.Dimension{ledger.ByDate, ledger.ByKey, ledger.ByUser, ledger.ByModel}, Where: map[ledger.Dimension][]string{}}
		narrow(u.Where, ledger.ByKey, q.APIKey)
		narrow(u.Where, ledger.ByUser, q.User)
		err = a.opts.Reports.Usage(ctx, u, func(line ledger.Usage) error {
			sums.add(line.Values[0], line.Values[1], line.Values[2], line.Values[3], line.Metrics.Spend)
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	return sums.summary(days), nil
}

// place is a row's place in the order of time.
type place struct {
	at     time.Time
	callID string
}

func placeOf(r *ledger.Row) place { return place{at: r.StartTime, callID: r.CallID} }

// cursor is the place as callers see it.
func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.at.UnixNano(), 36) + ":" + p.callID))
}

func parseCursor(text ID) (place, *apierr.Error) {
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	at, id, found := strings.Cut(string(raw), ":")
	nanos, numErr := strconv.ParseInt(at, 36, 64)
	if err != nil || !found || id == "" || numErr != nil {
		return place{}, badParam("cursor", "The cursor is not one that "+cursorHeader+" has given.")
	}
	return place{at: time.Unix(0, nanos).UTC(), callID: id}, nil
}

// rows streams at most limit of the newest rows before the cursor, in the order that q.Desc says, and tells in the header
// whether there are older ones. However many there are it holds one at a time: the rows are looked through once for their
// ends before they are written.
func (a *API) rows(ctx context.Context, c *call, q ledger.RowQuery, limit int, cursor Opt[ID]) (any, error) {
	var before *place
	if cursor.Given() {
		p, err := parseCursor(cursor.Value)
		if err != nil {
			return nil, err
		}
		before = &p
	}
	oldest, beyond, err := a.ends(ctx, q, limit, before)
	if err != nil {
		return nil, err
	}
	if beyond != nil {
		c.header.Set(truncatedHeader, "true")
		c.header.Set(cursorHeader, oldest.cursor())
	}
	switch {
	case q.Desc && before != nil:
		q.AfterTime, q.AfterCall = before.at, before.callID
	case !q.Desc && beyond != nil:
		q.AfterTime, q.AfterCall = beyond.at, beyond.callID
	}
	if q.Desc {
		q.Limit = limit
		before = nil
	}
	return stream(func(w io.Writer) error { return a.writeRows(ctx, w, q, before) }), nil
}

// ends finds the oldest of the newest limit rows before a place, and the row beyond it, nil where there is none.
func (a *API) ends(ctx context.Context, q ledger.RowQuery, limit int, before *place) (oldest, beyond *place, err error) {
	q.Desc = true
	at := 0
	if before == nil {
		at = limit - 1
		q.Offset, q.Limit = at, 2
	} else {
		q.AfterTime, q.AfterCall, q.Limit = before.at, before.callID, limit+1
	}
	err = a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		p := placeOf(r)
		if at++; at > limit {
			beyond = &p
		} else {
			oldest = &p
		}
		return nil
	})
	return oldest, beyond, err
}

// errEnough ends a walk over rows.
var errEnough = errors.New("admin: enough rows")

// writeRows writes the rows as a JSON list, up to the place before, which is left out.
func (a *API) writeRows(ctx context.Context, w io.Writer, q ledger.RowQuery, before *place) error {
	if before != nil && (q.To.IsZero() || q.To.After(before.at)) {
		q.To = before.at.Add(time.Microsecond) // rows of the same moment are told apart below
	}
	separator := "["
	err := a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		if before != nil && r.StartTime.Equal(before.at) && r.CallID >= before.callID {
			return errEnough
		}
		text, err := json.Marshal(r) //nolint:gosec // api_key is the hash of a key
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, separator+string(text))
		separator = ","
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if separator == "[" {
		_, err = io.WriteString(w, "[]")
	} else {
		_, err = io.WriteString(w, "]")
	}
	return err
}

// narrow adds a condition, where there is one.
func narrow(where map[ledger.Dimension][]string, d ledger.Dimension, values ...string) {
	for _, v := range values {
		if v != "" {
			where[d] = append(where[d], v)
		}
	}
}
