#!/usr/bin/env bash
# The race detector needs a C compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
command -v gcc >/dev/null || need gcc libc6-dev
