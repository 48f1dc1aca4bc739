#!/usr/bin/env bash
# moto, a second opinion on S3, in a virtual environment of its own.
set -euo pipefail
exec "$(dirname "$0")/python.sh" test/integrations/moto
