// Package artifacts_test holds the files that customers copy against each other and against the sample's rules: the
// sample of examples/oci, the chart, the how-to, the companions, the diagram. The one source of truth for aliases is
// examples/oci/config.yaml. Nothing is started; compose and Helm render as they would for a customer.
package artifacts_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	config       = "examples/oci/config.yaml"
	fallbackDemo = "examples/oci/config.fallback-demo.yaml"
	compose      = "examples/oci/docker-compose.yml"
	monitoring   = "examples/oci/compose.monitoring.yml"
	demoCompose  = "examples/oci/compose.fallback-demo.yml"
	helmValues   = "examples/oci/helm-values.yaml"
	sampleReadme = "examples/oci/README.md"
	dotEnv       = "examples/oci/.env.example"
	chart        = "deploy/helm/tollgate"
	howTo        = "docs/how-to/oci-gateway.md"
	demo         = "internal/cli/demo.yaml"
)

// local is a file of the repository.
func local(name string) string { return filepath.Join("..", "..", filepath.FromSlash(name)) }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(local(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode reads a YAML file into a value.
func decode[T any](t *testing.T, name string) T {
	t.Helper()
	return decodeText[T](t, name, []byte(read(t, name)))
}

func decodeText[T any](t *testing.T, name string, text []byte) T {
	t.Helper()
	var value T
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// under lists the text files below folders or files of the repository; built and fetched files are left out.
func under(t *testing.T, names ...string) []string {
	t.Helper()
	var found []string
	for _, name := range names {
		err := filepath.WalkDir(local(name), func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				switch entry.Name() {
				case "node_modules", "__pycache__", ".cache", "build", "_build":
					return fs.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(local("."), file)
			found = append(found, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// tool is a program that test/setup/artifacts.sh builds.
func tool(t *testing.T, name string) string {
	t.Helper()
	file, err := filepath.Abs(local(".cache/bin/" + name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%s is not there: run test/setup/artifacts.sh", name)
	}
	return file
}

// run runs a program in the repository's root, with nothing in the environment but what is given.
func run(t *testing.T, environment []string, program string, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = local("."), &out, &errs
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environment...)
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if strings.EqualFold(s, want) {
			return true
		}
	}
	return false
}
