#!/usr/bin/env bash
# Makes a virtual environment below .cache/python for each folder of Python tests, with what its requirements.txt names:
# the clients' own requirements do not agree with each other. Does nothing where one is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  need python3 python3-venv
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "The tests need Python 3.11 or newer; python3 is $(python3 --version 2>&1)." >&2
  exit 1
}

for file in test/sdk/python/requirements.txt test/strangers/python/requirements.txt; do
  folder=$(dirname "$file")
  venv=.cache/python/${folder//\//-}
  stamp=$(python3 --version; cat "$file")
  if [[ -f $venv/stamp && $(<"$venv/stamp") == "$stamp" ]]; then
    continue
  fi
  echo "installing $(grep -cE '^[a-z]' "$file") Python packages and what they need for $folder"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 -r "$file"
  printf '%s' "$stamp" >"$venv/stamp"
done
