#!/usr/bin/env bash
# Builds Docker's compose from its Go module into .cache/bin/docker-compose. Does nothing where that version is there.
# Newer releases have `exclude` lines in go.mod, with which go install refuses them.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v5.0.2
mkdir -p .cache/bin
exec 9>.cache/compose.lock # several suites ask at once
flock 9
if [[ v$(.cache/bin/docker-compose version --short 2>/dev/null) == "$version" ]]; then
  exit 0
fi
echo "building Docker's compose $version into .cache/bin (one to three minutes)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 GOFLAGS=-mod=mod GOBIN=$work nice -n 10 go install -trimpath \
  -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$version" "github.com/docker/compose/v5/cmd@$version"
mv "$work/cmd" .cache/bin/docker-compose
