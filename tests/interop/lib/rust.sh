# The Rust SDK's test clients, under build/. Source it after suite.sh.
# shellcheck shell=bash

# shellcheck disable=SC2034  # read by the scripts that source this file
MANSIO_RUST_CLIENTS="$MANSIO_ROOT/build/interop/rust/target/debug"
MANSIO_CARGO_NEEDED=1.78

# why_no_rust: why the clients cannot be built here; empty if they can.
why_no_rust() {
  local have
  have="$(cargo --version 2>/dev/null | cut -d' ' -f2)" || true
  version_at_least "${have:-0}" "$MANSIO_CARGO_NEEDED" ||
    echo "cargo is ${have:-not there}; $MANSIO_CARGO_NEEDED or later is needed (Debian 12: the package cargo-web)"
}

# ensure_rust_clients: builds `client` and `delayed` with the packages that packages.lock names, unless that was done for
# these sources. Several suites may call it at once.
ensure_rust_clients() { one_at_a_time rust make_rust_clients; }

make_rust_clients() {
  local here="$MANSIO_ROOT/tests/interop/rust" build="$MANSIO_ROOT/build/interop/rust" sources registry
  mkdir -p "$build"
  sources="$(cd "$here" && find . -type f | sort | xargs sha256sum)"
  [ "$sources" != "$(cat "$build/built-from" 2>/dev/null)" ] || return 0
  rm -rf "$build/Cargo.toml" "$build/Cargo.lock" "$build/src"
  cp -r "$here/Cargo.toml" "$here/src" "$build/"
  # The lock file as cargo writes it says what it calls its registry; then ours, which says what the packages must be.
  (cd "$build" && cargo generate-lockfile >cargo.log 2>&1) || rust_failed
  registry="$(grep -m 1 '^source = ' "$build/Cargo.lock")"
  sed "s|^checksum = |$registry\n&|" "$here/packages.lock" >"$build/Cargo.lock"
  (cd "$build" && cargo build --locked --target-dir target >cargo.log 2>&1) || rust_failed
  echo "$sources" >"$build/built-from"
}

rust_failed() {
  tail -n 30 "$MANSIO_ROOT/build/interop/rust/cargo.log" >&2
  die "cargo could not build the Rust clients (above). Check the network; behind a proxy with its own certificate set" \
    "CARGO_HTTP_CAINFO to the certificate bundle."
}
