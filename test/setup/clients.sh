#!/usr/bin/env bash
# Makes what test/clients needs: a virtual environment in .cache/python, the Node packages of test/clients/node, and the
# Go programs of examples and test/clients/go in .cache/clients/bin. Does what is not done.
set -euo pipefail
cd "$(dirname "$0")/../.."

test/setup/python.sh test/clients
test/setup/node.sh
export PATH="$PWD/.cache/node/bin:$PATH"
authorities=/etc/ssl/certs/ca-certificates.crt
if [[ -f $authorities ]]; then
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$authorities}
fi
if [[ ! test/clients/node/node_modules/.package-lock.json -nt test/clients/node/package-lock.json ]]; then
  echo "installing the Node packages of test/clients/node"
  (cd test/clients/node && nice -n 10 npm ci --no-audit --no-fund --loglevel=error)
fi

bin=$PWD/.cache/clients/bin
mkdir -p "$bin"
(cd examples/agent/go && go build -o "$bin/agent" .)
(cd examples/costs/go && go build -o "$bin/costs" .)
(cd test/clients/go && go test -c -o "$bin/sdk.test" .)
