package dispatch

import (
	"math"
	"time"

	"tollgate/internal/money"
)

// known reports whether a strategy exists.
func known(s Strategy) bool {
	switch s {
	case SimpleShuffle, LeastBusy, LatencyBased, CostBased, UsageBased, UsageBasedV2:
		return true
	}
	return false
}

// respectsLimits reports whether a strategy leaves out deployments that have used up their rpm or tpm.
func respectsLimits(s Strategy) bool {
	switch s {
	case LatencyBased, CostBased, UsageBased, UsageBasedV2:
		return true
	}
	return false
}

// choose applies the group's strategy to a list that is not empty.
func (r *Router) choose(g *group, list []*target, stream bool, now tick) *target {
	if len(list) == 1 {
		return list[0]
	}
	switch g.strategy {
	case LeastBusy:
		return r.lowest(list, 0, func(t *target) float64 { return float64(t.quota.inFlight.Load()) })
	case LatencyBased:
		return r.lowest(list, g.args.LowestLatencyBuffer, func(t *target) float64 { return t.health.speed(now, g.args.TTL, stream) })
	case UsageBased, UsageBasedV2:
		return r.lowest(list, 0, func(t *target) float64 { return t.quota.tokens(now) })
	case CostBased:
		return r.lowest(list, 0, price)
	}
	return r.shuffle(list)
}

// lowest picks at random among the targets whose score is at most the best one's times 1+buffer.
func (r *Router) lowest(list []*target, buffer float64, score func(*target) float64) *target {
	var kept [16]float64
	scores := kept[:0]
	best := math.Inf(1)
	for _, t := range list {
		s := score(t)
		scores = append(scores, s)
		best = min(best, s)
	}
	bound := best + best*buffer
	n := 0
	for _, s := range scores {
		if s <= bound {
			n++
		}
	}
	nth := r.index(n)
	for i, s := range scores {
		if s > bound {
			continue
		}
		if nth == 0 {
			return list[i]
		}
		nth--
	}
	return list[0]
}

// index is a random number below n; n is at least 1.
func (r *Router) index(n int) int { return min(int(r.rand()*float64(n)), n-1) }

// shuffle weighs by weight, rpm or tpm, whichever the first deployment has (a deployment without it weighs nothing),
// else alike.
func (r *Router) shuffle(list []*target) *target {
	var weight func(*target) float64
	switch first := list[0]; {
	case first.Weight != nil:
		weight = func(t *target) float64 {
			if t.Weight == nil {
				return 0
			}
			return max(*t.Weight, 0)
		}
	case first.RPM > 0:
		weight = func(t *target) float64 { return float64(t.RPM) }
	case first.TPM > 0:
		weight = func(t *target) float64 { return float64(t.TPM) }
	default:
		return list[r.index(len(list))]
	}
	var total float64
	for _, t := range list {
		total += weight(t)
	}
	if total <= 0 {
		return list[r.index(len(list))]
	}
	at := r.rand() * total
	var last *target
	for _, t := range list {
		w := weight(t)
		if w <= 0 {
			continue
		}
		last = t
		if at < w {
			return t
		}
		at -= w
	}
	return last // rounding has carried at past the end
}

// speed is the average latency: of the first chunk for streams, where it is known. A deployment that has none yet is
// tried first.
func (h *health) speed(now tick, ttl time.Duration, stream bool) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if stream {
		if mean, ok := h.firstChunk.average(now, ttl); ok {
			return mean
		}
	}
	mean, _ := h.latency.average(now, ttl)
	return mean
}

func (h *health) tokens(now tick) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return float64(h.window.at(now).tokens)
}

// price is what a token in and a token out cost together. One of unknown price comes behind all others.
func price(t *target) float64 {
	if t.InputCost == nil && t.OutputCost == nil {
		return math.MaxFloat64
	}
	var sum float64 // only compared, never charged
	for _, c := range []*money.USD{t.InputCost, t.OutputCost} {
		if c != nil {
			sum += float64(*c)
		}
	}
	return sum
}
