package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// note is one alert before it has an address.
type note struct {
	kind    Type
	level   Level
	message string
	fields  []field
	// metadata is the call's metadata.alerting_metadata.
	metadata map[string]string
	model    string // for digests
	base     string
	alone    bool // the message has no level and no time
	at       time.Time
}

type field struct{ name, value string }

// longest bounds a message, in bytes: Slack cuts at 40,000 characters.
const longest = 12_000

// text is the message in LiteLLM's form.
func (n *note) text(s *Settings) string {
	if n.alone {
		return harmless(clip(n.message, longest))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Level: `%s`\nTimestamp: `%s`\n\nMessage: %s", n.level, n.at.In(s.zone()).Format("15:04:05"), clip(n.message, longest))
	for _, f := range n.fields {
		fmt.Fprintf(&b, "\n\n%s: `%s`\n\n", f.name, f.value)
	}
	for _, name := range slices.Sorted(maps.Keys(n.metadata)) {
		fmt.Fprintf(&b, "\n\n*Alerting Metadata*: \n%s: `%s`\n", name, n.metadata[name])
	}
	if s.ProxyURL != "" {
		fmt.Fprintf(&b, "\n\nProxy URL: `%s`", s.ProxyURL)
	}
	return harmless(b.String())
}

// harmless keeps what callers have written, names and metadata, from being read as Slack's commands: <!channel>, <https://...|text>.
func harmless(text string) string { return strings.ReplaceAll(text, "<", "&lt;") }

// same tells messages apart whose texts differ in the time alone.
func (n *note) same() string {
	var b strings.Builder
	b.WriteString(string(n.kind) + "\x00" + string(n.level) + "\x00" + n.message)
	for _, f := range n.fields {
		b.WriteString("\x00" + f.name + "\x00" + f.value)
	}
	for _, name := range slices.Sorted(maps.Keys(n.metadata)) {
		b.WriteString("\x00" + name + "\x00" + n.metadata[name])
	}
	return b.String()
}

func (s *Settings) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// clip shortens a text, and keeps it valid.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + " ..."
}

// alertingMetadata reads alerting_metadata out of a call's metadata: an object of texts and numbers.
func alertingMetadata(raw []byte) map[string]string {
	if len(raw) == 0 {
		return nil
	}
	var m struct {
		Alerting map[string]any `json:"alerting_metadata"`
	}
	if json.Unmarshal(raw, &m) != nil || len(m.Alerting) == 0 {
		return nil
	}
	out := map[string]string{}
	for name, v := range m.Alerting {
		if len(out) == 10 {
			break
		}
		out[clip(name, 64)] = clip(fmt.Sprint(v), 200)
	}
	return out
}
