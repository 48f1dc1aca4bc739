#!/usr/bin/env bash
# The OpenSSL signer needs a C compiler, OpenSSL's headers and its static library.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
command -v gcc >/dev/null || need gcc libc6-dev
echo '#include <openssl/evp.h>' | gcc -E - >/dev/null 2>&1 || need libssl-dev
