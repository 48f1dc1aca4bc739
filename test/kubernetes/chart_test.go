//go:build kubernetes

package kubernetes_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// variants are sets of values that together reach every branch of the templates.
var variants = map[string][]string{
	"defaults":          nil,
	"workload identity": {"--values=" + sampleValues, "--set=oci.region=us-chicago-1,oci.compartmentId=ocid1.compartment.oc1..example,db.endpoint=db.example.com"},
	"instance":          {"--set=oci.auth=instance_principal,oci.region=us-chicago-1"},
	"resource":          {"--set=oci.auth=resource_principal", "--set-json=extraEnvVars=[{\"name\":\"OCI_RESOURCE_PRINCIPAL_VERSION\",\"value\":\"2.2\"}]"},
	"trial":             {"--set=masterKey.generate=true,db.useExisting=false,replicaCount=1"},
	"everything": {
		"--set=spool.type=persistent,spool.storageClassName=oci-bv,autoscaling.enabled=true,serviceMonitor.enabled=true,redis.useExisting=true",
		"--set=extraCA.configMapName=corporate-ca,existingConfigMap.name=mine,priorityClassName=system-cluster-critical,log.json=false",
		"--set=image.digest=sha256:" + strings.Repeat("0123456789abcdef", 4) + ",serviceAccount.create=false,drain.preStopSeconds=0",
		"--set=imagePullSecrets[0].name=ocir,environmentSecrets[0]=more,environmentConfigMaps[0]=settings,extraArgs[0]=--detailed_debug",
		"--set=podAnnotations.a=b,podLabels.team=platform,deploymentAnnotations.a=b,service.annotations.a=b,nodeSelector.disk=ssd,serviceMonitor.labels.release=prometheus",
		"--set-json=configOverlay={\"litellm_settings\":{\"num_retries\":3}}",
		"--set-json=tolerations=[{\"key\":\"a\",\"operator\":\"Exists\"}]",
		"--set-json=hostAliases=[{\"ip\":\"10.0.0.1\",\"hostnames\":[\"genai.example.com\"]}]",
		"--set-json=topologySpreadConstraints=[{\"maxSkew\":1,\"topologyKey\":\"kubernetes.io/hostname\",\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{\"a\":\"b\"}}}]",
		"--set-json=affinity={\"podAntiAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":1,\"podAffinityTerm\":{\"topologyKey\":\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"a\":\"b\"}}}}]}}",
		"--set-json=volumes=[{\"name\":\"more\",\"emptyDir\":{}}]", "--set-json=volumeMounts=[{\"name\":\"more\",\"mountPath\":\"/more\"}]",
		"--set-json=networkPolicy.ingress.from=[{\"namespaceSelector\":{\"matchLabels\":{\"team\":\"agents\"}}}]",
		"--set-json=networkPolicy.egress={\"postgres\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/24\"}}],\"redis\":[{\"ipBlock\":{\"cidr\":\"10.0.1.0/24\"}}],\"https\":[{\"ipBlock\":{\"cidr\":\"0.0.0.0/0\",\"except\":[\"169.254.0.0/16\"]}}],\"extra\":[{\"ports\":[{\"port\":3128,\"protocol\":\"TCP\"}]}]}",
		"--set-json=extraResources=[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"{{ .Release.Name }}-more\"}}]",
	},
}

// refused are values that the schema does not take, with what Helm says about them.
var refused = map[string]string{
	"replicas=2":                                      "additional properties 'replicas' not allowed",
	"service.type=LoadBalancer":                       "/service/type",
	"oci.auth=oke_workload_identity":                  "/oci/region",
	"oci.auth=kubernetes":                             "/oci/auth",
	"oci.compartmentId=example":                       "/oci/compartmentId",
	"oci.keyFile=/oci-keys/key.pem":                   "additional properties 'keyFile' not allowed",
	"image.pullPolicy=Sometimes":                      "/image/pullPolicy",
	"drain.preStopSeconds=-1":                         "/drain/preStopSeconds",
	"pdb.maxUnavailable=0":                            "/pdb/maxUnavailable",
	"spool.type=none":                                 "/spool/type",
	"masterKey.secretName=Not a name":                 "/masterKey/secretName",
	"networkPolicy.ingress.from[0].cidr=0.0.0.0/0":    "additional properties 'cidr' not allowed",
	"image.digest=sha256:abc":                         "/image/digest",
	"podAnnotations.number=1":                         "/podAnnotations/number",
	"readinessProbe.initialDelaySeconds=5":            "additional properties 'initialDelaySeconds' not allowed",
	"autoscaling.minReplicas=0":                       "/autoscaling/minReplicas",
	"redis.secret.url=redis://:password@redis:6379/0": "additional properties 'url' not allowed",
}

func (w *world) testLint(t *testing.T) {
	for name, args := range variants {
		t.Run(name, func(t *testing.T) {
			w.output(t, "helm", append([]string{"lint", "--strict", chart}, args...)...)
		})
	}
	for values, message := range refused {
		t.Run("refuses "+values, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "helm", "template", "gateway", chart, "--set="+values).CombinedOutput()
			if err == nil || !strings.Contains(string(out), message) {
				t.Errorf("helm says %q (%v), want %q", out, err, message)
			}
		})
	}
}

// serviceMonitors is as much of the Prometheus operator's definition as its fields here need.
const serviceMonitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, listKind: ServiceMonitorList, plural: servicemonitors, singular: servicemonitor}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

// testServerSideValidation has the API server check every manifest of every variant, unknown fields and the restricted
// Pod Security Standard included.
func (w *world) testServerSideValidation(t *testing.T) {
	writeFile(t, w.path("crd.yaml"), serviceMonitors)
	w.kubectl(t, "apply", "--filename="+w.path("crd.yaml"))
	w.kubectl(t, "wait", "--for=condition=Established", "crd/servicemonitors.monitoring.coreos.com")
	w.kubectl(t, "create", "namespace", "validated")
	w.kubectl(t, "label", "namespace", "validated", "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
	for name, args := range variants {
		t.Run(name, func(t *testing.T) {
			file := w.path("manifests.yaml")
			writeFile(t, file, w.output(t, "helm", append([]string{"template", "gateway", chart, "--namespace=validated"}, args...)...))
			cmd := w.command(t.Context(), "kubectl", "apply", "--namespace=validated", "--dry-run=server", "--validate=strict", "--output=json", "--filename="+file)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("the API server says %s (%v)", stderr.String(), err)
			}
			var list struct{ Items []struct{ Kind string } }
			check(t, json.Unmarshal(out, &list))
			kinds := map[string]int{}
			for _, item := range list.Items {
				kinds[item.Kind]++
			}
			t.Logf("accepted: %v", kinds)
		})
	}
}
