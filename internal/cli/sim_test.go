package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// simulate runs `tollgate sim` until the test ends and returns what it printed up to the last export.
func simulate(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		status := execute(ctx, &Environment{
			Stdin: strings.NewReader(""), Stdout: in, Stderr: in, LookupEnv: func(string) (string, bool) { return "", false },
		}, append([]string{"sim", "--port=0"}, args...))
		_ = in.Close() // the end of a pipe always closes
		done <- status
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-done; status != 0 {
			t.Errorf("sim ended with %d", status)
		}
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "export OCI_ENDPOINT=") {
			return said.String()
		}
	}
	t.Fatalf("sim did not say where it is: %s", said.String())
	return ""
}

func TestSim_WritesAnEnvironmentForEachWay(t *testing.T) {
	dir := t.TempDir()
	said := simulate(t, "--dir="+dir, "--oke-address=127.0.0.1:0", "--cluster=ocid1.cluster.oc1..k", "--region=eu-frankfurt-1")
	oke := regexp.MustCompile(`OKE token endpoint: https://(127\.0\.0\.1):\d+\n`).FindStringSubmatch(said)
	if oke == nil {
		t.Fatalf("no word of the token endpoint:\n%s", said)
	}
	for way, want := range map[string]string{
		"security_token":         "OCI_CONFIG_FILE=" + dir + "/principals/session/config\n",
		"instance_principal":     "OCI_METADATA_BASE_URL=http://127.0.0.1:",
		"resource_principal_1.1": "OCI_RESOURCE_PRINCIPAL_VERSION=1.1\n",
		"resource_principal_2.2": "OCI_RESOURCE_PRINCIPAL_RPST=" + dir + "/principals/resource/rpst\n",
		"resource_principal_3.0": "OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE=http://127.0.0.1:",
		"oke_workload_identity":  "KUBERNETES_SERVICE_HOST=" + oke[1] + "\n",
	} {
		text, err := os.ReadFile(filepath.Join(dir, "principals", way+".env"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(text), want) || !strings.Contains(string(text), "OCI_REGION=eu-frankfurt-1\n") {
			t.Errorf("%s.env has no %q:\n%s", way, want, text)
		}
	}
}

func TestSim_WithoutAClusterThereIsNoWorkload(t *testing.T) {
	dir := t.TempDir()
	simulate(t, "--dir="+dir, "--identity-dir="+filepath.Join(dir, "elsewhere"))
	if _, err := os.Stat(filepath.Join(dir, "elsewhere", "resource_principal_2.2.env")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "elsewhere", "oke_workload_identity.env")); err == nil {
		t.Error("there is an environment for a token endpoint that is not served")
	}
}

func TestSim_Refuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"--token-life=0s":            "--token-life",
		"--oke-issuer-keys=" + empty: "there is no key in it",
		"--oke-tls-cert=" + empty:    "--oke-tls-cert",
		"--oke-address=nowhere":      "the simulator cannot start",
		"--scenario=" + empty:        "scenario",
	} {
		got := typed{}.run(t, "sim", "--port=0", "--dir="+t.TempDir(), flag)
		if got.status == 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: status %d, %q, want an error with %q", flag, got.status, got.stderr, want)
		}
	}
}
