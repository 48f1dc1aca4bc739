#!/usr/bin/env bash
# Builds Helm from its Go module into .cache/bin/helm. Does nothing where that version is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v4.3.1
mkdir -p .cache/bin
exec 9>.cache/helm.lock # several suites ask at once
flock 9
if [[ $(.cache/bin/helm version --template '{{.Version}}' 2>/dev/null) == "$version" ]]; then
  exit 0
fi
echo "building Helm $version into .cache/bin (two to five minutes)"
# Helm's own build stamps its version with -X; without it the program would call itself a development version.
CGO_ENABLED=0 GOFLAGS=-mod=mod GOBIN="$PWD/.cache/bin" nice -n 10 go install -trimpath \
  -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" "helm.sh/helm/v4/cmd/helm@$version"
.cache/bin/helm version --template '{{.Version}}{{"\n"}}'
