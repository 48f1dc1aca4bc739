# Sourced by the set-up scripts: need PACKAGE... installs Debian packages, or says what to install.

need() {
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing $*"
    # One apt-get at a time: the set-ups run side by side.
    local lock log
    exec {lock}>"${TMPDIR:-/tmp}/tollgate-apt.lock"
    flock "$lock"
    export DEBIAN_FRONTEND=noninteractive
    if ! log=$({ apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"; } 2>&1); then
      printf '%s\n' "$log" "apt-get could not install $*" >&2
      exit 1
    fi
    exec {lock}>&-
    return
  fi
  echo "The tests need these packages of Debian: $*" >&2
  echo "Install them as root:  apt-get update && apt-get install -y --no-install-recommends $*" >&2
  exit 1
}
