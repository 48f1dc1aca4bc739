#!/usr/bin/env bash
# Builds an OpenTelemetry Collector from its Go modules into .cache/bin/otelcol: it takes OTLP over HTTP and gRPC, and
# passes on what it got as OTLP/HTTP in JSON. A minute or two, once.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v0.165.0
mkdir -p .cache/bin
exec 9>.cache/otelcol.lock # suites that run side by side share it
if command -v flock >/dev/null; then flock 9; fi
stamp="$version with env"
if [[ -x .cache/bin/otelcol && -f .cache/bin/otelcol.stamp && $(<.cache/bin/otelcol.stamp) == "$stamp" ]]; then
  exit 0
fi
echo "building the OpenTelemetry Collector $version"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/manifest.yaml" <<EOF
dist: {name: otelcol, description: OTLP in and OTLP in JSON out, output_path: $work/out}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver $version
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter $version
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.71.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.71.0
EOF
export GOFLAGS=-mod=mod CGO_ENABLED=0
# The tag leaves out gRPC's debug pages, which nobody here looks at.
nice -n 10 go run "go.opentelemetry.io/collector/cmd/builder@$version" --config "$work/manifest.yaml" --skip-strict-versioning
mv "$work/out/otelcol" .cache/bin/otelcol
printf '%s' "$stamp" >.cache/bin/otelcol.stamp
