# The test clients of the official SDKs that the suites compare. Source it after suite.sh.
# shellcheck shell=bash
# shellcheck source=tests/interop/lib/node.sh
source "$MANSIO_ROOT/tests/interop/lib/node.sh"
# shellcheck source=tests/interop/lib/java.sh
source "$MANSIO_ROOT/tests/interop/lib/java.sh"
ensure_node_client
ensure_java_client
java_client InteropClient

# One argument an SDK, for sdks_of() in sdk_client.py.
# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_SDKS=(
  "Python|$MANSIO_PYTHON $MANSIO_ROOT/tests/interop/python/client.py"
  "Node.js|node $MANSIO_NODE_CLIENT"
  "Java|${MANSIO_JAVA_CLIENT[*]}"
)
