#!/usr/bin/env bash
# The tests start Prometheus themselves: only the program is needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
command -v prometheus >/dev/null || need prometheus
