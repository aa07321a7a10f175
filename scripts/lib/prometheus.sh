# Prometheus and promtool from the Debian package, unpacked below build/tools: nothing is installed or started on the
# machine. Needs common.sh.
# shellcheck shell=bash

MANSIO_PROMETHEUS_DIR="$MANSIO_ROOT/build/tools/prometheus/usr/bin"

# ensure_prometheus: unpacks the package once. Needs the network only the first time.
ensure_prometheus() {
  [ -x "$MANSIO_PROMETHEUS_DIR/promtool" ] && [ -x "$MANSIO_PROMETHEUS_DIR/prometheus" ] && return 0
  local tools="$MANSIO_ROOT/build/tools" download
  say "unpacking Debian's Prometheus into build/tools"
  rm -rf "$tools/prometheus"
  mkdir -p "$tools/prometheus"
  download="$(mktemp -d "$tools/download-XXXXXX")"
  # As root apt changes to a user of its own for a download, who may not write here. Package lists that are there may do.
  if ! (
    cd "$download"
    apt-get -o APT::Sandbox::User=root download prometheus >log 2>&1 ||
      { [ "$(id -u)" = 0 ] && apt-get update >>log 2>&1 && apt-get -o APT::Sandbox::User=root download prometheus >>log 2>&1; } ||
      exit 1
    dpkg -x prometheus_*.deb "$tools/prometheus"
  ); then
    cat "$download/log" >&2
    rm -rf "$download"
    die "the Debian package 'prometheus' could not be fetched (above). Run 'apt-get update', check the network, then run this again."
  fi
  rm -rf "$download"
}
