// Command release makes everything that a release consists of, from a tree of sources: binaries, the image, notices, the
// bill of materials, provenance and checksums. The same commit, version and toolchain give the same bytes, wherever and
// whenever it runs. It needs no network: deploy/release/run downloads the modules beforehand.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"
)

// release is what is made, and of what.
type release struct {
	source  string    // the tree, a checkout of commit
	out     string    // the folder that is filled
	version string    // as `tollgate version` prints it
	commit  string    // hash of the commit
	epoch   time.Time // the commit's own time: every time in a file is this one
	builder string    // URI of who builds, for provenance
	targets []target
	modules []module // what the binaries hold, in order of their paths
}

// target is one platform.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// released are the platforms of a release. Those of Linux are in the image.
var released = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

// tag is what registries take for the tag of an image, with room for an architecture behind it.
var tag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "compare" {
		return compare(args[1], args[2])
	}
	r := &release{targets: released}
	var epoch int64
	var only string
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.StringVar(&r.source, "source", "", "the tree to build")
	f.StringVar(&r.out, "out", "", "the folder to fill")
	f.StringVar(&r.version, "version", "", "the version")
	f.StringVar(&r.commit, "commit", "", "the commit")
	f.StringVar(&r.builder, "builder", "urn:tollgate:builder:local", "URI of the builder")
	f.Int64Var(&epoch, "epoch", 0, "time of the commit in seconds since 1970")
	f.StringVar(&only, "image", "", "make only the image of this architecture (amd64, arm64)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if r.source == "" || r.out == "" || r.version == "" || epoch == 0 || f.NArg() != 0 {
		return fmt.Errorf("needs -source, -out, -version and -epoch")
	}
	if !tag.MatchString(r.version) {
		return fmt.Errorf("the version %q is in names of files and tags of images: letters, digits and . _ - alone", r.version)
	}
	r.epoch = time.Unix(epoch, 0).UTC()
	if only != "" {
		r.targets = []target{{"linux", only}}
		return r.makeImage(ctx)
	}
	if r.commit == "" {
		return fmt.Errorf("a release needs -commit")
	}
	return r.make(ctx)
}

// make makes the whole release.
func (r *release) make(ctx context.Context) error {
	binaries, err := r.build(ctx)
	if err != nil {
		return err
	}
	defer binaries.remove()
	for _, step := range []func(*built) error{r.archives, r.images, r.bill, r.provenance, r.checksums} {
		if err := step(binaries); err != nil {
			return err
		}
	}
	return nil
}

// makeImage makes the image of one architecture, for those who try it.
func (r *release) makeImage(ctx context.Context) error {
	binaries, err := r.build(ctx)
	if err != nil {
		return err
	}
	defer binaries.remove()
	return r.images(binaries)
}
