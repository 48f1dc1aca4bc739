#!/usr/bin/env bash
# Runs every fuzz target of the module for a time, one after the other: test/fuzz.sh [10s]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
failed=0
while IFS=: read -r file line; do
  name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
  folder=./$(dirname "$file")
  echo "== $folder $name"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$folder" || failed=1
done < <(grep -rE '^func Fuzz' --include='*_test.go' internal | sort)
exit $failed
