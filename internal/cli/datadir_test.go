package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDataDirSaysWhatToMount(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "mkdir", Path: "/var/lib/tollgate", Err: syscall.EROFS}, "mount a writable volume at /var/lib/tollgate (docker run -v tollgate-data:/var/lib/tollgate"},
		{&fs.PathError{Op: "open", Path: "/var/lib/tollgate/x", Err: syscall.EACCES}, "write to /var/lib/tollgate (on Kubernetes: securityContext.fsGroup)"},
		{&fs.PathError{Op: "open", Path: "/var/lib/tollgate/x", Err: syscall.ENOSPC}, "make it writable"},
	} {
		if got := advice("/var/lib/tollgate", test.err); !strings.Contains(got, test.want) {
			t.Errorf("%v: %q does not say %q", test.err, got, test.want)
		}
	}
}

func TestDataDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none := &Environment{LookupEnv: func(string) (string, bool) { return "", false }}
	home := &Environment{LookupEnv: func(name string) (string, bool) { return file, name == "XDG_STATE_HOME" }}
	for _, test := range []struct {
		name        string
		env         *Environment
		named       string
		remedy, err string
	}{
		{"named and writable", none, t.TempDir(), "", ""},
		{"named and not writable", none, file, "", "cannot be used"},
		{"no home", none, "", "--data-dir or TOLLGATE_DATA_DIR", ""},
		{"home not writable", home, "", "make it writable, or name another folder", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, remedy, err := dataDir(test.env, test.named)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if !strings.Contains(remedy, test.remedy) || (remedy == "") != (test.remedy == "") || !strings.Contains(said, test.err) || (said == "") != (test.err == "") {
				t.Errorf("remedy %q, error %q", remedy, said)
			}
			if (dir != "") != (test.remedy == "" && test.err == "") {
				t.Errorf("the folder is %q", dir)
			}
		})
	}
}
