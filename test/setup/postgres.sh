#!/usr/bin/env bash
# The tests start PostgreSQL and PgBouncer themselves: only the programs are needed. ps finds a server's processes.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
missing=()
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null || missing+=(pgbouncer)
command -v ps >/dev/null || missing+=(procps)
if ((${#missing[@]})); then need "${missing[@]}"; fi
