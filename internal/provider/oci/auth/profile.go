package auth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// Where Oracle's tools keep profiles, and the profile they take unasked.
const (
	DefaultConfigFile = "~/.oci/config"
	DefaultProfile    = "DEFAULT"
)

// maxConfigFile bounds a profile file, in bytes.
const maxConfigFile = 1 << 20

// Profile is one section of an OCI configuration file.
type Profile struct {
	Name              string
	User              string // OCID
	Tenancy           string // OCID
	Fingerprint       string
	Region            string
	KeyFile           string
	KeyContent        string // the key itself, instead of KeyFile
	Passphrase        string
	SecurityTokenFile string // set by "oci session authenticate"; its key is a session key
}

// String shows the profile without its secrets.
func (p Profile) String() string {
	return fmt.Sprintf("profile %s: user %s, tenancy %s, fingerprint %s, region %s, key_file %s, security_token_file %s",
		p.Name, p.User, p.Tenancy, p.Fingerprint, p.Region, p.KeyFile, p.SecurityTokenFile)
}

// GoString is String, so that %#v shows no more than %v.
func (p Profile) GoString() string { return p.String() }

// MarshalText is String, so that JSON shows no more than a log line.
func (p Profile) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue is String, so that a structured log shows no more than a plain one.
func (p Profile) LogValue() slog.Value { return slog.StringValue(p.String()) }

// APIKey returns the options of NewAPIKey for a profile that holds an API key.
// For a profile of another kind it is an error that says which.
func (p Profile) APIKey() (APIKeyOptions, error) {
	if p.SecurityTokenFile != "" {
		return APIKeyOptions{}, fmt.Errorf("oci: profile %s holds a session token (security_token_file), not an API key", p.Name)
	}
	var missing []string
	for _, part := range []struct{ name, value string }{{"user", p.User}, {"tenancy", p.Tenancy}, {"key_file", p.KeyFile + p.KeyContent}} {
		if part.value == "" {
			missing = append(missing, part.name)
		}
	}
	if len(missing) > 0 {
		return APIKeyOptions{}, fmt.Errorf("oci: profile %s holds no API key: it has no %s", p.Name, strings.Join(missing, ", no "))
	}
	return APIKeyOptions{
		Tenancy:     p.Tenancy,
		User:        p.User,
		Fingerprint: p.Fingerprint,
		KeyFile:     p.KeyFile,
		KeyPEM:      p.KeyContent,
		Passphrase:  p.Passphrase,
	}, nil
}

// LoadProfile reads one profile of an OCI configuration file. An empty path is
// DefaultConfigFile, an empty name DefaultProfile.
func LoadProfile(path, name string) (Profile, error) {
	if path == "" {
		path = DefaultConfigFile
	}
	path = expandHome(path)
	f, err := os.Open(path)
	if err != nil {
		return Profile{}, fmt.Errorf("oci: profile file %s: %w", path, adviseOnFile(err))
	}
	defer f.Close()
	p, err := ParseProfile(io.LimitReader(f, maxConfigFile), name)
	if err != nil {
		return Profile{}, fmt.Errorf("oci: profile file %s: %w", path, err)
	}
	return p, nil
}

// ParseProfile reads one profile from the text of a configuration file, as
// Oracle's Python tools do: values that a profile lacks come from DEFAULT, names
// are taken in any case, indented lines continue a key_content. Unlike them it
// forgives indentation elsewhere, a comment after a value (the console's snippet
// has one behind key_file) and quotes around it.
func ParseProfile(r io.Reader, name string) (Profile, error) {
	if name == "" {
		name = DefaultProfile
	}
	sections, err := readSections(r)
	if err != nil {
		return Profile{}, err
	}
	own, found := sections[name]
	if !found {
		return Profile{}, fmt.Errorf("no profile %q; there is %s", name, sectionNames(sections))
	}
	inherited := sections[DefaultProfile]
	value := func(key string) string {
		if v, ok := own[key]; ok {
			return v
		}
		return inherited[key]
	}
	p := Profile{
		Name:              name,
		User:              value("user"),
		Tenancy:           value("tenancy"),
		Fingerprint:       value("fingerprint"),
		Region:            value("region"),
		KeyFile:           value("key_file"),
		KeyContent:        value("key_content"),
		Passphrase:        value("pass_phrase"),
		SecurityTokenFile: value("security_token_file"),
	}
	// "oci session authenticate" writes to DEFAULT unless told otherwise. A
	// profile that names its own user holds an API key all the same.
	if own["user"] != "" && own["security_token_file"] == "" {
		p.SecurityTokenFile = ""
	}
	return p, nil
}

// readSections reads an INI file into its sections.
func readSections(r io.Reader) (map[string]map[string]string, error) {
	sections := make(map[string]map[string]string)
	var (
		section map[string]string // of the lines being read; nil before the first header
		key     string            // the option above, for continuation lines
		indent  int               // of that option
	)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxConfigFile)
	for n := 1; lines.Scan(); n++ {
		raw := strings.TrimPrefix(lines.Text(), "\ufeff")
		line := strings.TrimSpace(raw)
		width := len(raw) - len(strings.TrimLeft(raw, " \t"))
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case key == "key_content" && width > indent: // the one value that takes several lines
			section[key] += "\n" + line
		case line[0] == '[':
			title, _, closed := strings.Cut(line[1:], "]")
			title = strings.TrimSpace(title)
			if !closed || title == "" {
				return nil, fmt.Errorf("line %d: a section header needs the form [NAME]", n)
			}
			if _, twice := sections[title]; twice {
				return nil, fmt.Errorf("line %d: profile %q is there twice", n, title)
			}
			section, key = make(map[string]string), ""
			sections[title] = section
		default:
			i := strings.IndexAny(line, "=:")
			if i <= 0 {
				return nil, fmt.Errorf("line %d: neither a [section], a comment nor name=value", n)
			}
			if section == nil {
				return nil, fmt.Errorf("line %d: a value before the first [section]", n)
			}
			key, indent = strings.ToLower(strings.TrimSpace(line[:i])), width
			section[key] = cleanValue(key, line[i+1:])
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, errors.New("a line is longer than a megabyte")
	}
	return sections, lines.Err()
}

// cleanValue trims a value and what people put around it. A passphrase may hold
// anything, so it is only trimmed.
func cleanValue(key, value string) string {
	value = strings.TrimSpace(value)
	if key == "pass_phrase" {
		return value
	}
	for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
		value, _, _ = strings.Cut(value, mark)
	}
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return value
}

// sectionNames lists the profiles of a file for a message.
func sectionNames(sections map[string]map[string]string) string {
	if len(sections) == 0 {
		return "none in this file"
	}
	names := make([]string, 0, len(sections))
	for name := range sections {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
