package telemetry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate/internal/record"
)

// label is a value as LiteLLM writes it: "None" for nothing, on one line, and no longer than a series should carry.
func label(s string) string {
	if s == "" {
		return none
	}
	const longest = 256
	s = lineBreaks.Replace(s)
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return strings.ToValidUTF8(s, "?")
}

var lineBreaks = strings.NewReplacer(between, "", "\r", "", "\n", " ", "\u2028", "", "\u2029", "")

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// customLabels are the names of the labels that the operator has added.
func customLabels(o *LiteLLMOptions) ([]string, error) {
	var names []string
	for _, m := range o.Metadata {
		names = append(names, unfit.ReplaceAllString(m, "_"))
	}
	for _, t := range o.Tags {
		names = append(names, "tag_"+unfit.ReplaceAllString(t, "_"))
	}
	for i, n := range names {
		if slices.Contains(names[:i], n) || slices.Contains(whoLabels, n) {
			return nil, fmt.Errorf("custom_prometheus_metadata_labels and custom_prometheus_tags make the label %s twice", n)
		}
	}
	return names, nil
}

// between stands between the values of custom labels in an identity.
const between = "\x00"

// custom are the values of the operator's labels, one behind the other.
func (o *LiteLLMOptions) custom(c *record.Call) string {
	if len(o.Metadata)+len(o.Tags) == 0 {
		return ""
	}
	values := make([]string, 0, len(o.Metadata)+len(o.Tags))
	for _, path := range o.Metadata {
		values = append(values, label(metadataText(c, path)))
	}
	for _, tag := range o.Tags {
		has := "false"
		if slices.ContainsFunc(c.Tags, func(t string) bool { return wildcard(tag, t) }) || strings.HasPrefix(tag, "User-Agent: ") && wildcard(tag, "User-Agent: "+c.UserAgent) {
			has = "true"
		}
		values = append(values, has)
	}
	return strings.Join(values, between)
}

// folded are the values for callers without series of their own.
func (o *LiteLLMOptions) folded() string {
	values := make([]string, len(o.Metadata)+len(o.Tags))
	for i := range values {
		values[i] = other
	}
	return strings.Join(values, between)
}

// metadataText reads "metadata.team" out of the key's metadata, else out of the request's.
func metadataText(c *record.Call, path string) string {
	name := strings.TrimPrefix(path, "metadata.")
	for _, raw := range [...][]byte{c.KeyMetadata, c.Metadata, c.RequestMetadata} {
		var object map[string]json.RawMessage
		if len(raw) == 0 || json.Unmarshal(raw, &object) != nil {
			continue
		}
		value, ok := object[name]
		if !ok {
			continue
		}
		var text string
		if json.Unmarshal(value, &text) == nil {
			return text
		}
		if value[0] != '{' && value[0] != '[' && string(value) != "null" {
			return string(value)
		}
	}
	return ""
}

// wildcard reports whether text fits a pattern in which * stands for any text.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, last)
}

// values are an identity's values of the labels of a series.
func (s *litellmSeries) values(name string, i *identity) []string {
	custom := strings.Split(i.custom, between)
	first := len(s.options.Metadata) + len(s.options.Tags)
	names, _ := customLabels(&s.options)
	labels := s.labels[name]
	values := make([]string, len(labels))
	for n, l := range labels {
		if at := slices.Index(names, l); at >= 0 && at < first {
			values[n] = custom[at]
			continue
		}
		if values[n] = i.text(name, l); values[n] == "" {
			values[n] = none
		}
	}
	return values
}

// lazyCounter makes its series when something is added.
type lazyCounter struct {
	vec     *prometheus.CounterVec
	values  []string
	counter prometheus.Counter
}

// add is called with the lock of the series held.
func (l *lazyCounter) add(n float64) {
	if l.counter == nil {
		l.counter = l.vec.WithLabelValues(l.values...)
	}
	l.counter.Add(n)
}

// lazyObserver makes its series when something is observed.
type lazyObserver struct {
	vec      *prometheus.HistogramVec
	values   []string
	observer prometheus.Observer
}

func (l *lazyObserver) observe(v float64) {
	if l.observer == nil {
		l.observer = l.vec.WithLabelValues(l.values...)
	}
	l.observer.Observe(v)
}
