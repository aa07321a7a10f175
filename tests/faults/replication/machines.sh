# What the programs here need of this machine. Source it.
# shellcheck shell=bash
# shellcheck source=tests/interop/lib/suite.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../interop/lib/suite.sh"

[ "$(id -u)" = 0 ] || die "this needs root, to make network namespaces: run it as root or with sudo"
for tool in ip unshare nsenter; do
  command -v "$tool" >/dev/null || die "there is no $tool: install the Debian packages iproute2 and util-linux"
done
unshare --net true || die "this machine does not let root make network namespaces (above): a container must be allowed" \
  "to, as with docker run --privileged"
export PYTHONPATH="$PYTHONPATH:$MANSIO_ROOT/tests/faults/store"
