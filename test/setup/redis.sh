#!/usr/bin/env bash
# The tests start Redis, or Valkey, themselves: only the program is needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
command -v valkey-server >/dev/null || command -v redis-server >/dev/null || need redis-server
