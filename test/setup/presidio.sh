#!/usr/bin/env bash
# Microsoft Presidio's analyzer and anonymizer from PyPI, in an environment of their own below .cache/python.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/setup/python.sh test/integrations/presidio
