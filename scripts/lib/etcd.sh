# etcd from the Debian package. Needs common.sh.
# shellcheck shell=bash
# shellcheck source=scripts/lib/debian_tool.sh
source "$MANSIO_ROOT/scripts/lib/debian_tool.sh"

# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_ETCD="$MANSIO_ROOT/build/tools/etcd/usr/bin/etcd"

ensure_etcd() {
  ensure_debian_tool etcd-server "$MANSIO_ROOT/build/tools/etcd" etcd
}
