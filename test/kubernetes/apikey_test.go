//go:build kubernetes

package kubernetes_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// testAPIKey installs the chart as it is: nothing is given but the Secrets that the how-to names.
func (w *world) testAPIKey(t *testing.T) {
	t.Parallel()
	s := w.namespace(t, "keyed")
	s.apiKeySecrets(t)
	s.install(t, quick)
	gateway := s.url(t, "gateway-tollgate")
	s.answers(t, gateway)

	// The file mode is what the kubelet makes of 0400 and a group: nobody else may read, and nobody may write.
	for _, pod := range s.processes(t, 2) {
		info, err := os.Stat(pod + "/root/oci-keys/key.pem")
		check(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != 0o440 || owner.Uid != 0 || owner.Gid != 65534 {
			t.Errorf("the key has mode %v, user %d and group %d", info.Mode(), owner.Uid, owner.Gid)
		}
		environment, err := os.ReadFile(pod + "/environ")
		check(t, err)
		if found := signs(environment); found != "" {
			t.Errorf("the environment holds %s", found)
		}
		if _, err := os.Stat(pod + "/root/var/run/secrets/kubernetes.io/serviceaccount/token"); err == nil {
			t.Error("a service account token is mounted that nobody needs")
		}
	}

	// A bad upgrade does not take the gateway down, and is taken back.
	_, err := s.try(t.Context(), "helm", "--namespace="+s.name, "upgrade", "gateway", chart, "--reuse-values", "--rollback-on-failure", "--wait", "--timeout=20s", "--set=image.tag=missing")
	if err == nil {
		t.Error("an upgrade to an image that does not exist succeeded")
	}
	check(t, chat(t.Context(), gateway, s.key))
	s.live(t, gateway)
}

// testPersistentSpool runs the chart's StatefulSet on a volume of the node, with a master key that the chart makes and a
// ConfigMap that it does not make.
func (w *world) testPersistentSpool(t *testing.T) {
	t.Parallel()
	s := w.namespace(t, "kept")
	s.apiKeySecrets(t)
	volume := w.path("volume")
	check(t, os.MkdirAll(volume, 0o777))
	check(t, os.Chmod(volume, 0o777)) //nolint:gosec // the folder of a test's volume, which a pod writes as its own user
	writeFile(t, w.path("volume.yaml"), fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: kept}
spec: {capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce], storageClassName: local, persistentVolumeReclaimPolicy: Retain, hostPath: {path: %q}}
`, volume))
	s.kubectl(t, "apply", "--filename="+w.path("volume.yaml"))
	config, err := os.ReadFile(sampleConfig)
	check(t, err)
	s.applyConfig(t, string(config))
	args := []string{"--set=existingConfigMap.name=mine", "--set=spool.type=persistent,spool.storageClassName=local,replicaCount=1,masterKey.generate=true", quick}
	s.install(t, args...)
	s.key = s.secrets(t)["gateway-tollgate-master/LITELLM_MASTER_KEY"]
	if !strings.HasPrefix(s.key, "sk-") {
		t.Fatalf("the chart made no key: %q", s.key)
	}
	gateway := s.url(t, "gateway-tollgate")
	s.answers(t, gateway)
	if _, err := os.Stat(volume + "/spool"); err != nil {
		t.Errorf("the spool is not on the volume: %v", err)
	}

	s.install(t, append(args, "--set=podAnnotations.changed=yes")...)
	if now := s.secrets(t)["gateway-tollgate-master/LITELLM_MASTER_KEY"]; now != s.key {
		t.Error("an upgrade made another master key")
	}
	s.answers(t, gateway)

	// The kubelet brings a changed ConfigMap to the pod, and the gateway takes it up: nothing restarts.
	s.applyConfig(t, strings.Replace(string(config), "model_list:\n", "model_list:\n  - model_name: later\n    litellm_params:\n      model: oci/cohere.command-latest\n      <<: *oci\n", 1))
	eventually(t, "the changed configuration is served", func(context.Context) error {
		if got := len(models(t, gateway, s.key)); got != aliases+1 {
			return fmt.Errorf("%d aliases are served", got)
		}
		return nil
	})
}

// testTrial runs what the how-to calls just trying it: no database, a master key of the chart's.
func (w *world) testTrial(t *testing.T) {
	t.Parallel()
	s := w.namespace(t, "trial")
	s.apiKeySecrets(t)
	s.install(t, quick, "--set=masterKey.generate=true,db.useExisting=false,replicaCount=1")
	s.key = s.secrets(t)["gateway-tollgate-master/LITELLM_MASTER_KEY"]
	s.answers(t, s.url(t, "gateway-tollgate"))
}

// applyConfig puts a configuration into the ConfigMap "mine".
func (s space) applyConfig(t testing.TB, config string) {
	t.Helper()
	file := s.path("mine.yaml")
	writeFile(t, file, config)
	writeFile(t, file, s.kubectl(t, "create", "configmap", "mine", "--from-file=config.yaml="+file, "--dry-run=client", "--output=yaml"))
	s.kubectl(t, "apply", "--filename="+file)
}
