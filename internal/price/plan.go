package price

import (
	"cmp"
	"slices"
)

// variant is the prices of a service, or of prompts above a size, or of both.
type variant struct {
	service Service
	above   int64 // tokens of the prompt that must be exceeded
	sheet   Sheet
}

// compare orders variants by service and then by size.
func (v variant) compare(service Service, above int64) int {
	return cmp.Or(cmp.Compare(v.service, service), cmp.Compare(v.above, above))
}

// plan is all prices of a model beside its first sheet. It does not change.
type plan struct {
	// given are the prices as they were read, in order. Most fields of their sheets are not known.
	given []variant
	// whole are the sheets that result, one for each service and size where something changes, in order of size.
	whole []variant
}

// draft is rates in the making. Working the plan out costs time, so it is done once, at the end.
type draft struct {
	sheet Sheet
	given []variant // in order
}

// edit starts a draft from rates, which it does not change.
func (r *Rates) edit() draft {
	d := draft{sheet: r.Sheet}
	if r.plan != nil {
		d.given = slices.Clone(r.plan.given)
	}
	return d
}

// set puts a price in another's place.
func (d *draft) set(k key, rate Rate) {
	sheet := &d.sheet
	if k.service != Standard || k.above > 0 {
		i, found := slices.BinarySearchFunc(d.given, k, func(v variant, k key) int { return v.compare(k.service, k.above) })
		if !found {
			d.given = slices.Insert(d.given, i, variant{service: k.service, above: k.above})
		}
		sheet = &d.given[i].sheet
	}
	*sheetKeys[k.index].at(sheet) = rate
}

// clear takes away the prices of one side.
func (d *draft) clear(input bool) {
	for i := range sheetKeys {
		if sheetKeys[i].input != input {
			continue
		}
		*sheetKeys[i].at(&d.sheet) = Rate{}
		for j := range d.given {
			*sheetKeys[i].at(&d.given[j].sheet) = Rate{}
		}
	}
}

// rates ends the draft.
func (d *draft) rates() Rates {
	return Rates{Sheet: d.sheet, plan: newPlan(&d.sheet, d.given)}
}

// newPlan works the sheets out, so that Cost only picks one. nil when nothing is given.
func newPlan(base *Sheet, given []variant) *plan {
	given = slices.DeleteFunc(given, func(v variant) bool { return v.sheet == Sheet{} })
	if len(given) == 0 {
		return nil
	}
	p := &plan{given: given}
	sizes := []int64{0}
	for _, v := range given {
		sizes = append(sizes, v.above)
	}
	slices.Sort(sizes)
	for _, size := range slices.Compact(sizes) {
		for service := range serviceSuffixes {
			p.whole = append(p.whole, variant{Service(service), size, p.resolve(base, Service(service), size)})
		}
	}
	return p
}

// resolve is the sheet of a service for prompts of more than size tokens. A large prompt to a service that has no price
// of its own for it pays the standard price of its size, half of it in a batch: a service's price for small prompts
// says nothing of large ones.
func (p *plan) resolve(base *Sheet, service Service, size int64) Sheet {
	sheet := *base
	for _, v := range p.given {
		if v.service == Standard && v.above <= size {
			sheet.lay(&v.sheet)
		}
	}
	if service == Batch {
		sheet.halve()
	}
	for _, v := range p.given {
		if v.service != service || service == Standard || v.above > size {
			continue
		}
		if v.above == 0 && size > 0 {
			p.laySmall(&sheet, &v.sheet, size)
			continue
		}
		sheet.lay(&v.sheet)
	}
	return sheet
}

// laySmall lays a service's prices for small prompts over those prices that have no standard tier up to size.
func (p *plan) laySmall(sheet, small *Sheet, size int64) {
	for i := range sheetKeys {
		at := sheetKeys[i].at
		tiered := slices.ContainsFunc(p.given, func(v variant) bool {
			return v.service == Standard && 0 < v.above && v.above <= size && at(&v.sheet).Known
		})
		if !tiered {
			*at(sheet) = at(small).or(*at(sheet))
		}
	}
}

// lay puts the known prices of over in the place of the sheet's.
func (s *Sheet) lay(over *Sheet) {
	for i := range sheetKeys {
		at := sheetKeys[i].at
		*at(s) = at(over).or(*at(s))
	}
}

// halve halves every price, a half picodollar up.
func (s *Sheet) halve() {
	for i := range sheetKeys {
		rate := sheetKeys[i].at(s)
		rate.USD -= rate.USD / 2
	}
}

// pick finds the sheet for a prompt of so many tokens: that of the largest size that it exceeds.
func (p *plan) pick(base *Sheet, prompt int64, service Service) *Sheet {
	found := base
	for i := range p.whole {
		v := &p.whole[i]
		if v.service == service && (v.above == 0 || prompt > v.above) {
			found = &v.sheet
		}
	}
	return found
}
