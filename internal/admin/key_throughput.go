package admin

import (
	"context"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// guaranteed is the limit type of keys that a team promises their throughput: the sum of the promises must fit into the team's.
const guaranteed = "guaranteed_throughput"

// throughput is one of the two limits that can be promised.
type throughput struct {
	name      string // as refusals say it
	limitType string
	perModel  string
	limit     func(*account.Limits) *int64
}

// throughputs are the limits that can be promised.
func throughputs() []throughput {
	return []throughput{
		{"RPM", "rpm_limit_type", "model_rpm_limit", func(l *account.Limits) *int64 { return l.RPMLimit }},
		{"TPM", "tpm_limit_type", "model_tpm_limit", func(l *account.Limits) *int64 { return l.TPMLimit }},
	}
}

// checkThroughput refuses a key whose promised throughput does not fit beside what its team has promised to others.
func (c *call) checkThroughput(ctx context.Context, r account.Reader, k *account.Key, team *account.Team) error {
	if team == nil || k.Metadata["rpm_limit_type"] != guaranteed && k.Metadata["tpm_limit_type"] != guaranteed {
		return nil
	}
	keys, _, err := find[account.Key](ctx, r, account.Keys, account.Filter{Equal: map[string]any{"team_id": team.TeamID}})
	if err != nil {
		return err
	}
	for _, t := range throughputs() {
		if k.Metadata[t.limitType] != guaranteed {
			continue
		}
		if err := t.fits(k, team, keys); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a key whose promise, with those of the others, is more than the team has.
func (t *throughput) fits(k *account.Key, team *account.Team, others []*account.Key) *apierr.Error {
	var allocated int64
	perModel := map[string]int64{}
	for _, o := range others {
		if o.Token == k.Token || o.Metadata[t.limitType] != guaranteed {
			continue
		}
		if n := t.limit(&o.Limits); n != nil {
			allocated += *n
		}
		promised, _ := modelLimits(o.Metadata[t.perModel])
		for model, n := range promised {
			perModel[model] += n
		}
	}
	if n, most := t.limit(&k.Limits), t.limit(&team.Limits); n != nil && most != nil && allocated+*n > *most {
		return badRequest("Allocated %s limit=%d + Key %s limit=%d is greater than team %s limit=%d", t.name, allocated, t.name, *n, t.name, *most)
	}
	asked, _ := modelLimits(k.Metadata[t.perModel])
	top, _ := modelLimits(team.Metadata[t.perModel])
	for model, n := range asked {
		if most, bounded := top[model]; bounded && perModel[model]+n > most {
			return badRequest("Allocated %s limit=%d + Key %s limit=%d is greater than team %s limit=%d for model=%s", t.name, perModel[model], t.name, n, t.name, most, model)
		}
	}
	return nil
}
