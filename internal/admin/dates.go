package admin

import (
	"strconv"
	"strings"
	"time"

	"tollgate/internal/apierr"
)

// dayLayout is how LiteLLM writes a day.
const dayLayout = "2006-01-02"

// period is a span of time [From, To) that is cut into the days of a zone.
type period struct {
	From, To time.Time
	Zone     *time.Location
}

// days lists the days that begin within the period, in order.
func (p period) days() []string {
	var out []string
	for day := p.From.In(p.Zone); day.Before(p.To); day = day.AddDate(0, 0, 1) {
		out = append(out, day.Format(dayLayout))
	}
	return out
}

// maxDays bounds a report, so that a slip of the pen in a year does not ask for a million days.
const maxDays = 3660

// inclusiveDays is the period of whole days from start to end, both included: what the reports of daily activity mean.
func inclusiveDays(start, end string, zone *time.Location) (period, *apierr.Error) {
	p, err := exclusiveDays(start, end, zone)
	p.To = p.To.AddDate(0, 0, 1)
	return p, err
}

// exclusiveDays is the period from the first moment of start to the first moment of end: what /spend/logs means.
func exclusiveDays(start, end string, zone *time.Location) (period, *apierr.Error) {
	if zone == nil {
		zone = time.UTC
	}
	from, err := parseDay("start_date", start, zone)
	if err != nil {
		return period{}, err
	}
	to, err := parseDay("end_date", end, zone)
	if err != nil {
		return period{}, err
	}
	if to.Before(from) {
		return period{}, badParam("end_date", "end_date "+end+" is before start_date "+start+".")
	}
	if to.Sub(from) > maxDays*24*time.Hour {
		return period{}, badParam("start_date", "A report spans at most "+strconv.Itoa(maxDays)+" days.")
	}
	return period{From: from, To: to, Zone: zone}, nil
}

// lastDays is the period of the n days that end with the one of now.
func lastDays(now time.Time, n int) period {
	year, month, day := now.UTC().Date()
	end := time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	return period{From: end.AddDate(0, 0, -n), To: end, Zone: time.UTC}
}

// parseDay reads a day as its first moment in the zone.
func parseDay(param, text string, zone *time.Location) (time.Time, *apierr.Error) {
	day, err := time.ParseInLocation(dayLayout, strings.TrimSpace(text), zone)
	if err != nil {
		return time.Time{}, badParam(param, "Invalid "+param+" format: "+quote(text)+". Expected: YYYY-MM-DD")
	}
	return day, nil
}

// momentLayouts are the ways in which a moment of UTC may be written; LiteLLM's log page sends the first.
var momentLayouts = []string{time.DateTime, time.RFC3339Nano, "2006-01-02T15:04:05", dayLayout}

// parseMoment reads a moment; without a zone it is UTC.
func parseMoment(param, text string) (time.Time, *apierr.Error) {
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, strings.TrimSpace(text), time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badParam(param, "Invalid "+param+" format: "+quote(text)+". Expected: YYYY-MM-DD HH:MM:SS")
}

// parseZone reads the zone of a report: minutes as JavaScript's getTimezoneOffset gives them (480 is UTC-8), or, which
// LiteLLM does not know, the IANA name of a zone. "" is UTC. Usage is kept by the quarter of an hour, so that every zone
// in use can be cut exactly and no other.
func parseZone(text string) (*time.Location, *apierr.Error) {
	if text == "" {
		return time.UTC, nil
	}
	minutes, err := strconv.Atoi(text)
	if err != nil {
		zone, err := time.LoadLocation(text)
		if err != nil || strings.EqualFold(text, "local") {
			return nil, badParam("timezone", "Invalid timezone: "+quote(text)+". Expected: minutes behind UTC, such as 480, or a name, such as Europe/Paris")
		}
		return zone, nil
	}
	if minutes%15 != 0 || minutes < -14*60 || minutes > 12*60 {
		return nil, badParam("timezone", "Invalid timezone: "+text+". Expected: minutes behind UTC from -840 to 720, a multiple of 15")
	}
	return time.FixedZone("", -minutes*60), nil
}

// quarter is the grain in which usage is kept.
const quarter = 15 * time.Minute

// quarters is the period of the whole quarters of an hour that two moments touch.
func quarters(from, to time.Time) period {
	end := to.Truncate(quarter)
	if end.Before(to) {
		end = end.Add(quarter)
	}
	return period{From: from.Truncate(quarter), To: end, Zone: time.UTC}
}
