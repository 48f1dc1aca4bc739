package admin

import (
	"context"
	"slices"
	"time"

	"tollgate/internal/ledger"
)

// globalActivityRequest is what /global/activity and its kin take.
type globalActivityRequest struct {
	datesRequest
	ModelGroup Opt[ID] `json:"model_group"`
}

// globalActivity is GET /global/activity.
func (a *API) globalActivity(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	lines, err := a.usage(ctx, c, over(days, ledger.ByDate))
	out := requestDays{Daily: []requestDay{}}
	for _, line := range lines {
		out.add(line.Values[0], line.Metrics)
	}
	return out, err
}

// globalActivityByModel is GET /global/activity/model, by alias.
func (a *API) globalActivityByModel(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	lines, err := a.usage(ctx, c, over(days, ledger.ByGroup, ledger.ByDate))
	lines = slices.DeleteFunc(lines, func(u ledger.Usage) bool { return u.Values[0] == "" })
	return requestsByModel(lines), err
}

// cacheHits is GET /global/activity/cache_hits. No answer comes from a cache, so the hits are none.
func (a *API) cacheHits(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	lines, err := a.usage(ctx, c, over(days, ledger.ByKey, ledger.ByModel))
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(ctx, a.opts.Store, lines, 0)
	out := []row{}
	for _, line := range lines {
		name := keys[line.Values[0]].KeyAlias
		if name == "" {
			name = "Unnamed Key"
		}
		out = append(out, row{
			"api_key": name, "call_type": nil, "model": line.Values[1], "total_rows": line.Metrics.Requests,
			"cache_hit_true_rows": 0, "cached_completion_tokens": 0, "generated_completion_tokens": line.Metrics.CompletionTokens,
		})
	}
	return out, err
}

// limitErrors walks over the calls of a model that upstreams, or the gateway, answered with 429.
func (a *API) limitErrors(ctx context.Context, c *call, in globalActivityRequest, each func(date string, r *ledger.Row)) error {
	days, refused := in.days()
	if refused != nil {
		return refused
	}
	q := ledger.RowQuery{ModelGroup: string(in.ModelGroup.Value), Status: "failure", ErrorCode: "429", From: days.From, To: days.To}
	if refused := c.ownRows(&q); refused != nil {
		return refused
	}
	a.sync(ctx)
	return a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		each(r.StartTime.In(time.UTC).Format(dayLayout), r)
		return nil
	})
}

// globalExceptions is GET /global/activity/exceptions.
func (a *API) globalExceptions(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	out := limitErrorDays{Daily: []limitErrorDay{}}
	err := a.limitErrors(ctx, c, in, func(date string, _ *ledger.Row) { out.count(date) })
	return out, err
}

// deploymentExceptions is GET /global/activity/exceptions/deployment.
func (a *API) deploymentExceptions(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	out := []*limitErrorDays{}
	err := a.limitErrors(ctx, c, in, func(date string, r *ledger.Row) {
		i := slices.IndexFunc(out, func(l *limitErrorDays) bool { return l.APIBase == r.APIBase })
		if i < 0 {
			i = len(out)
			out = append(out, &limitErrorDays{APIBase: r.APIBase})
		}
		out[i].count(date)
	})
	return out, err
}
