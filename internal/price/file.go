package price

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the name of the operator's own table in the data directory.
const FileName = "prices.csv"

// Load reads the table that is in force with a data directory: its prices.csv, else the built-in one. dir may be "".
// own reports whether it is the operator's.
func Load(dir string) (t *Table, own bool, err error) {
	if dir == "" {
		t, err = Builtin()
		return t, false, err
	}
	name := filepath.Join(dir, FileName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = Builtin()
		return t, false, err
	}
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }()
	if t, err = Read(f); err != nil {
		return nil, false, fmt.Errorf("%s: %w; run `tollgate prices update`, or remove the file to have the built-in prices", name, err)
	}
	return t, true, nil
}

// Save writes a table to the data directory, where Load finds it. Whoever reads meanwhile finds the table before or
// this one, whole; a failure leaves the one before.
func Save(dir string, t *Table) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, FileName+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = t.Write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, FileName))
	}
	return err
}
