package price

import "tollgate/internal/money"

// Worst is the most that a call can cost that uses at most u: so many tokens of prompt and answer, of which any number
// may be of each kind whose count is not 0 (cached, written to the cache, sound, pictures, thinking). It is what a hard
// budget must hold before the call: a token that is written to a cache, or heard, can cost several times what a plain one
// does, and Cost of the plain ones alone would let the call pass its cap. It does not allocate. known is as of Cost.
func Worst(r Rates, u Usage) (cost money.USD, known bool) {
	cost, known = worstOn(r.Sheet, u)
	if r.plan == nil {
		return cost, known
	}
	// Every tier that the prompt may reach: a smaller one can be the dearer.
	for i := range r.plan.whole {
		v := &r.plan.whole[i]
		if v.service != u.Service || v.above > 0 && u.Prompt <= v.above {
			continue
		}
		on, priced := worstOn(v.sheet, u)
		cost, known = max(cost, on), known && priced
	}
	return cost, known
}

// worstOn prices every token of a direction like the dearest that it may be.
func worstOn(s Sheet, u Usage) (money.USD, bool) {
	input, output := s.Input, s.Output
	dearer(&input, u.Cached, s.CacheRead)
	dearer(&input, u.CachedAudio, s.CacheReadAudio.or(s.CacheRead).or(s.InputAudio))
	dearer(&input, u.CacheWritten, s.CacheWrite)
	dearer(&input, u.CacheWrittenHour, s.CacheWriteHour.or(s.CacheWrite))
	dearer(&input, u.PromptAudio, s.InputAudio)
	dearer(&input, u.PromptImage, s.InputImageToken)
	dearer(&output, u.Reasoning, s.Reasoning)
	dearer(&output, u.CompletionAudio, s.OutputAudio)
	dearer(&output, u.CompletionImage, s.OutputImageToken)
	s.Input, s.Output = input, output
	u.Cached, u.CachedAudio, u.CacheWritten, u.CacheWrittenHour, u.PromptAudio, u.PromptImage = 0, 0, 0, 0, 0, 0
	u.Reasoning, u.CompletionAudio, u.CompletionImage = 0, 0, 0
	b := bill{known: s != Sheet{}}
	b.addInput(&s, &u)
	b.addOutput(&s, &u)
	return b.sum, b.known
}

// dearer puts a kind's price in the place of the plain one where tokens of the kind may come and cost more. Without a
// plain price the cost is not known, whatever the kind's.
func dearer(plain *Rate, count int64, kind Rate) {
	if count != 0 && plain.Known && kind.Known && kind.USD > plain.USD {
		*plain = kind
	}
}
