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

// cacheHits is GET /global/activity/cache_hits.
func (a *API) cacheHits(ctx context.Context, c *call, in globalActivityRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	lines, err := a.usage(ctx, c, over(days, ledger.ByKey, ledger.ByModel))
	if err != nil {
		return nil, err
	}
	hits, err := a.hits(ctx, c, days)
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
		hit := hits[[2]string{line.Values[0], line.Values[1]}]
		out = append(out, row{
			"api_key": name, "call_type": nil, "model": line.Values[1], "total_rows": line.Metrics.Requests,
			"cache_hit_true_rows": hit.calls, "cached_completion_tokens": hit.tokens, "generated_completion_tokens": line.Metrics.CompletionTokens - hit.tokens,
		})
	}
	return out, err
}

// hitCount is what the cache has answered, by key and model.
type hitCount struct{ calls, tokens int64 }

// hits counts the answers of the cache.
func (a *API) hits(ctx context.Context, c *call, days period) (map[[2]string]hitCount, error) {
	q := ledger.RowQuery{CacheHit: "True", From: days.From, To: days.To}
	if refused := c.ownRows(&q); refused != nil {
		return nil, refused
	}
	out := map[[2]string]hitCount{}
	return out, a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		key := [2]string{r.APIKey, r.Model}
		h := out[key]
		out[key] = hitCount{h.calls + 1, h.tokens + int64(r.CompletionTokens)}
		return nil
	})
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
