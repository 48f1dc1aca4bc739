#!/usr/bin/env bash
# Makes a Docker engine answer and prints its address, for DOCKER_HOST:
#
#   DOCKER_HOST=$(test/setup/docker.sh)
#   test/setup/docker.sh stop
#
# An engine that runs already is used as it is. Else one is started by hand from Debian's docker.io, as root: its images stay
# below .cache/docker, its socket is in a temporary folder, and stop takes away everything that it did to the machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/setup/apt.sh
export PATH=$PATH:/usr/sbin:/sbin

note=.cache/docker/running # the temporary folder of the engine that was started here

answers() { # ADDRESS
  DOCKER_HOST=$1 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# The first engine that answers: the caller's, the machine's, the one that an earlier call started.
find_engine() {
  command -v docker >/dev/null || return 1
  local address
  for address in "${DOCKER_HOST:-unix:///var/run/docker.sock}" "unix://$(cat "$note" 2>/dev/null || true)/docker.sock"; do
    if answers "$address"; then
      echo "$address"
      return
    fi
  done
  return 1
}

start() {
  local run since=$SECONDS
  run=$(mktemp -d /tmp/tollgate-docker.XXXXXX) # short: the path of a socket has 107 characters at most
  mkdir -p .cache/docker
  echo "$run" >"$note"
  ip link show docker0 >/dev/null 2>&1 || touch "$run/bridge-is-ours"
  iptables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }' >"$run/forward" || true # dockerd makes it DROP
  setsid dockerd --data-root "$PWD/.cache/docker/data" --exec-root "$run/exec" --pidfile "$run/pid" \
    --host "unix://$run/docker.sock" >"$run/log" 2>&1 </dev/null &
  local engine=$!
  until answers "unix://$run/docker.sock"; do
    if ! kill -0 "$engine" 2>/dev/null || ((SECONDS - since > 60)); then
      tail -n 20 "$run/log" >&2
      echo "dockerd did not start; it needs root and a kernel with overlayfs, bridges and iptables" >&2
      stop
      exit 1
    fi
    sleep 0.2
  done
  echo "unix://$run/docker.sock"
}

stop() {
  local run pid
  run=$(cat "$note" 2>/dev/null) || return 0
  # What is built of the same code again takes what the builder kept: for a day.
  DOCKER_HOST=unix://$run/docker.sock docker image prune --force --filter until=24h >/dev/null 2>&1 || true
  if pid=$(cat "$run/pid" 2>/dev/null) && kill "$pid" 2>/dev/null; then
    local since=$SECONDS
    while kill -0 "$pid" 2>/dev/null; do # it stops its containers first
      ((SECONDS - since < 60)) || kill -9 "$pid" || true
      sleep 0.2
    done
  fi
  if [[ -e $run/bridge-is-ours ]]; then
    ip link delete docker0 2>/dev/null || true
    remove_rules filter
    remove_rules nat
    iptables -P FORWARD "$(cat "$run/forward")" 2>/dev/null || true
  fi
  rm -rf "$run" "$note"
}

# dockerd leaves its chains behind, and the rules of its bridge.
remove_rules() { # TABLE
  local rule chain
  iptables -t "$1" -S 2>/dev/null | grep -E '^-A .*(DOCKER|docker0)' | while read -r _ rule; do
    # Rules hold no quotes: the split into words is wanted.
    # shellcheck disable=SC2086
    iptables -t "$1" -D $rule
  done
  for chain in $(iptables -t "$1" -S 2>/dev/null | sed -n 's/^-N \(DOCKER.*\)/\1/p'); do iptables -t "$1" -X "$chain"; done
}

if [[ ${1:-} == stop ]]; then
  stop
  exit
fi
find_engine && exit
{ command -v dockerd && command -v iptables && command -v ip; } >/dev/null || need docker.io iptables iproute2 >&2
command -v docker >/dev/null || need docker-cli >&2 # a package of its own from Debian 13 on
find_engine || start # Debian's package may have started one
