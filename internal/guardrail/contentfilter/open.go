package contentfilter

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
)

const (
	standardFormat = "[{pattern_name}_REDACTED]"
	standardTag    = "[KEYWORD_REDACTED]"
	// customLongest is how far a pattern of the configuration is looked for over the border of two pieces of a stream, in characters.
	customLongest = 256
)

type patternSetting struct {
	Type    string `json:"pattern_type"`
	Name    string `json:"pattern_name"`
	Pattern string `json:"pattern"`
	Title   string `json:"name"`
	Action  string `json:"action"`
}

type wordSetting struct {
	Keyword     string `json:"keyword" yaml:"keyword"`
	Action      string `json:"action" yaml:"action"`
	Description string `json:"description" yaml:"description"`
}

type categorySetting struct {
	Category  string `json:"category"`
	Enabled   *bool  `json:"enabled"`
	Action    string `json:"action"`
	Threshold string `json:"severity_threshold"`
	File      string `json:"category_file"`
}

// opening collects what the settings say.
type opening struct {
	spec       guardrail.Spec
	rules      map[guardrail.Action][]detect.Rule
	words      []string
	entries    []entry
	exceptions []string
	excepted   []int
}

// Open implements guardrail.Opener. It reads the files that the settings name.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	o := &opening{spec: spec, rules: map[guardrail.Action][]detect.Rule{}}
	o.patterns()
	o.blockedWords()
	o.categories()
	f := &filter{patterns: map[guardrail.Action]*detect.Scanner{}, entries: o.entries, excepted: o.excepted, format: spec.Settings.Text("pattern_redaction_format"), tag: spec.Settings.Text("keyword_redaction_tag")}
	if f.format == "" {
		f.format = standardFormat
	}
	if f.tag == "" {
		f.tag = standardTag
	}
	if spec.Settings.Has("image_model") {
		spec.Settings.Fault("image_model", "asks a model about images, which this guardrail does not; use openai_moderation for images")
	}
	if len(o.rules) == 0 && len(o.words) == 0 && spec.Settings.Err() == nil {
		spec.Settings.Fault("", "give patterns, blocked_words, blocked_words_file or categories: there is nothing to look for")
	}
	for action, rules := range o.rules {
		s, err := detect.New(rules)
		if err != nil {
			return nil, err // each pattern was compiled before
		}
		f.patterns[action] = s
		f.overlap = max(f.overlap, s.Overlap())
	}
	f.words, f.exceptions = detect.NewWords(o.words), detect.NewWords(o.exceptions)
	f.overlap = max(f.overlap, f.words.Overlap(), f.exceptions.Overlap())
	return f, spec.Settings.Err()
}

// action reads an action; where says of what.
func (o *opening) action(setting, where, text string, standard guardrail.Action) guardrail.Action {
	if text == "" {
		return standard
	}
	a, ok := named[strings.ToUpper(text)]
	if !ok {
		o.spec.Settings.Fault(setting, "%s: the action must be BLOCK, MASK or LOG", where)
	}
	return a
}

func (o *opening) patterns() {
	var list []patternSetting
	o.spec.Settings.Into("patterns", &list)
	for i, p := range list {
		where := fmt.Sprintf("[%d]", i)
		action := o.action("patterns", where, p.Action, guardrail.Block)
		switch p.Type {
		case "prebuilt", "":
			rules := Prebuilt(p.Name)
			if rules == nil {
				o.spec.Settings.Fault("patterns", "%s: %q is no prebuilt pattern; there are %s", where, p.Name, strings.Join(PrebuiltNames(), ", "))
			}
			o.rules[action] = append(o.rules[action], rules...)
		case "regex":
			title := p.Title
			if title == "" {
				title = p.Name
			}
			if title == "" {
				title = "custom"
			}
			re, err := regexp.Compile(p.Pattern)
			switch {
			case err != nil:
				o.spec.Settings.Fault("patterns", "%s: the pattern is not RE2, which has no look-around and no back-references: %v", where, err)
			case p.Pattern == "" || re.MatchString(""):
				o.spec.Settings.Fault("patterns", "%s: the pattern is missing, or matches an empty text", where)
			default:
				o.rules[action] = append(o.rules[action], detect.Rule{Kind: title, Pattern: ungrouped(re), Longest: customLongest, Loose: true})
			}
		default:
			o.spec.Settings.Fault("patterns", "%s: pattern_type must be prebuilt or regex", where)
		}
	}
}

