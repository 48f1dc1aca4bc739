package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// profile is a gateway and the key for it.
type profile struct {
	URL string `yaml:"url"`
	Key string `yaml:"key"`
}

// profiles are the gateways that `tollgate login` has noted, by name.
type profiles struct {
	Current  string             `yaml:"current"`
	Profiles map[string]profile `yaml:"profiles"`
}

// profileFile is where profiles are kept: tollgate/config.yaml in XDG_CONFIG_HOME, else in ~/.config.
func profileFile(env *Environment) (string, error) {
	dir, _ := env.LookupEnv("XDG_CONFIG_HOME")
	if dir == "" {
		home, ok := env.LookupEnv("HOME")
		if !ok || home == "" {
			return "", errors.New("HOME is not set, so there is no place for profiles")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "tollgate", "config.yaml"), nil
}

// readProfiles reads the file; without one there are no profiles. It holds keys, so that a file that others can read is
// refused.
func readProfiles(env *Environment) (profiles, error) {
	p := profiles{Profiles: map[string]profile{}}
	file, err := profileFile(env)
	if err != nil {
		return p, nil //nolint:nilerr // no home, no profiles
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return p, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return p, fmt.Errorf("%s holds keys and is open to others (mode %04o): chmod 600 %s", file, mode, file)
	}
	if err := yaml.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", file, err)
	}
	if p.Profiles == nil {
		p.Profiles = map[string]profile{}
	}
	return p, nil
}

// named finds a profile; "" is the current one.
func (p profiles) named(name string) (profile, error) {
	if name == "" {
		name = p.Current
	}
	found, ok := p.Profiles[name]
	if !ok {
		return profile{}, usagef("there is no profile %q (there are: %s); `tollgate login --profile %s` makes it",
			name, strings.Join(slices.Sorted(maps.Keys(p.Profiles)), ", "), name)
	}
	return found, nil
}

// write replaces the file, for its owner's eyes only.
func (p profiles) write(env *Environment) (file string, err error) {
	if file, err = profileFile(env); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	next, err := os.CreateTemp(filepath.Dir(file), "config.*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = next.Write(text)
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return file, err
}
