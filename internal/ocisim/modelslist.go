package ocisim

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

// modelSummary is a model as the management API lists it.
type modelSummary struct {
	ID                  string   `json:"id"`
	CompartmentID       string   `json:"compartmentId"`
	DisplayName         string   `json:"displayName"`
	Vendor              string   `json:"vendor"`
	Version             string   `json:"version"`
	Capabilities        []string `json:"capabilities"`
	LifecycleState      string   `json:"lifecycleState"`
	Type                string   `json:"type"`
	TimeCreated         string   `json:"timeCreated"`
	TimeDeprecated      string   `json:"timeDeprecated,omitempty"`
	TimeOnDemandRetired string   `json:"timeOnDemandRetired,omitempty"`
	IsLongTermSupported bool     `json:"isLongTermSupported"`
}

// modelsCreated is the made-up birthday of every model; a deprecated one is a year older when that happens.
var modelsCreated = time.Date(2025, time.June, 1, 0, 0, 0, 0, time.UTC)

func (m *Model) summary(compartment string) modelSummary {
	out := modelSummary{
		ID: m.ocid, CompartmentID: compartment, DisplayName: m.ID, Vendor: m.vendor(), Version: m.Version,
		Capabilities: []string{m.Capability}, LifecycleState: "ACTIVE", Type: "BASE",
		TimeCreated: wireTime(modelsCreated),
	}
	if m.Deprecated || !m.OnDemandRetired.IsZero() {
		out.TimeDeprecated = wireTime(modelsCreated.AddDate(1, 0, 0))
	}
	if !m.OnDemandRetired.IsZero() {
		out.TimeOnDemandRetired = wireTime(m.OnDemandRetired)
	}
	return out
}

func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// listModels is GET /20231130/models on the management host.
func (x *exchange) listModels() error {
	query := x.r.URL.Query()
	compartment := query.Get("compartmentId")
	if compartment == "" {
		return missingParameter("compartmentId is required")
	}
	if err := x.s.authorize(compartment); err != nil {
		return err
	}
	items := []modelSummary{}
	for _, m := range x.s.models.list() {
		s := m.summary(compartment)
		if matchesQuery(s, query) {
			items = append(items, s)
		}
	}
	page, next, err := paginate(items, query)
	if err != nil {
		return err
	}
	if next != "" {
		x.w.Header().Set("opc-next-page", next)
	}
	return x.reply(struct {
		Items []modelSummary `json:"items"`
	}{page})
}

func matchesQuery(s modelSummary, query url.Values) bool {
	for _, capability := range query["capability"] {
		if !slices.Contains(s.Capabilities, capability) {
			return false
		}
	}
	for name, value := range map[string]string{"vendor": s.Vendor, "displayName": s.DisplayName, "lifecycleState": s.LifecycleState, "id": s.ID} {
		if want := query.Get(name); want != "" && want != value {
			return false
		}
	}
	return true
}

// getModel is GET /20231130/models/{id}.
func (x *exchange) getModel() error {
	m, ok := x.s.models.model(x.r.PathValue("id"))
	if !ok {
		return x.s.notFound()
	}
	return x.reply(m.summary("ocid1.tenancy.oc1..service"))
}

// paginate cuts a listing by limit and page; page is the token of an earlier opc-next-page.
func paginate[T any](items []T, query url.Values) (page []T, next string, err error) {
	from, limit := 0, len(items)
	if v := query.Get("page"); v != "" {
		if from, err = strconv.Atoi(v); err != nil || from < 0 {
			return nil, "", badParameter("page is not a token of this listing")
		}
	}
	if v := query.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 {
			return nil, "", badParameter("limit must be a positive number")
		}
	}
	from = min(from, len(items))
	to := min(from+limit, len(items))
	if to < len(items) {
		next = strconv.Itoa(to)
	}
	return items[from:to], next, nil
}
