package price

import "tollgate/internal/money"

// Cost prices a call, exactly, without allocating.
//
// A direction that has a character price and a character count is priced by characters, else by tokens. Each token is
// priced once, by the most special price that there is: of cached, cached sound, written, sound, picture and thinking,
// else by its direction's. A prompt of more tokens than a tier's bound is priced by the tier altogether, and so is its
// answer.
//
// known is false when something that was used has no price; cost is then what the rest costs, which is 0 for a model
// without rates. Negative counts, which only a broken upstream sends, count as 0, and a sum out of range is money.Max,
// so that no upstream can lower what a caller has spent.
func Cost(r Rates, u Usage) (cost money.USD, known bool) {
	b := bill{known: r != Rates{}}
	sheet, halve := &r.Sheet, u.Service == Batch
	if r.plan != nil {
		sheet, halve = r.plan.pick(sheet, u.Prompt, u.Service), false
	}
	b.addInput(sheet, &u)
	b.addOutput(sheet, &u)
	if halve {
		b.sum -= b.sum / 2
	}
	return b.sum, b.known
}

// bill is a sum under way.
type bill struct {
	sum   money.USD
	known bool
}

func (b *bill) addInput(s *Sheet, u *Usage) {
	b.addIfPriced(s.Request, 1)
	b.addIfPriced(s.InputImage, u.InputImages)
	b.addInstead(s.Query, u.Queries, u.Prompt)
	b.addMillis(s.InputSecond, u.InputMillis, u.Prompt)
	switch {
	case s.InputChar.Known && u.PromptChars > 0:
		b.add(s.InputChar, u.PromptChars)
	case s.Query.Known && u.Queries > 0 && !s.Input.Known: // the searches are the price
	case s.InputSecond.Known && u.InputMillis > 0 && !s.Input.Known: // the seconds are
	default:
		b.addPrompt(s, u)
	}
}

// addPrompt prices the tokens of the prompt. What a kind takes is no longer there for the next.
func (b *bill) addPrompt(s *Sheet, u *Usage) {
	left := max(u.Prompt, 0)
	read := take(&left, u.Cached)
	cachedAudio := take(&read, u.CachedAudio)
	written := take(&left, u.CacheWritten)
	hour := take(&written, u.CacheWrittenHour)
	audio := take(&left, u.PromptAudio-cachedAudio)
	image := take(&left, u.PromptImage)
	b.add(s.CacheRead.or(s.Input), read)
	b.add(s.CacheReadAudio.or(s.CacheRead).or(s.InputAudio).or(s.Input), cachedAudio)
	b.add(s.CacheWrite.or(s.Input), written)
	b.add(s.CacheWriteHour.or(s.CacheWrite).or(s.Input), hour)
	b.add(s.InputAudio.or(s.Input), audio)
	b.add(s.InputImageToken.or(s.Input), image)
	b.add(s.Input, left)
}

func (b *bill) addOutput(s *Sheet, u *Usage) {
	b.addInstead(s.OutputImage, u.OutputImages, u.Completion)
	b.addMillis(s.OutputSecond, u.OutputMillis, u.Completion)
	if s.OutputChar.Known && u.CompletionChars > 0 {
		b.add(s.OutputChar, u.CompletionChars)
		return
	}
	if s.OutputImage.Known && u.OutputImages > 0 && !s.Output.Known {
		return // the pictures are the price
	}
	if s.OutputSecond.Known && u.OutputMillis > 0 && !s.Output.Known {
		return // the seconds are
	}
	left := max(u.Completion, 0)
	thought := take(&left, u.Reasoning)
	audio := take(&left, u.CompletionAudio)
	image := take(&left, u.CompletionImage)
	b.add(s.Reasoning.or(s.Output), thought)
	b.add(s.OutputAudio.or(s.Output), audio)
	b.add(s.OutputImageToken.or(s.Output), image)
	b.add(s.Output, left)
}

// take takes up to count out of what is left.
func take(left *int64, count int64) int64 {
	taken := min(max(count, 0), *left)
	*left -= taken
	return taken
}

// add puts count units on the bill.
func (b *bill) add(r Rate, count int64) {
	if count <= 0 {
		return
	}
	if !r.Known {
		b.known = false
		return
	}
	item, err := r.USD.Mul(count)
	b.put(item, err)
}

// addIfPriced puts units on the bill that cost something only where the model has a price for them.
func (b *bill) addIfPriced(r Rate, count int64) {
	if r.Known {
		b.add(r, count)
	}
}

// addInstead puts units on the bill that may be priced by tokens instead: without a price of their own and without
// tokens, what they cost is not known.
func (b *bill) addInstead(r Rate, count, tokens int64) {
	if r.Known || tokens <= 0 {
		b.add(r, count)
	}
}

// addMillis is addInstead for a price per second.
func (b *bill) addMillis(r Rate, millis, tokens int64) {
	if millis <= 0 || !r.Known && tokens > 0 {
		return
	}
	if !r.Known {
		b.known = false
		return
	}
	item, err := r.USD.Mul(millis)
	b.put((item+500)/1000, err)
}

func (b *bill) put(item money.USD, err error) {
	if err == nil {
		b.sum, err = b.sum.Add(item)
	}
	if err != nil {
		b.sum = money.Max
	}
}
