package ocisim

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// guardrailVersion is the version in force.
const guardrailVersion = "1.0"

type guardrailsRequest struct {
	CompartmentID    string `json:"compartmentId"`
	GuardrailConfigs struct {
		ContentModeration *struct {
			Categories []string `json:"categories"`
		} `json:"contentModerationConfig"`
		PersonalData *struct {
			Types []string `json:"types"`
		} `json:"personallyIdentifiableInformationConfig"`
		PromptInjection *struct{} `json:"promptInjectionConfig"`
	} `json:"guardrailConfigs"`
	Input           *guardedInput  `json:"input"`
	MultimodalInput []guardedInput `json:"multimodalInput"`
	VersionConfig   *struct {
		GuardrailVersion string `json:"guardrailVersion"`
	} `json:"guardrailVersionConfig"`
}

type guardedInput struct {
	Type    string `json:"type"`
	Content string `json:"content"`
}

type guardrailsResult struct {
	Results struct {
		ContentModeration *moderation  `json:"contentModeration,omitempty"`
		PersonalData      []personal   `json:"personallyIdentifiableInformation,omitempty"`
		PromptInjection   *modalScored `json:"promptInjection,omitempty"`
	} `json:"results"`
	GuardrailVersion struct {
		Version string `json:"version"`
	} `json:"guardrailVersion"`
}

type moderation struct {
	Categories []categoryScore `json:"categories"`
}

type categoryScore struct {
	Name string `json:"name"`
	modalScored
}

// modalScored is a score of 0.0 or 1.0 with the kinds of input that raised it.
type modalScored struct {
	Score             javaFloat `json:"score"`
	FlaggedModalities []string  `json:"flaggedModalities,omitempty"`
}

type personal struct {
	Text   string    `json:"text"`
	Label  string    `json:"label"`
	Offset int       `json:"offset"` // in characters
	Length int       `json:"length"`
	Score  javaFloat `json:"score"`
}

var (
	harmful = regexp.MustCompile(`(?i)\b(?:kill|murder|bomb|massacre|suicide|torture|shoot|slaughter|i hate (?:all )?\w+|terrorist attack)\b`)

	blocked = regexp.MustCompile(`(?i)\b(?:blocklisted|forbiddenword)\b`)

	injection = regexp.MustCompile(`(?i)\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules|guidelines)\b` +
		`|\b(?:reveal|print|show|repeat)\b.{0,30}\bsystem prompt\b|\bdeveloper mode\b|\bjailbreak\b|\byou are now (?:dan|unrestricted|free)\b`)
)

