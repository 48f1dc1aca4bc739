package admin

import (
	"encoding/json"
	"testing"
	"time"
)

// What a cursor says is what it was made of, and nothing else is a cursor.
func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("bm90OmE")
	f.Add(place{at: time.Unix(1, 2), callID: "a:b"}.cursor())
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseCursor(ID(text))
		if err != nil {
			return
		}
		again, err := parseCursor(ID(p.cursor()))
		if err != nil || !again.at.Equal(p.at) || again.callID != p.callID {
			t.Errorf("%q is %v, which is %v: %v", text, p, again, err)
		}
	})
}

// A period that is accepted is no longer than allowed, begins where it says and has as many days as lie in it.
func FuzzPeriod(f *testing.F) {
	f.Add("2026-11-24", "2026-11-25", "480")
	f.Add("2026-10-24", "2026-10-26", "Europe/Paris")
	f.Add("0001-01-01", "9999-12-31", "")
	f.Fuzz(func(t *testing.T, start, end, zone string) {
		z, err := parseZone(zone)
		if err != nil {
			return
		}
		p, err := inclusiveDays(start, end, z)
		if err != nil {
			return
		}
		days := p.days()
		if len(days) == 0 || len(days) > maxDays+1 || days[0] != p.From.Format(dayLayout) || p.To.Sub(p.From) < 20*time.Hour {
			t.Errorf("%q to %q in %q: %d days, %v", start, end, zone, len(days), p)
		}
	})
}

func FuzzParseMoment(f *testing.F) {
	f.Add("2026-11-24 10:00:00")
	f.Add("2026-11-24T10:00:00+02:00")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseMoment("start_date", text)
		if err == nil && at.Location() != time.UTC {
			t.Errorf("%q is %v", text, at)
		}
	})
}

// Lists of teams and of members come in several forms; none of them panics, and what is read can be written.
func FuzzLists(f *testing.F) {
	f.Add([]byte(`["a",{"team_id":"b","max_budget_in_team":1}]`))
	f.Add([]byte(`{"role":"org_admin","user_id":"u"}`))
	f.Add([]byte(`[[[{}]]]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var teams teamList
		_ = json.Unmarshal(raw, &teams)
		var members oneOrMany[orgMemberIn]
		_ = json.Unmarshal(raw, &members)
		_ = spoken(raw)
		if _, err := json.Marshal([]any{teams, members}); err != nil {
			t.Error(err)
		}
	})
}
