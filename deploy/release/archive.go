package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// entry is a file, a folder (the name ends in a slash) or a link of an archive.
type entry struct {
	name string
	mode int64
	data []byte
	link string
	uid  int // and gid
}

// writeTar writes entries in their order. Nothing of the machine gets into it: no owner's name, no time but the given one.
func writeTar(w io.Writer, at time.Time, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.uid, ModTime: at, Format: tar.FormatUSTAR}
		switch {
		case e.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		case e.name[len(e.name)-1] == '/':
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.data))
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if _, err := t.Write(e.data); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return t.Close()
}

// archives writes one tar.gz for each target: the binary, the licence, the notices.
func (r *release) archives(b *built) error {
	for _, t := range r.targets {
		binary, err := os.ReadFile(b.binary(t))
		if err != nil {
			return err
		}
		folder := fmt.Sprintf("tollgate_%s_%s", r.version, t)
		var out bytes.Buffer
		zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			return err
		}
		if err := writeTar(zip, r.epoch, []entry{
			{name: folder + "/", mode: 0o755},
			{name: folder + "/LICENSE", mode: 0o644, data: b.licence},
			{name: folder + "/THIRD_PARTY_NOTICES", mode: 0o644, data: b.notices},
			{name: folder + "/tollgate", mode: 0o755, data: binary},
		}); err != nil {
			return err
		}
		if err := zip.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.out, folder+".tar.gz"), out.Bytes(), 0o644); err != nil { // #nosec G306 -- for everybody
			return err
		}
	}
	return nil
}
