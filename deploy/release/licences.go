package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is a module that the binaries hold.
type module struct {
	path, version string
	sum           string   // go.sum's hash of its files
	licences      []string // SPDX identifiers, at least one
}

// phrases tell a licence by its own words, the white space between them aside. A module whose licence none of them tells
// stops the release: somebody has to read it. covers is another licence whose words these hold as well.
var phrases = []struct {
	licence, covers string
	words           *regexp.Regexp
}{
	{"Apache-2.0", "", regexp.MustCompile(`Apache License,? Version 2\.0`)},
	{"MPL-2.0", "", regexp.MustCompile(`Mozilla Public License,? [Vv]ersion 2\.0`)},
	{"UPL-1.0", "MIT", regexp.MustCompile(`Universal Permissive License`)},
	{"ISC", "", regexp.MustCompile(`Permission to use, copy, modify, and(?:/or)? distribute this software for any purpose`)},
	{"MIT", "", regexp.MustCompile(`Permission is hereby granted, free of charge, to any person obtaining a copy`)},
	{"BSD-3-Clause", "BSD-2-Clause", regexp.MustCompile(`Redistribution and use in source and binary forms.*[Nn]either the name`)},
	{"BSD-2-Clause", "", regexp.MustCompile(`Redistribution and use in source and binary forms`)},
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright)([-.].*)?$`)

// readLicences finds the licence of each module and returns the texts as one file: most licences ask for their text to
// go with the binary. Go's own library is in each binary, so its licence comes first.
func (r *release) readLicences(ctx context.Context) ([]byte, error) {
	folders, err := r.folders(ctx)
	if err != nil {
		return nil, err
	}
	root, err := r.goTool(ctx, "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("Tollgate's binary holds the software below. Each part is under its own licence, whose text follows its name.\n")
	if _, err := addNotice(&out, "The Go standard library and runtime", strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for i := range r.modules {
		m := &r.modules[i]
		folder, ok := folders[m.path]
		if !ok {
			return nil, fmt.Errorf("the module cache has no %s %s", m.path, m.version)
		}
		if m.licences, err = addNotice(&out, m.path+" "+m.version, folder); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// folders are where the modules' files are.
func (r *release) folders(ctx context.Context) (map[string]string, error) {
	cmd := r.goTool(ctx, "list", "-m", "-json", "all")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m all: %w", err)
	}
	folders := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var m struct{ Path, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, err
		}
		if m.Dir != "" {
			folders[m.Path] = m.Dir
		}
	}
}

// addNotice appends the licence files of a folder, and returns which licences they are.
func addNotice(out *bytes.Buffer, name, folder string) (licences []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "\n%s\n%s\n", strings.Repeat("=", 80), name)
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "%s\n%s\n\n%s\n", strings.Repeat("-", 80), e.Name(), bytes.TrimSpace(text))
		licences = append(licences, recognise(text)...)
	}
	if len(licences) == 0 {
		return nil, fmt.Errorf("%s: no licence in %s that is known", name, folder)
	}
	slices.Sort(licences)
	return slices.Compact(licences), nil
}

// recognise tells the licences of a text.
func recognise(text []byte) (licences []string) {
	words := bytes.Join(bytes.Fields(text), []byte(" "))
	covered := ""
	for _, p := range phrases {
		if p.licence != covered && p.words.Match(words) {
			licences, covered = append(licences, p.licence), p.covers
		}
	}
	return licences
}
