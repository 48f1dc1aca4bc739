package budget

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DurationError is an error of ParseDuration and Next: the text is LiteLLM's, safe to show.
type DurationError string

// The errors.
const (
	ErrDuration DurationError = "Invalid duration format"
	ErrMonths   DurationError = "Monthly resets currently only support 1 month intervals"
)

// Error returns the text.
func (e DurationError) Error() string { return string(e) }

// durations is LiteLLM's grammar: anchored at the start alone, so that what follows the unit is ignored.
var durations = regexp.MustCompile(`^(\d+)(mo|s|m|h|d|w)`)

// longest bounds the count of each unit, so that no date is out of the range of time.Duration or of four-digit years.
var longest = map[string]int{"s": 200 * 31_557_600, "m": 200 * 525_960, "h": 200 * 8_766, "d": 1000 * 366, "w": 1000 * 53, "mo": 1000 * 12}

// Span is a length of time as "30d" or "1mo" names it: so many months, or a plain duration. The zero Span is none.
type Span struct {
	count int
	unit  string
}

// ParseDuration reads LiteLLM's durations: "30s", "5m", "12h", "7d", "2w", "1mo". "", "none" and "null" are none, and so is
// "-1", with which a key never expires. The error is ErrDuration.
func ParseDuration(duration string) (Span, error) {
	switch strings.ToLower(duration) {
	case "", "none", "null", "-1":
		return Span{}, nil
	}
	m := durations.FindStringSubmatch(duration)
	if m == nil {
		return Span{}, ErrDuration
	}
	count, err := strconv.Atoi(m[1])
	if err != nil || count > longest[m[2]] {
		return Span{}, ErrDuration
	}
	return Span{count: count, unit: m[2]}, nil
}

// None reports whether the span is none.
func (s Span) None() bool { return s.unit == "" }

// String is the text that ParseDuration reads as s; "" for none.
func (s Span) String() string {
	if s.None() {
		return ""
	}
	return strconv.Itoa(s.count) + s.unit
}

// After is the time when the span, begun at from, is over; zero for none. A month later is the same day, or the last one
// of a month that does not have it.
func (s Span) After(from time.Time) time.Time {
	switch s.unit {
	case "":
		return time.Time{}
	case "mo":
		first := time.Date(from.Year(), from.Month()+time.Month(s.count), 1, 0, 0, 0, 0, from.Location())
		day := min(from.Day(), daysIn(first))
		return time.Date(first.Year(), first.Month(), day, from.Hour(), from.Minute(), from.Second(), from.Nanosecond(), from.Location())
	case "w":
		return from.AddDate(0, 0, 7*s.count)
	case "d":
		return from.AddDate(0, 0, s.count)
	}
	return from.Add(time.Duration(s.count) * clockUnits[s.unit])
}

// clockUnits are the units whose length the calendar does not change.
var clockUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

func daysIn(month time.Time) int { return month.AddDate(0, 1, -month.Day()).Day() }

// Next is when a budget of the duration, under way at from, starts anew: at calendar boundaries in loc, as LiteLLM's. A
// day ends at midnight, "7d" and "1w" on Monday, "30d" and "1mo" on the first of the month, other days at midnight so many
// days on, and hours, minutes and seconds at multiples counted from midnight. Zero for a duration that is none. What is no
// duration ends at the next midnight, as LiteLLM has it. The only error is ErrMonths.
func Next(duration string, from time.Time, loc *time.Location) (time.Time, error) {
	if loc == nil {
		loc = time.UTC
	}
	from = from.In(loc)
	day := func(n int) time.Time { return dayStart(from.Year(), from.Month(), from.Day()+n, loc) }
	span, err := ParseDuration(duration)
	switch {
	case err != nil:
		return day(1), nil
	case span.None():
		return time.Time{}, nil
	case span.unit == "mo" && span.count != 1:
		return time.Time{}, ErrMonths
	case span.count == 0:
		return from, nil
	}
	days := span.count
	switch span.unit {
	case "w":
		days *= 7
	case "mo":
		days = 30
	case "d":
	default:
		return nextMultiple(from, time.Duration(span.count)*clockUnits[span.unit]), nil
	}
	switch days {
	case 7:
		toMonday := (int(time.Monday) - int(from.Weekday()) + 7) % 7
		if toMonday == 0 {
			toMonday = 7
		}
		return day(toMonday), nil
	case 30:
		return dayStart(from.Year(), from.Month()+1, 1, loc), nil
	}
	return day(days), nil
}

// dayStart is the first moment of a day: midnight, or the end of the gap where the clocks are set forward over midnight.
func dayStart(year int, month time.Month, day int, loc *time.Location) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, loc)
	if t.Hour() >= 12 { // in the gap, taken for an hour of the day before
		_, t = t.ZoneBounds()
	}
	return t
}

// nextMultiple is the first time after from that the clock on the wall shows a multiple of step since midnight. Where the
// clock is set back it shows some of them twice; where it is set forward over one, that moment counts for it.
func nextMultiple(from time.Time, step time.Duration) time.Time {
	at := from.Add(step - onWall(from)%step)
	_, changed := from.ZoneBounds()
	if changed.IsZero() || at.Before(changed) {
		return at
	}
	_, before := from.Zone()
	_, after := changed.Zone()
	if skipped := time.Duration(after-before) * time.Second; at.Sub(changed) <= max(skipped, 0) || onWall(changed)%step == 0 {
		return changed
	}
	return nextMultiple(changed, step)
}

// onWall is what the clock on the wall shows, counted from midnight.
func onWall(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}
