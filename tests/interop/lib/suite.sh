# What the run scripts of the suites share: where things are. Source it.
# shellcheck shell=bash
# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/python.sh
source "$MANSIO_ROOT/scripts/lib/python.sh"

export MANSIO_BIN_DIR MANSIO_PYTHON
export PYTHONPATH="$MANSIO_ROOT/tests/interop/lib" PYTHONDONTWRITEBYTECODE=1
ensure_venv
[ -x "$MANSIO_BIN_DIR/mansio-broker" ] || die "there is no $MANSIO_BIN_DIR/mansio-broker; run scripts/build first"
