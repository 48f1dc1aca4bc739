//go:build kubernetes

package kubernetes_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const liteLLMValues = "../../deploy/helm/litellm-values.yaml"

// testLiteLLMsChart runs our image by LiteLLM's own chart. The chart is in no package registry, so that its folder must be
// given; its subcharts, a database and a Redis of their own, are not used and left out.
func (w *world) testLiteLLMsChart(t *testing.T) {
	t.Parallel()
	theirs := w.path("litellm-helm")
	check(t, os.CopyFS(theirs, os.DirFS(os.Getenv("LITELLM_CHART"))))
	about, err := os.ReadFile(theirs + "/Chart.yaml")
	check(t, err)
	writeFile(t, theirs+"/Chart.yaml", regexp.MustCompile(`(?s)\ndependencies:.*`).ReplaceAllString(string(about), "\n"))
	check(t, os.RemoveAll(theirs+"/Chart.lock"))
	check(t, os.RemoveAll(theirs+"/charts"))

	s := w.namespace(t, "litellm")
	s.apiKeySecrets(t)
	// The how-to's way of giving the chart a config.yaml: as a mapping, because a text (--set-file) reaches the pod quoted.
	config, err := os.ReadFile(sampleConfig)
	check(t, err)
	writeFile(t, w.path("proxy-config.yaml"), "proxy_config:\n  "+strings.ReplaceAll(string(config), "\n", "\n  "))
	s.helm(t, "upgrade", "--install", "gateway", theirs, "--values="+liteLLMValues, "--values="+w.path("proxy-config.yaml"),
		"--set=image.tag=0.1.0,db.endpoint="+databaseAddress+",db.database="+strings.Trim(s.database.Path, "/"),
		`--set-json=proxy_config.tollgate_settings={"extra_ca_file":"/corporate-ca/ca.crt"}`,
		`--set-json=volumes[2]={"name":"corporate-ca","configMap":{"name":"corporate-ca"}}`,
		`--set-json=volumeMounts[2]={"name":"corporate-ca","mountPath":"/corporate-ca"}`,
		"--set=resources.requests.cpu=50m,resources.requests.memory=64Mi", "--wait", "--timeout=3m")
	gateway := s.url(t, "gateway-litellm")
	s.answers(t, gateway)
	if got := len(models(t, gateway, s.key)); got != aliases {
		t.Errorf("%d aliases are served, want %d", got, aliases)
	}
	s.live(t, gateway)
}
