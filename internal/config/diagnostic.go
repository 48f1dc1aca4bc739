package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Severity says what a diagnostic means for the file.
type Severity int

// The severities, the gravest first.
const (
	// Error: the configuration must not be served.
	Error Severity = iota
	// Warning: it can be served, but probably does not do what was meant.
	Warning
	// Notice: worth knowing, nothing to repair.
	Notice
)

// String returns error, warning or notice.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "notice"
	}
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// The codes of diagnostics: stable names for machines.
const (
	CodeSyntax           = "syntax"            // not YAML, or YAML that this file may not use
	CodeEncoding         = "encoding"          // not UTF-8
	CodeFile             = "file"              // a file cannot be read
	CodeTooLarge         = "too-large"         // past a limit on size, depth or expansion
	CodeDuplicateKey     = "duplicate-key"     // a mapping holds a key twice
	CodeInclude          = "include"           // a bad include entry, or a cycle
	CodeUnknownKey       = "unknown-key"       // no such key; LiteLLM would ignore it silently
	CodeUnlikelyParam    = "unlikely-param"    // a request parameter whose name is nearly that of a known key
	CodeAccepted         = "accepted"          // known, but nothing here uses it yet
	CodeWrongType        = "wrong-type"        // a value of another type than the key takes
	CodeBadValue         = "bad-value"         // the right type, an impossible value
	CodeMissingKey       = "missing-key"       // a required key is absent
	CodeMissingVariable  = "missing-variable"  // an os.environ/ reference to nothing
	CodePartialReference = "partial-reference" // os.environ/ inside a text, where it is not replaced
	CodeUnknownModel     = "unknown-model"     // a name that no alias has
	CodeUnknownCred      = "unknown-credential"
	CodeDuplicateID      = "duplicate-id"
	CodeUnused           = "unused" // an entry that can never take effect
	CodeMasterKey        = "master-key"
)

// Diagnostic is one finding about a configuration. Message names the cause and
// the remedy in one sentence, and never quotes the value of a secret.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Path     string   `json:"path,omitempty"` // model_list[0].litellm_params.rpm
	Code     string   `json:"code"`
	Message  string   `json:"message"`
}

// String is the one-line form: file:line:column: severity: path: message [code].
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File)
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s: ", d.Severity)
	if d.Path != "" {
		fmt.Fprintf(&b, "%s: ", d.Path)
	}
	fmt.Fprintf(&b, "%s [%s]", d.Message, d.Code)
	return b.String()
}

// Diagnostics are all findings of a run, in the order of the files and their lines.
type Diagnostics []Diagnostic

// HasErrors reports whether any finding is an Error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Errors returns the findings of severity Error.
func (ds Diagnostics) Errors() Diagnostics {
	return slices.DeleteFunc(slices.Clone(ds), func(d Diagnostic) bool { return d.Severity != Error })
}

// Error returns the errors, one per line; "" when there is none.
func (ds Diagnostics) Error() string {
	lines := make([]string, 0, len(ds))
	for _, d := range ds.Errors() {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

// Err returns the diagnostics as an error when there are errors among them, else nil.
func (ds Diagnostics) Err() error {
	if ds.HasErrors() {
		return ds
	}
	return nil
}

// MarshalJSON writes a list, [] when there is nothing to say.
func (ds Diagnostics) MarshalJSON() ([]byte, error) {
	if ds == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Diagnostic(ds))
}

// maxDiagnostics bounds what one run reports: a broken generator can write a
// mistake a million times.
const maxDiagnostics = 500

// report collects findings. The same sentence about the same place is said once:
// an anchor that six entries use would repeat its mistake six times.
type report struct {
	found   Diagnostics
	seen    map[Diagnostic]bool
	dropped int
	guesses int // searches for a near name, see nearest
}

func (r *report) add(severity Severity, pos Position, path, code, format string, args ...any) {
	d := Diagnostic{
		Severity: severity, File: pos.File, Line: pos.Line, Column: pos.Column,
		Path: path, Code: code, Message: fmt.Sprintf(format, args...),
	}
	same := d
	same.Path = ""
	if r.seen[same] {
		return
	}
	if r.seen == nil {
		r.seen = make(map[Diagnostic]bool)
	}
	if len(r.found) >= maxDiagnostics {
		// An error past the limit must still fail the file.
		if severity == Error && !r.found.HasErrors() {
			r.found[len(r.found)-1] = d
		}
		r.dropped++
		return
	}
	r.seen[same] = true
	r.found = append(r.found, d)
}

// sorted returns the findings in the order of files (as they were read), lines and columns.
func (r *report) sorted(files []string) Diagnostics {
	ds := slices.Clone(r.found)
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
		)
	})
	if r.dropped > 0 {
		ds = append(ds, Diagnostic{
			Severity: Notice, Code: CodeTooLarge,
			Message: fmt.Sprintf("%d more findings are not shown; repair these first", r.dropped),
		})
	}
	return ds
}
