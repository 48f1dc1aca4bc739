package artifacts_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// Clients speak OpenAI's API to the gateway: none of them needs LiteLLM, nor anything of OCI's.
func TestClientsNeedNeitherLiteLLMNorOCI(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)^\s*"?(litellm|oci|oci-cli|langchain-oci|github\.com/oracle/oci-go-sdk\S*)\b["\s=<>~!\[;,v]*`)
	var seen int
	for _, file := range under(t, "examples", "test/live", "test/costs") {
		switch path.Base(file) {
		case "requirements.txt", "go.mod", "package.json", "pyproject.toml":
			seen++
			for line := range strings.Lines(read(t, file)) {
				if forbidden.MatchString(line) {
					t.Errorf("%s asks for %s", file, strings.TrimSpace(line))
				}
			}
		}
		if strings.HasSuffix(file, ".py") && regexp.MustCompile(`(?m)^\s*(import|from) (litellm|oci)\b`).MatchString(read(t, file)) {
			t.Errorf("%s imports LiteLLM or OCI's SDK", file)
		}
	}
	if seen < 4 {
		t.Errorf("%d files of requirements were found", seen)
	}
}

// A client's environment is an address, a key and an alias; no credential of the cloud is near it.
func TestClientsReadNoCloudCredential(t *testing.T) {
	for _, file := range under(t, "examples/agent", "examples/costs") {
		if found := regexp.MustCompile(`\bOCI_[A-Z_]+|\.oci/config`).FindString(read(t, file)); found != "" {
			t.Errorf("%s names %s", file, found)
		}
	}
}

// The clients' requirements are pinned: a sample that worked yesterday works tomorrow.
func TestClientsPinTheirRequirements(t *testing.T) {
	for _, file := range under(t, "examples", "test/live", "test/costs") {
		if path.Base(file) != "requirements.txt" {
			continue
		}
		for line := range strings.Lines(read(t, file)) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "-r") {
				continue
			}
			if !strings.Contains(line, "==") {
				t.Errorf("%s leaves the version of %s open", file, line)
			}
		}
	}
}
