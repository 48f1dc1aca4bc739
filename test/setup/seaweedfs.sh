#!/usr/bin/env bash
# Builds SeaweedFS, whose S3 gateway verifies signatures, from its Go module into .cache/bin/weed: a few minutes, once.
# Its module replaces another one, which `go install` refuses, so it is built as the main module.
set -euo pipefail
cd "$(dirname "$0")/../.."

module=github.com/seaweedfs/seaweedfs@v0.0.0-20261109003541-7506e5f91cd6
mkdir -p .cache/bin
exec 9>.cache/seaweedfs.lock # suites that run side by side share it
if command -v flock >/dev/null; then flock 9; fi
if [[ -x .cache/bin/weed && -f .cache/bin/weed.stamp && $(<.cache/bin/weed.stamp) == "$module" ]]; then
  exit 0
fi
echo "building SeaweedFS ($module)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$(cd "$work" && GOFLAGS=-mod=mod go mod download -json "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
cp -r "$source" "$work/source"
chmod -R u+w "$work/source"
out=$PWD/.cache/bin/weed.new
(cd "$work/source" && nice -n 10 env CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -ldflags '-s -w' -o "$out" ./weed)
mv "$out" .cache/bin/weed
printf '%s' "$module" >.cache/bin/weed.stamp
