package artifacts_test

import (
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is what the tests read of a Kubernetes object.
type object struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Annotations     map[string]string
	}
	Data map[string]string
	Spec struct {
		Type     string
		Replicas int
		Ports    []struct{ Port int }
		Template struct{ Spec podSpec }
		podSpec  `yaml:",inline"` // of a bare pod
	}
}

type podSpec struct {
	ServiceAccountName           string `yaml:"serviceAccountName"`
	AutomountServiceAccountToken *bool  `yaml:"automountServiceAccountToken"`
	SecurityContext              struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
		FSGroup      *int `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	InitContainers []containerSpec `yaml:"initContainers"`
	Containers     []containerSpec
	Volumes        []struct {
		Name   string
		Secret struct {
			SecretName string `yaml:"secretName"`
		}
	}
}

type containerSpec struct {
	Name, Image string
	Args        []string
	EnvFrom     []struct {
		SecretRef    *struct{ Name string } `yaml:"secretRef"`
		ConfigMapRef *struct{ Name string } `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Env []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef *struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	SecurityContext struct {
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		Privileged               bool
		Capabilities             struct{ Drop, Add []string }
	} `yaml:"securityContext"`
	Resources struct {
		Requests, Limits map[string]string
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
}

type probe struct {
	HTTPGet struct{ Path string } `yaml:"httpGet"`
}

// sampleValues are the chart with the sample's values, as the README installs it.
var sampleValues = []string{
	"--values", helmValues, "--set-file", "config=" + config,
	"--set", "oci.region=us-chicago-1,oci.compartmentId=ocid1.compartment.oc1..example,db.endpoint=db.example.com",
}

// apiKey are the same with a user's API key, for clusters outside of OCI.
var apiKey = append(slices.Clone(sampleValues), "--set", "oci.auth=api_key")

func helmTemplate(t *testing.T, arguments ...string) (text, stderr string, err error) {
	t.Helper()
	return run(t, nil, tool(t, "helm"), append([]string{"template", "gateway", chart, "--namespace", "tollgate"}, arguments...)...)
}

func objects(t *testing.T, arguments ...string) []object {
	t.Helper()
	text, stderr, err := helmTemplate(t, arguments...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, stderr)
	}
	var all []object
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("helm template: %v", err)
		}
		if o.Kind != "" {
			all = append(all, o)
		}
	}
}

// the is the one object of a kind; hooks, such as helm's test pod, are left out.
func the(t *testing.T, all []object, kind string) object {
	t.Helper()
	var found []object
	for _, o := range all {
		if o.Kind == kind && o.Metadata.Annotations["helm.sh/hook"] == "" {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects are a %s, want 1", len(found), kind)
	}
	return found[0]
}

func TestChartServiceIsClusterIP(t *testing.T) {
	all := objects(t, sampleValues...)
	service := the(t, all, "Service")
	if service.Spec.Type != "ClusterIP" || len(service.Spec.Ports) != 1 || service.Spec.Ports[0].Port != 4000 {
		t.Errorf("the service is %+v", service.Spec)
	}
	for _, o := range all {
		if slices.Contains([]string{"Ingress", "HTTPRoute", "Gateway"}, o.Kind) {
			t.Errorf("a %s opens the gateway", o.Kind)
		}
	}
	address := "http://" + service.Metadata.Name + ".tollgate.svc.cluster.local:4000"
	for _, file := range []string{howTo, sampleReadme, helmValues} {
		if !strings.Contains(read(t, file), address) {
			t.Errorf("%s does not say %s", file, address)
		}
	}
}

// Secrets are named, never written: the chart makes none, and the pod takes its environment from them.
func TestChartTakesSecretsByReference(t *testing.T) {
	for how, values := range map[string][]string{"workload identity": sampleValues, "api key": apiKey} {
		t.Run(how, func(t *testing.T) {
			all := objects(t, values...)
			for _, o := range all {
				if o.Kind == "Secret" {
					t.Errorf("the chart writes the Secret %s", o.Metadata.Name)
				}
			}
			container := the(t, all, "Deployment").Spec.Template.Spec.Containers[0]
			from := map[string]bool{}
			for _, source := range container.EnvFrom {
				if source.SecretRef != nil {
					from[source.SecretRef.Name] = true
				}
			}
			want := []string{"litellm-master"}
			if how == "api key" {
				want = []string{"litellm-master", "oci-credentials"}
			}
			if got := slices.Sorted(maps.Keys(from)); !slices.Equal(got, want) {
				t.Errorf("envFrom names the Secrets %q, want %q", got, want)
			}
			database := false
			for _, variable := range container.Env {
				if ref := variable.ValueFrom.SecretKeyRef; ref != nil {
					database = database || ref.Name == "litellm-db" && ref.Key == "password"
				} else if regexp.MustCompile(`MASTER_KEY|PASSWORD|SALT|TOKEN`).MatchString(variable.Name) {
					t.Errorf("%s is written in the manifest", variable.Name)
				}
			}
			if !database {
				t.Error("the database's password does not come from the Secret litellm-db")
			}
		})
	}
}

func TestChartConfinesEachContainer(t *testing.T) {
	for how, values := range map[string][]string{"workload identity": sampleValues, "api key": apiKey, "the chart's own": {"--set", "oci.region=us-chicago-1,oci.compartmentId=ocid1.compartment.oc1..example"}} {
		t.Run(how, func(t *testing.T) {
			pods := 0
			for _, o := range objects(t, values...) {
				for _, pod := range []podSpec{o.Spec.Template.Spec, o.Spec.podSpec} {
					if len(pod.Containers) == 0 {
						continue
					}
					pods++
					checkConfined(t, o.Kind+" "+o.Metadata.Name, pod)
				}
			}
			if pods == 0 {
				t.Error("no pod is there")
			}
		})
	}
}

func checkConfined(t *testing.T, where string, pod podSpec) {
	t.Helper()
	if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65534 {
		t.Errorf("%s runs as %+v", where, pod.SecurityContext)
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		s := c.SecurityContext
		if !s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Privileged ||
			!slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: the container %s is not confined: %+v", where, c.Name, s)
		}
	}
}

