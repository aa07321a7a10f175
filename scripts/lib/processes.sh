# Starting, finding and ending the nameserver and the broker of scripts/quickstart. Needs common.sh.
# shellcheck shell=bash

MANSIO_DATA_DIR="${MANSIO_DATA_DIR:-$MANSIO_ROOT/mansio-data}"
MANSIO_HOST="${MANSIO_HOST:-127.0.0.1}"
MANSIO_NAMESERVER_PORT="${MANSIO_NAMESERVER_PORT:-9876}"
MANSIO_BROKER_PORT="${MANSIO_BROKER_PORT:-8081}"

pid_file() { echo "$MANSIO_DATA_DIR/$1.pid"; }
log_file() { echo "$MANSIO_DATA_DIR/logs/$1.log"; }

# running_pid NAME: the process id of mansio-NAME that we started and that still runs; fails when there is none.
# The command's name is compared too, because process ids are used again.
running_pid() {
  local pid
  pid="$(cat "$(pid_file "$1")" 2>/dev/null)" || return 1
  [ -n "$pid" ] && [ "$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | head -n 1 | xargs -r basename)" = "mansio-$1" ] || return 1
  echo "$pid"
}

# answers NAME PORT: true when a Mansio process of that kind answers administration calls there.
answers() {
  # A nameserver without a broker answers, too, with an exit code of its own.
  { timeout 5 "$MANSIO_BIN_DIR/mansio" --endpoint "$MANSIO_HOST:$2" cluster list 2>&1 || true; } |
    grep -q "answered by $1"
}

# port_inodes PORT: the socket inodes that listen on this TCP port, at MANSIO_HOST or at all addresses.
port_inodes() {
  local address='[0-9A-F]*'  # of a name: any
  if [[ "$MANSIO_HOST" =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]]; then
    address="$(printf '(00000000|%02X%02X%02X%02X)' \
      "${BASH_REMATCH[4]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}")"
    address="(0000000000000000FFFF0000)?$address|$(printf '0%.0s' {1..32})"
  fi
  awk -v socket="^($address):$(printf '%04X' "$1")\$" '$4 == "0A" && $2 ~ socket { print $10 }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# port_holder PORT: "process PID (COMMAND)" that listens there, as far as we may see; fails when the port is free.
port_holder() {
  local inodes inode link pid
  inodes="$(port_inodes "$1")"
  [ -n "$inodes" ] || return 1
  for inode in $inodes; do
    # Processes come and go while find looks at them, and some are not ours to see.
    link="$(find /proc/[0-9]*/fd -lname "socket:\\[$inode\\]" -print -quit 2>/dev/null || true)"
    [ -n "$link" ] || continue
    pid="${link#/proc/}"
    pid="${pid%%/*}"
    echo "process $pid ($(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | sed -E 's/ *$//; /.{121}/s/^(.{1,120}) .*$/\1 …/'))"
    return 0
  done
  echo "a process of another user (as root, 'ss -ltnp' names it)"
}

# is_mansio NAME PORT: whether what listens on the port is a Mansio process of that kind.
is_mansio() { running_pid "$1" >/dev/null || { [ -x "$MANSIO_BIN_DIR/mansio" ] && answers "$1" "$2"; }; }

# require_ports: that nobody else has the two ports, before anything is built or started.
require_ports() {
  local name port holder nameserver_port="$MANSIO_NAMESERVER_PORT" broker_port="$MANSIO_BROKER_PORT" taken=()
  for name in nameserver broker; do
    port="$MANSIO_NAMESERVER_PORT"
    [ "$name" = nameserver ] || port="$MANSIO_BROKER_PORT"
    if holder="$(port_holder "$port")" && ! is_mansio "$name" "$port"; then
      taken+=("port $port of $MANSIO_HOST is taken by $holder, which is no Mansio $name.")
      if [ "$name" = nameserver ]; then nameserver_port=$((port + 1)); else broker_port=$((port + 1)); fi
    fi
  done
  ((${#taken[@]} == 0)) || die "${taken[*]} End it, or choose other ports:" \
    "MANSIO_NAMESERVER_PORT=$nameserver_port MANSIO_BROKER_PORT=$broker_port scripts/quickstart"
}

# start_process NAME PORT ARGUMENT…: starts mansio-NAME detached, unless it already answers on PORT, and waits
# until it logs that it is ready.
start_process() {
  local name="$1" port="$2" holder log pid
  shift 2
  if holder="$(port_holder "$port")" && answers "$name" "$port"; then
    say "$name already answers on $MANSIO_HOST:$port: $holder"
    return 0
  fi

  if pid="$(running_pid "$name")"; then
    die "the $name of $MANSIO_DATA_DIR runs already, on another port (process $pid)." \
      "End it with scripts/stop, or choose another MANSIO_DATA_DIR"
  fi

  log="$(log_file "$name")"
  mkdir -p "$(dirname "$log")"
  local old_size
  touch "$log"
  old_size="$(stat -c %s "$log")"
  setsid "$MANSIO_BIN_DIR/mansio-$name" "$@" </dev/null >>"$log" 2>&1 &
  pid=$!
  echo "$pid" >"$(pid_file "$name")"
  await_ready "$name" "$pid" "$log" "$old_size"
  say "$name started on $MANSIO_HOST:$port (process $pid, log $log)"
}

# await_ready NAME PID LOG OLD_SIZE: waits for the line with the word "ready" behind OLD_SIZE bytes of the log.
await_ready() {
  local name="$1" pid="$2" log="$3" old_size="$4" deadline=$((SECONDS + 60))
  until tail -c "+$((old_size + 1))" "$log" | grep -qw ready; do
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -c "+$((old_size + 1))" "$log" | tail -n 5 >&2
      rm -f "$(pid_file "$name")"
      die "$name did not start; its last lines are above, all of them in $log"
    fi
    ((SECONDS < deadline)) || die "$name (process $pid) is not ready after 60 s; see $log"
    sleep 0.1
  done
}

# stop_process NAME: ends mansio-NAME with SIGTERM and waits until it is gone; says what it did.
stop_process() {
  local name="$1" pid deadline=$((SECONDS + 30))
  if ! pid="$(running_pid "$name")"; then
    rm -f "$(pid_file "$name")"
    say "no $name of $MANSIO_DATA_DIR was running"
    return 0
  fi
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null && [ "$(awk '{ print $3 }' "/proc/$pid/stat" 2>/dev/null)" != Z ]; do
    ((SECONDS < deadline)) || die "$name (process $pid) did not end within 30 s of SIGTERM; its log is $(log_file "$name")"
    sleep 0.1
  done
  rm -f "$(pid_file "$name")"
  say "$name stopped (process $pid)"
}