// personalPatterns finds personal data by type. PERSON is a guess from titles and introductions: no model is at hand.
var personalPatterns = map[string]*regexp.Regexp{
	"EMAIL":                  regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`),
	"TELEPHONE_NUMBER":       regexp.MustCompile(`\+?\(?\d{1,4}\)?(?:[ .-]\(?\d{2,4}\)?){2,4}`),
	"PERSON":                 regexp.MustCompile(`(?:\b(?:Mr|Mrs|Ms|Dr)\.? |\b(?:[Mm]y name is|I am|I'm) )([A-Z][a-z]+(?: [A-Z][a-z]+)?)`),
	"CREDIT_CARD_NUMBER":     regexp.MustCompile(`\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b`),
	"SOCIAL_SECURITY_NUMBER": regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`),
	"IP_ADDRESS":             regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`),
}

// applyGuardrails is POST /actions/applyGuardrails.
func (x *exchange) applyGuardrails() error {
	var q guardrailsRequest
	if err := x.decode(guardrailsDetails, &q); err != nil {
		return err
	}
	if err := x.s.authorize(q.CompartmentID); err != nil {
		return err
	}
	if q.Input == nil && len(q.MultimodalInput) == 0 {
		return missingParameter("input or multimodalInput is required")
	}
	if v := q.VersionConfig; v != nil && v.GuardrailVersion != guardrailVersion {
		return x.s.notFound()
	}
	text := q.text()
	var out guardrailsResult
	out.GuardrailVersion.Version = guardrailVersion
	if c := q.GuardrailConfigs.ContentModeration; c != nil {
		out.Results.ContentModeration = &moderation{Categories: []categoryScore{}}
		if c.Categories == nil {
			c.Categories = []string{"OVERALL", "BLOCKLIST"}
		}
		for _, name := range c.Categories {
			finder := map[string]*regexp.Regexp{"OVERALL": harmful, "BLOCKLIST": blocked}[name]
			if finder == nil {
				return badParameter("categories must be OVERALL or BLOCKLIST, not %s", name)
			}
			out.Results.ContentModeration.Categories = append(out.Results.ContentModeration.Categories,
				categoryScore{name, modalScore(finder.MatchString(text))})
		}
	}
	if c := q.GuardrailConfigs.PersonalData; c != nil {
		out.Results.PersonalData = findPersonal(text, c.Types)
	}
	if q.GuardrailConfigs.PromptInjection != nil {
		score := modalScore(injection.MatchString(text))
		out.Results.PromptInjection = &score
	}
	x.count.PromptTokens = len(strings.Fields(text))
	return x.reply(out)
}

// text joins what is to be looked at; with both inputs the plain one wins.
func (q *guardrailsRequest) text() string {
	if q.Input != nil {
		return q.Input.Content
	}
	var parts []string
	for _, in := range q.MultimodalInput {
		if in.Type == "TEXT" {
			parts = append(parts, in.Content)
		}
	}
	return strings.Join(parts, "\n")
}

func modalScore(flagged bool) modalScored {
	if !flagged {
		return modalScored{}
	}
	return modalScored{Score: 1, FlaggedModalities: []string{"TEXT"}}
}

// findPersonal returns every span of the wanted types (nil: all), in the order of the text.
func findPersonal(text string, types []string) []personal {
	found := []personal{}
	if types == nil {
		types = slices.Sorted(maps.Keys(personalPatterns))
	}
	for _, label := range types {
		pattern, ok := personalPatterns[label]
		if !ok {
			continue
		}
		for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
			start, end := at[0], at[1]
			if len(at) > 2 && at[2] >= 0 { // the name without what introduces it
				start, end = at[2], at[3]
			}
			found = append(found, personal{
				Text: text[start:end], Label: label, Score: 0.99,
				Offset: len([]rune(text[:start])), Length: len([]rune(text[start:end])),
			})
		}
	}
	slices.SortStableFunc(found, func(a, b personal) int { return a.Offset - b.Offset })
	return found
}

type guardrailVersionSummary struct {
	GuardrailVersion string `json:"guardrailVersion"`
	State            string `json:"state"`
	Description      string `json:"description"`
	TimeActivated    string `json:"timeActivated,omitempty"`
	TimeDeprecated   string `json:"timeDeprecated,omitempty"`
}

// guardrailVersions is what GET /guardrailVersions lists.
var guardrailVersions = []guardrailVersionSummary{
	{guardrailVersion, "ACTIVE", "The version in force", "2026-03-01T00:00:00.000Z", ""},
	{"0.9", "DEPRECATED", "The version before", "2025-09-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"},
}

// listGuardrailVersions is GET /guardrailVersions.
func (x *exchange) listGuardrailVersions() error {
	compartment := x.r.Header.Get("opc-compartment-id")
	if compartment == "" {
		return missingParameter("The header opc-compartment-id is required")
	}
	if err := x.s.authorize(compartment); err != nil {
		return err
	}
	state := x.r.URL.Query().Get("state")
	items := []guardrailVersionSummary{}
	for _, v := range guardrailVersions {
		if state == "" || v.State == state {
			items = append(items, v)
		}
	}
	page, next, err := paginate(items, x.r.URL.Query())
	if err != nil {
		return err
	}
	if next != "" {
		x.w.Header().Set("opc-next-page", next)
	}
	return x.reply(struct {
		Items []guardrailVersionSummary `json:"items"`
	}{page})
}
