# Shared by all scripts: messages, the repository's root, numbers of the machine. Source it; it runs nothing.
# shellcheck shell=bash

# Where the repository is, whatever the caller's directory.
MANSIO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_BIN_DIR="${MANSIO_BIN_DIR:-$MANSIO_ROOT/build/bin}"

# The time that progress lines count from: the start of the outermost script.
export MANSIO_STARTED="${MANSIO_STARTED:-$(date +%s)}"

# say TEXT…: one line of progress with the seconds since the user's command began.
say() {
  printf '[%4d s] %s\n' "$(($(date +%s) - MANSIO_STARTED))" "$*"
}

# die TEXT…: the sentence that tells the user what failed and what to do; exits 1.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# print_help: the comment that the running script begins with.
print_help() {
  sed -n '2,/^[^#]/{ /^#/s/^# \{0,1\}//p }' "$0"
}

# only_help ARGUMENT…: for a script that takes no arguments but --help; exits when there are any.
only_help() {
  (($#)) || return 0
  case "$1" in
    -h | --help)
      print_help
      exit 0
      ;;
    *) die "unknown argument '$1'; --help explains the script" ;;
  esac
}

# version_at_least HAVE WANT: true when HAVE is the same version as WANT or a later one.
version_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# build_jobs: compile jobs that fit into cores and memory (a gRPC translation unit takes up to 1.5 GB with sanitizers).
build_jobs() {
  local cores memory_mb jobs
  cores="$(nproc)"
  memory_mb="$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)"
  jobs=$((memory_mb / 1500))
  ((jobs > cores)) && jobs=$cores
  ((jobs < 1)) && jobs=1
  echo "$jobs"
}

# one_at_a_time NAME COMMAND…: runs it while no other process of this clone runs one of that name.
one_at_a_time() {
  local lock
  mkdir -p "$MANSIO_ROOT/build"
  exec {lock}>"$MANSIO_ROOT/build/.$1.lock"
  flock "$lock"
  "${@:2}"
  exec {lock}>&-
}
