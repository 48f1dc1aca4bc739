#!/usr/bin/env bash
# Makes what a Kubernetes node of our own needs: the programs of Kubernetes, built from its Go module into
# .cache/kubernetes/bin, and etcd, containerd, runc and the network plugins from Debian. Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh

version=v1.33.4
programs=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)

missing=()
command -v etcd >/dev/null || missing+=(etcd-server)
command -v containerd >/dev/null || missing+=(containerd)
PATH=$PATH:/usr/sbin command -v runc >/dev/null || missing+=(runc)
PATH=$PATH:/usr/sbin command -v iptables >/dev/null || missing+=(iptables)
PATH=$PATH:/usr/sbin command -v ip >/dev/null || missing+=(iproute2)
[[ -x /usr/lib/cni/ptp ]] || missing+=(containernetworking-plugins)
if ((${#missing[@]})); then need "${missing[@]}"; fi

mkdir -p .cache/kubernetes/build .cache/kubernetes/bin
exec 9>.cache/kubernetes/lock
flock 9
stamp="$version ${programs[*]}"
if [[ -f .cache/kubernetes/stamp && $(<.cache/kubernetes/stamp) == "$stamp" ]]; then
  exit 0
fi

echo "building Kubernetes $version into .cache/kubernetes/bin (five to fifteen minutes)"
cd .cache/kubernetes/build
published=v0.${version#v1.}
# Kubernetes takes its own parts out of its tree (staging/src); a module cannot, so the same parts are taken as published.
gomod=$(GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@$version" | sed -nE 's/^\t"GoMod": "(.*)",$/\1/p')
{
  echo "module tollgate-test-kubernetes"
  sed -nE '/^(go|godebug) /p' "$gomod"
  echo "require k8s.io/kubernetes $version"
  sed -nE "s,^\t(k8s\.io/[a-z-]+) => \./staging/src/k8s\.io/[a-z-]+$,replace \1 => \1 $published,p" "$gomod"
} >go.mod
module=k8s.io/component-base/version
CGO_ENABLED=0 GOFLAGS=-mod=mod nice -n 10 go build -trimpath \
  -ldflags "-s -w -X $module.gitVersion=$version -X $module.gitMajor=1 -X $module.gitMinor=$(cut -d. -f2 <<<"$version")" \
  -o ../bin/ "${programs[@]/#/k8s.io/kubernetes/cmd/}"
printf '%s' "$stamp" >../stamp
