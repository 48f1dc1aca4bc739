package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// built is what the compiler made, in a folder that is thrown away.
type built struct {
	folder  string
	notices []byte // licences of everything in the binaries
	licence []byte // our own
}

func (b *built) binary(t target) string { return filepath.Join(b.folder, t.String()) }

func (b *built) remove() { _ = os.RemoveAll(b.folder) }

// build compiles the targets and reads from the binaries which modules they hold.
func (r *release) build(ctx context.Context) (b *built, err error) {
	b = &built{}
	if b.folder, err = os.MkdirTemp("", "tollgate-release-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.remove()
		}
	}()
	if err := os.MkdirAll(r.out, 0o755); err != nil { // #nosec G301 -- for everybody
		return nil, err
	}
	if b.licence, err = os.ReadFile(filepath.Join(r.source, "LICENSE")); err != nil {
		return nil, err
	}
	held := map[string]module{}
	for _, t := range r.targets {
		fmt.Fprintln(os.Stderr, "building", t)
		if err := r.compile(ctx, t, b.binary(t)); err != nil {
			return nil, err
		}
		info, err := buildinfo.ReadFile(b.binary(t))
		if err != nil {
			return nil, err
		}
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				return nil, fmt.Errorf("%s is replaced by %s: a release is built of published modules", dep.Path, dep.Replace.Path)
			}
			held[dep.Path] = module{path: dep.Path, version: dep.Version, sum: dep.Sum}
		}
	}
	r.modules = slices.SortedFunc(maps.Values(held), func(a, b module) int { return strings.Compare(a.path, b.path) })
	b.notices, err = r.readLicences(ctx)
	return b, err
}

// compile builds one binary. What would make it depend on the machine is named here, and nothing else of the environment
// reaches the compiler.
func (r *release) compile(ctx context.Context, t target, to string) error {
	cmd := r.goTool(ctx, "build", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace", "-ldflags", "-s -w -buildid= -X tollgate/internal/cli.buildVersion="+r.version, "-o", to, "./cmd/tollgate")
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// goTool is the go command in the tree, without a network: modules come from the module cache, the toolchain is this one.
func (r *release) goTool(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- the arguments are ours
	cmd.Dir = r.source
	cmd.Env = []string{"GOPROXY=off", "GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local", "GOWORK=off", "GOENV=off", "GOEXPERIMENT=", "GODEBUG="}
	for _, name := range []string{"PATH", "HOME", "GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}
