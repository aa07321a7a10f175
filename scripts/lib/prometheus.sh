# Prometheus and promtool from the Debian package. Needs common.sh.
# shellcheck shell=bash
# shellcheck source=scripts/lib/debian_tool.sh
source "$MANSIO_ROOT/scripts/lib/debian_tool.sh"

MANSIO_PROMETHEUS_DIR="$MANSIO_ROOT/build/tools/prometheus/usr/bin"

ensure_prometheus() {
  ensure_debian_tool prometheus "$MANSIO_ROOT/build/tools/prometheus" prometheus promtool
}