func (o *opening) blockedWords() {
	s := o.spec.Settings
	var list []wordSetting
	s.Into("blocked_words", &list)
	if path := s.Text("blocked_words_file"); path != "" {
		var file struct {
			Words []wordSetting `yaml:"blocked_words"`
		}
		if o.load("blocked_words_file", path, &file) {
			if len(file.Words) == 0 {
				s.Fault("blocked_words_file", "%s holds no blocked_words", path)
			}
			list = append(list, file.Words...)
		}
	}
	for i, w := range list {
		where := fmt.Sprintf("[%d]", i)
		if detect.Fold(w.Keyword) == "" {
			s.Fault("blocked_words", "%s has no keyword", where)
			continue
		}
		o.add(entry{action: o.action("blocked_words", where, w.Action, guardrail.Block), word: w.Keyword, category: -1})
	}
}

func (o *opening) add(e entry) {
	e.phrase = strings.Contains(detect.Fold(e.word), " ")
	o.words, o.entries = append(o.words, e.word), append(o.entries, e)
}

// severities from the mildest.
var severities = []string{"low", "medium", "high"}

func (o *opening) categories() {
	s := o.spec.Settings
	var list []categorySetting
	s.Into("categories", &list)
	for i, c := range list {
		if c.Enabled != nil && !*c.Enabled {
			continue
		}
		where := fmt.Sprintf("[%d]", i)
		table, ok := builtIn(c.Category)
		if c.File != "" {
			ok = o.load("categories", c.File, &table)
			if ok && len(table.Keywords) == 0 {
				s.Fault("categories", "%s: %s holds no keywords", where, c.File)
			}
		} else if !ok {
			s.Fault("categories", "%s: there is no category %q; there are %s, or give a category_file", where, c.Category, strings.Join(CategoryNames(), ", "))
		}
		if c.Threshold == "" {
			c.Threshold = "medium"
		}
		least := slices.Index(severities, strings.ToLower(c.Threshold))
		if least < 0 {
			s.Fault("categories", "%s: severity_threshold must be high, medium or low", where)
		}
		if ok {
			o.category(i, where, &c, &table, least)
		}
	}
}

func (o *opening) category(at int, where string, c *categorySetting, table *category, least int) {
	name := c.Category
	if name == "" {
		name = table.Name
	}
	action := o.action("categories", where, c.Action, o.action("categories", where, table.Action, guardrail.Block))
	for _, k := range table.Keywords {
		severity := strings.ToLower(k.Severity)
		if severity == "" {
			severity = "medium"
		}
		if !slices.Contains(severities, severity) || detect.Fold(k.Keyword) == "" {
			o.spec.Settings.Fault("categories", "%s: a keyword is empty, or its severity is not high, medium or low", where)
			return
		}
		if slices.Index(severities, severity) >= least {
			o.add(entry{action: action, word: k.Keyword, category: at, name: name, severity: severity})
		}
	}
	for _, e := range table.Exceptions {
		o.exceptions, o.excepted = append(o.exceptions, e), append(o.excepted, at)
	}
}

// ungrouped is a pattern whose groups say nothing of what is found.
func ungrouped(re *regexp.Regexp) string { return "((?:" + re.String() + "))" }

// load reads a YAML file of the operator's.
func (o *opening) load(setting, path string, into any) bool {
	data, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		o.spec.Settings.Fault(setting, "%v", err)
	}
	return err == nil
}
