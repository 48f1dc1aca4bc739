package importer

import (
	"slices"
	"strings"
)

// Report says what an import has brought, and what it has not.
type Report struct {
	Lines []*Line `json:"brought"`
	Left  []*Left `json:"left"`
	// Unopened is how many objects were left behind because their secrets cannot be opened: with the right key they would come.
	Unopened int64 `json:"unopened"`
}

// Line counts one kind of thing.
type Line struct {
	What    string `json:"what"`
	Found   int64  `json:"found"`
	Brought int64  `json:"brought"`
	There   int64  `json:"there"` // before, so they stay as they are
	Left    int64  `json:"left"`
}

// Left is something that has no place here.
type Left struct {
	What  string   `json:"what"`
	Why   string   `json:"why"`
	Count int64    `json:"count"`
	Names []string `json:"names,omitempty"` // some of them
}

func newReport() *Report { return &Report{Lines: []*Line{}, Left: []*Left{}} }

// line is the line of a kind, made when it is new.
func (r *Report) line(what string) *Line {
	for _, l := range r.Lines {
		if l.What == what {
			return l
		}
	}
	l := &Line{What: what}
	r.Lines = append(r.Lines, l)
	return l
}

// mostNames bounds the examples of one reason.
const mostNames = 5

// leave notes something that stays behind. name may be empty.
func (r *Report) leave(what, why, name string) { r.leaveMany(what, why, name, 1) }

func (r *Report) leaveMany(what, why, name string, n int64) {
	i := slices.IndexFunc(r.Left, func(l *Left) bool { return l.What == what && l.Why == why })
	if i < 0 {
		i = len(r.Left)
		r.Left = append(r.Left, &Left{What: what, Why: why})
	}
	l := r.Left[i]
	l.Count += n
	if name != "" && len(l.Names) < mostNames && !slices.Contains(l.Names, name) {
		l.Names = append(l.Names, name)
	}
}

// String is the report for people.
func (l *Left) String() string {
	text := l.What + ": " + l.Why
	if len(l.Names) > 0 {
		text += " (" + strings.Join(l.Names, ", ")
		if int64(len(l.Names)) < l.Count {
			text += ", ..."
		}
		text += ")"
	}
	return text
}
