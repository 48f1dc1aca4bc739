#!/usr/bin/env bash
# What test/integrations/qdrant/server.py runs on, in a virtual environment of its own.
set -euo pipefail
exec "$(dirname "$0")/python.sh" test/integrations/qdrant
