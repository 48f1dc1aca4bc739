package budget_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/budget"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// The rules are LiteLLM's (duration_parser). 2026-11-25 is a Wednesday.
func TestNext(t *testing.T) {
	tests := []struct{ duration, zone, from, want string }{
		{"1d", "UTC", "2026-11-25T10:15:30Z", "2026-11-26T00:00:00Z"},
		{"1d", "UTC", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"},
		{"1d", "America/New_York", "2026-11-25T03:00:00Z", "2026-11-25T05:00:00Z"}, // still the 24th there
		{"7d", "UTC", "2026-11-25T10:15:30Z", "2026-11-30T00:00:00Z"},
		{"1w", "UTC", "2026-11-25T10:15:30Z", "2026-11-30T00:00:00Z"},
		{"7d", "UTC", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"}, // a Monday
		{"30d", "UTC", "2026-11-25T10:15:30Z", "2026-12-01T00:00:00Z"},
		{"30d", "UTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		{"1mo", "UTC", "2026-11-25T10:15:30Z", "2026-12-01T00:00:00Z"},
		{"1mo", "Asia/Kolkata", "2026-11-30T20:00:00Z", "2026-12-31T18:30:00Z"}, // already December there
		{"2d", "UTC", "2026-11-25T10:15:30Z", "2026-11-27T00:00:00Z"},
		{"14d", "UTC", "2026-11-25T10:15:30Z", "2026-12-09T00:00:00Z"},
		{"2w", "UTC", "2026-11-25T10:15:30Z", "2026-12-09T00:00:00Z"},
		{"1h", "UTC", "2026-11-25T10:15:30Z", "2026-11-25T11:00:00Z"},
		{"2h", "UTC", "2026-11-25T11:15:30Z", "2026-11-25T12:00:00Z"},
		{"24h", "UTC", "2026-11-25T10:15:30Z", "2026-11-26T00:00:00Z"},
		{"30h", "UTC", "2026-11-25T10:15:00Z", "2026-11-26T06:00:00Z"},
		{"15m", "UTC", "2026-11-25T10:15:00Z", "2026-11-25T10:30:00Z"},
		{"15m", "UTC", "2026-11-25T10:14:59Z", "2026-11-25T10:15:00Z"},
		{"90m", "UTC", "2026-11-25T10:15:00Z", "2026-11-25T10:30:00Z"}, // 7 times 90 minutes from midnight
		{"30s", "UTC", "2026-11-25T10:15:10Z", "2026-11-25T10:15:30Z"},
		{"1h", "Asia/Kolkata", "2026-11-25T10:15:00Z", "2026-11-25T10:30:00Z"},      // 16:00 there
		{"2h", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},     // 02:00 is 03:00 in the night of the change
		{"1h", "Europe/Berlin", "2022-10-29T23:00:00Z", "2022-10-30T00:00:00Z"},     // 02:00 is shown twice in the night of the change back
		{"1h", "Europe/Berlin", "2022-10-30T00:00:00Z", "2022-10-30T01:00:00Z"},     //
		{"1d", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-28T23:00:00Z"},     // that day has 23 hours
		{"1d", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T22:00:00Z"},     //
		{"1d", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"}, // there was no midnight
		{"0d", "UTC", "2026-11-25T10:15:30Z", "2026-11-25T10:15:30Z"},
		{"fortnight", "UTC", "2026-11-25T10:15:30Z", "2026-11-26T00:00:00Z"},
		{"5y", "UTC", "2026-11-25T10:15:30Z", "2026-11-26T00:00:00Z"},
	}
	for _, tt := range tests {
		from, err := time.Parse(time.RFC3339, tt.from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := budget.Next(tt.duration, from, zone(t, tt.zone))
		if err != nil || got.UTC().Format(time.RFC3339) != tt.want {
			t.Errorf("Next(%q, %s, %s) = %s, %v; want %s", tt.duration, tt.from, tt.zone, got.UTC().Format(time.RFC3339), err, tt.want)
		}
	}
	for _, none := range []string{"", "none", "NULL", "-1"} {
		if got, err := budget.Next(none, time.Now(), nil); err != nil || !got.IsZero() {
			t.Errorf("Next(%q) = %v, %v", none, got, err)
		}
	}
	for _, months := range []string{"2mo", "0mo", "12mo"} {
		_, err := budget.Next(months, time.Now(), nil)
		if !errors.Is(err, budget.ErrMonths) || err.Error() != "Monthly resets currently only support 1 month intervals" {
			t.Errorf("Next(%q): %v", months, err)
		}
	}
}

func TestParseDuration(t *testing.T) {
	from := time.Date(2026, 1, 31, 10, 15, 30, 0, time.UTC)
	tests := []struct{ duration, want string }{
		{"30s", "2026-01-31T10:16:00Z"},
		{"5m", "2026-01-31T10:20:30Z"},
		{"12h", "2026-01-31T22:15:30Z"},
		{"30d", "2026-03-02T10:15:30Z"},
		{"2w", "2026-02-14T10:15:30Z"},
		{"1mo", "2026-02-28T10:15:30Z"},
		{"13mo", "2027-02-28T10:15:30Z"},
		{"2mo", "2026-03-31T10:15:30Z"},
		{"1month", "2026-02-28T10:15:30Z"}, // what follows is ignored
		{"7days", "2026-02-07T10:15:30Z"},
		{"0s", "2026-01-31T10:15:30Z"},
	}
	for _, tt := range tests {
		s, err := budget.ParseDuration(tt.duration)
		if err != nil || s.None() || s.After(from).Format(time.RFC3339) != tt.want {
			t.Errorf("ParseDuration(%q).After = %s, %v; want %s", tt.duration, s.After(from).Format(time.RFC3339), err, tt.want)
		}
	}
	for _, none := range []string{"", "none", "None", "null", "-1"} {
		s, err := budget.ParseDuration(none)
		if err != nil || !s.None() || !s.After(from).IsZero() || s.String() != "" {
			t.Errorf("ParseDuration(%q) = %v, %v", none, s, err)
		}
	}
	for _, bad := range []string{"d", "5", "5y", "-5d", "5 d", "1.5h", "5D", "99999999999999999999d", "9999999999s", "20000mo", " 5d"} {
		if s, err := budget.ParseDuration(bad); !errors.Is(err, budget.ErrDuration) || err.Error() != "Invalid duration format" {
			t.Errorf("ParseDuration(%q) = %v, %v", bad, s, err)
		}
	}
}

// A period ends after its beginning, at the same time for all moments within it, and the next one begins there.
func TestPeriodsFollowEachOther(t *testing.T) {
	zones := []*time.Location{time.UTC, zone(t, "Europe/Berlin"), zone(t, "Asia/Kolkata"), zone(t, "America/Sao_Paulo"), zone(t, "Australia/Lord_Howe")}
	// The others are counted from the day that from is in.
	aligned := []string{"1s", "45s", "1m", "15m", "1h", "24h", "1d", "7d", "1w", "30d", "1mo"}
	rapid.Check(t, func(t *rapid.T) {
		duration := rapid.SampledFrom([]string{"1s", "45s", "1m", "15m", "7m", "1h", "5h", "24h", "1d", "3d", "7d", "1w", "2w", "30d", "1mo", "365d"}).Draw(t, "duration")
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		from := time.Unix(rapid.Int64Range(1_500_000_000, 1_900_000_000).Draw(t, "from"), 0)
		end, err := budget.Next(duration, from, loc)
		if err != nil || !end.After(from) {
			t.Fatalf("Next(%s, %s) = %s, %v", duration, from.In(loc), end, err)
		}
		again, _ := budget.Next(duration, end, loc)
		if !again.After(end) {
			t.Fatalf("the period after %s ends at %s", end, again)
		}
		if between := from.Add(end.Sub(from) / 2); slices.Contains(aligned, duration) {
			if got, _ := budget.Next(duration, between, loc); !got.Equal(end) {
				t.Fatalf("Next(%s) of %s is %s, of %s it is %s", duration, from.In(loc), end, between.In(loc), got)
			}
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"30d", "1mo", "-1", "none", "0s", "999999999d", "1000000000mo", "5x", ""} {
		f.Add(s)
	}
	from := time.Date(2026, 1, 31, 10, 15, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := budget.ParseDuration(text)
		if err != nil {
			if !errors.Is(err, budget.ErrDuration) || !s.None() {
				t.Fatalf("ParseDuration(%q) = %v, %v", text, s, err)
			}
		} else if again, err := budget.ParseDuration(s.String()); err != nil || again != s {
			t.Fatalf("%q is written as %q, which reads as %v, %v", text, s, again, err)
		}
		s.After(from)
		if _, err := budget.Next(text, from, time.UTC); err != nil && !errors.Is(err, budget.ErrMonths) {
			t.Fatal(err)
		}
	})
}
