#!/usr/bin/env bash
# What test/artifacts runs: Docker's compose and Helm, which render the sample and the chart without a Docker engine or a
# cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/setup/compose.sh
test/setup/helm.sh
