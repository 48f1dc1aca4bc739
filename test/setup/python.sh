#!/usr/bin/env bash
# Makes a virtual environment below .cache/python for each folder of Python tests, with what its requirements.txt names:
# the clients' own requirements do not agree with each other. Does nothing where one is there.
#
#   test/setup/python.sh [FOLDER...]   without a folder: those that the suite's group "python" runs
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

# One at a time: suites that run side by side share these.
mkdir -p .cache/python
exec 8>.cache/python/lock
if command -v flock >/dev/null; then flock 8; fi

if (($# == 0)); then
  set -- test/sdk/python test/strangers/python
fi
for folder in "$@"; do
  file=$folder/requirements.txt
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
