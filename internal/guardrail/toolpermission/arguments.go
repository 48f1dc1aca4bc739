package toolpermission

import (
	"encoding/json"
	"fmt"
	"strings"
)

// unfit says why the arguments of a call do not fit a rule, "" where they do.
func (r *rule) unfit(t tool) string {
	values := map[string][]string{}
	d := json.NewDecoder(strings.NewReader(t.arguments))
	d.UseNumber()
	if collect(d, "", values) != nil || len(values) == 0 || d.More() {
		return fmt.Sprintf("Tool '%s' is missing arguments required by rule '%s'", t.name, r.id)
	}
	for _, p := range r.params {
		list := values[p.path]
		if len(list) == 0 {
			return fmt.Sprintf("Missing value for path '%s' required by rule '%s'", p.path, r.id)
		}
		for _, v := range list {
			if !p.pattern.MatchString(v) {
				return fmt.Sprintf("The value for path '%s' does not match the pattern that rule '%s' allows for tool '%s'", p.path, r.id, t.name)
			}
		}
	}
	return ""
}

// collect reads one JSON value and notes the text of every scalar in it by its path: a.b, to[], to[].address. Of a member that
// stands there twice both values count: nobody knows which one the tool will read.
func collect(d *json.Decoder, path string, values map[string][]string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case json.Delim:
		for d.More() {
			inner := path + "[]"
			if token == '{' {
				name, err := d.Token()
				if err != nil {
					return err
				}
				inner = fmt.Sprint(name)
				if path != "" {
					inner = path + "." + inner
				}
			}
			if err := collect(d, inner, values); err != nil {
				return err
			}
		}
		_, err := d.Token() // the end
		return err
	case nil:
		values[path] = append(values[path], "null")
	default:
		values[path] = append(values[path], fmt.Sprint(token))
	}
	return nil
}
