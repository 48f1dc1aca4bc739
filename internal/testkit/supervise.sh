# supervise.sh FOLDER SIGNAL COMMAND ARGUMENT...: runs a server for a test process. Orders come as lines on standard
# input, "start" and "stop SIGNAL"; each is answered with the server's process id, empty when none runs. The input ends
# with the test process, whatever became of it; then SIGNAL ends the server and the folder is removed.
folder=$1
last=$2
shift 2
pid=

stop() {
  [ -n "$pid" ] || return 0
  kill -"$1" "$pid" 2>/dev/null
  kill -CONT "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  pid=
}

while read -r order signal; do
  case $order in
  start)
    "$@" >>"$folder/log" 2>&1 &
    pid=$!
    ;;
  stop) stop "$signal" ;;
  esac
  echo "$pid"
done
stop "$last"
rm -rf "$folder"