// With Workload Identity there is no key to OCI: none mounted, none named.
func TestChartWithWorkloadIdentityHoldsNoKey(t *testing.T) {
	all := objects(t, sampleValues...)
	pod := the(t, all, "Deployment").Spec.Template.Spec
	if account := the(t, all, "ServiceAccount").Metadata.Name; pod.ServiceAccountName != account || account != "tollgate-gateway" {
		t.Errorf("the pod's service account is %q, the chart makes %q", pod.ServiceAccountName, account)
	}
	if pod.AutomountServiceAccountToken == nil || !*pod.AutomountServiceAccountToken {
		t.Error("the pod has no token to exchange")
	}
	for _, v := range pod.Volumes {
		if v.Secret.SecretName != "" {
			t.Errorf("the Secret %s is mounted", v.Secret.SecretName)
		}
	}
	for _, variable := range pod.Containers[0].Env {
		if slices.Contains([]string{"OCI_KEY", "OCI_KEY_FILE", "OCI_USER", "OCI_FINGERPRINT"}, variable.Name) {
			t.Errorf("%s is set", variable.Name)
		}
	}
}

func TestChartWithAPIKeyMountsItReadOnly(t *testing.T) {
	pod := the(t, objects(t, apiKey...), "Deployment").Spec.Template.Spec
	volume := ""
	for _, v := range pod.Volumes {
		if v.Secret.SecretName == "oci-key" {
			volume = v.Name
		}
	}
	mounted, named := false, false
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.Name == volume && volume != "" {
			mounted = m.ReadOnly && strings.HasPrefix(m.MountPath, "/oci-keys")
		}
	}
	for _, variable := range pod.Containers[0].Env {
		named = named || variable.Name == "OCI_KEY_FILE" && variable.Value == "/oci-keys/key.pem"
	}
	if !mounted || !named {
		t.Errorf("the key is mounted read-only: %v; OCI_KEY_FILE names it: %v", mounted, named)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod holds a token that it does not need")
	}
}

func TestChartRunsTheSample(t *testing.T) {
	all := objects(t, sampleValues...)
	deployment := the(t, all, "Deployment")
	container := deployment.Spec.Template.Spec.Containers[0]
	if deployment.Spec.Replicas != 2 {
		t.Errorf("%d replicas, want 2", deployment.Spec.Replicas)
	}
	if got := container.Resources; got.Requests["cpu"] != "500m" || got.Requests["memory"] != "1Gi" || got.Limits["cpu"] != "2" || got.Limits["memory"] != "4Gi" {
		t.Errorf("the resources are %+v", got)
	}
	if !slices.Contains(container.Args, "--config=/app/config.yaml") || !slices.Contains(container.Args, "--port=4000") {
		t.Errorf("the arguments are %q", container.Args)
	}
	if live, ready := container.LivenessProbe.HTTPGet.Path, container.ReadinessProbe.HTTPGet.Path; live != "/health/liveness" || ready != "/health/readiness" {
		t.Errorf("the probes ask %q and %q", live, ready)
	}
	var carried bool
	for _, text := range the(t, all, "ConfigMap").Data {
		carried = carried || strings.TrimSpace(text) == strings.TrimSpace(read(t, config))
	}
	if !carried {
		t.Errorf("no key of the ConfigMap holds %s as it is", config)
	}
}

// What may be copied wrongly is refused before anything reaches a cluster.
func TestChartRefusesValues(t *testing.T) {
	for name, set := range map[string]string{
		"a load balancer":              "service.type=LoadBalancer",
		"a node port":                  "service.type=NodePort",
		"an unknown key":               "replicas=2",
		"an unknown key further down":  "service.nodePort=30000",
		"fewer than no replicas":       "replicaCount=-1",
		"another principal":            "oci.auth=password",
		"a port that is none":          "service.port=70000",
		"a pull policy that is none":   "image.pullPolicy=Sometimes",
		"an unknown kind of a spool":   "spool.type=floppy",
		"a log level that is none":     "log.level=LOUD",
		"a switch that is a text":      "networkPolicy.enabled=maybe",
		"a budget of pods that is off": "pdb.maxUnavailable=-1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, stderr, err := helmTemplate(t, append(slices.Clone(sampleValues), "--set", set)...)
			if err == nil {
				t.Fatalf("--set %s renders:\n%.300s", set, text)
			}
			key, _, _ := strings.Cut(set, "=")
			last := key[strings.LastIndex(key, ".")+1:]
			if !strings.Contains(stderr, last) {
				t.Errorf("the refusal of %s does not name it: %s", set, stderr)
			}
		})
	}
}

func TestHelmLint(t *testing.T) {
	for how, values := range map[string][]string{"workload identity": sampleValues, "api key": apiKey} {
		t.Run(how, func(t *testing.T) {
			if out, stderr, err := run(t, nil, tool(t, "helm"), append([]string{"lint", "--strict", chart}, values...)...); err != nil {
				t.Errorf("%v\n%s%s", err, out, stderr)
			}
		})
	}
}
