package price

// Difference is one model that two tables price differently.
type Difference struct {
	ID       string
	Old, New Entry // the zero Entry where the table lacks the model
}

// Kind says what became of the model: "added", "removed" or "changed".
func (d Difference) Kind() string {
	switch {
	case d.Old.ID == "":
		return "added"
	case d.New.ID == "":
		return "removed"
	}
	return "changed"
}

// Diff compares the prices of two tables: what is new and what costs something else, in the order of next, and then what
// is gone, in the order of before.
func Diff(before, next *Table) []Difference {
	var all []Difference
	for _, e := range next.entries {
		old, found := before.entry(e.ID)
		if !found || !old.Equal(e.Rates) {
			all = append(all, Difference{ID: e.ID, Old: old, New: e})
		}
	}
	for _, e := range before.entries {
		if _, found := next.entry(e.ID); !found {
			all = append(all, Difference{ID: e.ID, Old: e})
		}
	}
	return all
}
