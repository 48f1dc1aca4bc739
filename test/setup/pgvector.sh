#!/usr/bin/env bash
# A PostgreSQL with the extension pgvector. Where Debian has the extension for the PostgreSQL that is here, it is installed.
# Where it has not (Debian 12), the extension is built from Debian's own source package of a later release, beside a copy of
# PostgreSQL's programs in .cache/pgvector: PostgreSQL finds its files by where its programs are, so nothing of the system is
# touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
test/setup/postgres.sh

bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
version=$(basename "$(dirname "$bin")")
[[ -f /usr/share/postgresql/$version/extension/vector.control ]] && exit 0
mkdir -p .cache
exec 9>.cache/pgvector.lock # suites that run side by side share it
if command -v flock >/dev/null; then flock 9; fi
target=$PWD/.cache/pgvector
stamp="$("$bin/postgres" --version) pgvector"
[[ -f $target/stamp && $(<"$target/stamp") == "$stamp" ]] && exit 0

if apt-cache show "postgresql-$version-pgvector" >/dev/null 2>&1; then
  need "postgresql-$version-pgvector"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "The tests need the extension pgvector for PostgreSQL $version: install it" >&2
  exit 1
fi
command -v gcc >/dev/null || need gcc libc6-dev
echo "building pgvector for PostgreSQL $version"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# Debian's source package, from the release after this one, fetched and verified by apt with lists of its own.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(CREATED_BY) $(LABEL) $(ORIGIN)' | awk '$2 == "main" && $3 == "Packages" && $NF == "Debian" && $0 !~ /[Ss]ecurity/ { print $1; exit }')
mkdir -p "$work"/{lists,archives}/partial "$work/headers"
printf 'Types: deb-src\nURIs: %s\nSuites: stable\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror" >"$work/debian.sources"
own=(-o Dir::State::lists="$work/lists" -o Dir::Cache::archives="$work/archives" -o Dir::Etc::sourcelist="$work/debian.sources"
  -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)
(
  cd "$work"
  apt-get -qq "${own[@]}" update
  apt-get -qq "${own[@]}" source --download-only pgvector
  apt-get -qq -o APT::Sandbox::User=root download "postgresql-server-dev-$version" || { apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download "postgresql-server-dev-$version"; }
  dpkg -x postgresql-server-dev-"$version"_*.deb headers
  mkdir source && tar -xf pgvector_*.orig.tar.gz -C source --strip-components=1
)
rm -rf "$target"
mkdir -p "$target/lib/postgresql" "$target/share/postgresql"
cp -r "/usr/lib/postgresql/$version" "$target/lib/postgresql/"
cp -r "/usr/share/postgresql/$version" "$target/share/postgresql/"
include=$work/headers/usr/include/postgresql/$version/server
nice -n 10 gcc -O2 -ftree-vectorize -fno-math-errno -fPIC -shared -w -D_GNU_SOURCE -I"$include" -I"$include/../internal" -I/usr/include/postgresql \
  -o "$target/lib/postgresql/$version/lib/vector.so" "$work"/source/src/*.c -lm
extension=$target/share/postgresql/$version/extension
cp "$work/source/vector.control" "$work"/source/sql/vector--*--*.sql "$extension/"
release=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$work/source/vector.control")
cp "$work/source/sql/vector.sql" "$extension/vector--$release.sql"
printf '%s' "$stamp" >"$target/stamp"
echo "pgvector $release for PostgreSQL $version"
