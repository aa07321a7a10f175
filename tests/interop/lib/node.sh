# The Node.js SDK's test client with its packages, under build/. Source it after suite.sh.
# shellcheck shell=bash

# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_NODE_CLIENT="$MANSIO_ROOT/build/interop/node/client.js"

# ensure_node_client PROGRAM…: copies the client and further programs there, since Node looks for modules beside the
# program, and installs the packages that package-lock.json names, or reuses them when it has not changed. Several
# suites may call it at once.
ensure_node_client() { one_at_a_time node make_node_client "$@"; }

make_node_client() {
  local here="$MANSIO_ROOT/tests/interop/node" build="$MANSIO_ROOT/build/interop/node" program
  mkdir -p "$build"
  # Only what has changed: another suite may be starting the same program.
  for program in "$here/client.js" "$@"; do
    cmp -s "$program" "$build/${program##*/}" || cp "$program" "$build/"
  done
  cmp -s "$here/package-lock.json" "$build/installed-lock.json" && return 0
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$build/"
  (cd "$build" && npm ci --ignore-scripts --no-progress >npm.log 2>&1) || {
    tail -n 20 "$build/npm.log" >&2
    die "npm could not install the Node.js SDK (above). Check the network; behind a proxy with its own" \
      "certificate set NODE_EXTRA_CA_CERTS to the certificate bundle."
  }
  cp "$here/package-lock.json" "$build/installed-lock.json"
}
