# Sourced by the suites that ask a running gateway, from the repository's root. find_gateway leaves LITELLM_GATEWAY_URL
# and LITELLM_GATEWAY_KEY in the environment: the caller's, or those of a demo that it starts and that ends with the
# script. The demo takes DATABASE_URL from the environment: without it, it keeps its rows in SQLite.
#
#   TOLLGATE_BIN   the program (build/tollgate, built first)

# find_gateway takes --demo where it is the first argument, and says with its status whether it did.
find_gateway() {
  if [[ ${1:-} != --demo && -n ${LITELLM_GATEWAY_URL:-} ]]; then
    : "${LITELLM_GATEWAY_KEY:?names no key, but LITELLM_GATEWAY_URL names a gateway}"
  else
    start_demo
  fi
  export LITELLM_GATEWAY_URL LITELLM_GATEWAY_KEY
  echo "the gateway is $LITELLM_GATEWAY_URL" >&2
  [[ ${1:-} == --demo ]]
}

start_demo() {
  local binary=${TOLLGATE_BIN:-build/tollgate}
  if [[ -z ${TOLLGATE_BIN:-} ]]; then
    make --no-print-directory build || exit 1 # find_gateway stands in conditions, where a failure does not end the script
  fi
  demo_folder=$(mktemp -d)
  : >"$demo_folder/said"
  trap end_demo EXIT
  "$binary" demo --port "${DEMO_PORT:-0}" --data-dir "$demo_folder/data" >"$demo_folder/said" 2>"$demo_folder/log" &
  demo_process=$!
  local since=$SECONDS
  # Its first word is its key; the address stands in the text that follows.
  until LITELLM_GATEWAY_URL=$(grep -om1 'http://127\.0\.0\.1:[0-9]*' "$demo_folder/said"); do
    if ! kill -0 "$demo_process" 2>/dev/null || ((SECONDS - since > 60)); then
      cat "$demo_folder/log" >&2
      echo "the demo did not start" >&2
      exit 1
    fi
    sleep 0.1
  done
  LITELLM_GATEWAY_KEY=$(grep -om1 '^sk-[^ ]*' "$demo_folder/said")
}

end_demo() {
  kill "$demo_process" 2>/dev/null || true
  wait "$demo_process" || true
  rm -rf "$demo_folder"
}
