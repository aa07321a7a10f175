# The virtual environment under build/ that holds the official Python SDK. Needs common.sh.
# shellcheck shell=bash

MANSIO_VENV="$MANSIO_ROOT/build/venv"
# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_PYTHON="$MANSIO_VENV/bin/python"

# ensure_venv: makes the environment with the pinned packages of tests/interop/requirements.txt, or reuses it
# when that list has not changed. Needs the network only the first time. Several may call it at once.
ensure_venv() { one_at_a_time venv make_venv; }

make_venv() {
  local requirements="$MANSIO_ROOT/tests/interop/requirements.txt"
  local stamp="$MANSIO_VENV/requirements.stamp"
  if [ -x "$MANSIO_PYTHON" ] && cmp -s "$requirements" "$stamp" && "$MANSIO_PYTHON" -c 'import rocketmq' 2>/dev/null; then
    return 0
  fi
  say "installing the official Python SDK into build/venv"
  rm -rf "$MANSIO_VENV"
  python3 -m venv "$MANSIO_VENV" || die "python3 -m venv failed (above); the package python3-venv provides it"
  if ! "$MANSIO_VENV/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$requirements"; then
    rm -rf "$MANSIO_VENV"
    die "pip could not install $(tr '\n' ' ' <"$requirements" | cut -c1-80)… Check the network (pip's messages are above)." \
      "Behind a proxy with its own certificate set PIP_CERT to the certificate bundle. Then run this again."
  fi
  cp "$requirements" "$stamp"
}
