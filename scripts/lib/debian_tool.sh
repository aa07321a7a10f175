# Programs from Debian packages, unpacked below build/tools: nothing is installed or started on the machine. Needs
# common.sh.
# shellcheck shell=bash

# ensure_debian_tool PACKAGE DIRECTORY PROGRAM…: unpacks the package into DIRECTORY, unless its /usr/bin has these programs.
# Needs the network only the first time.
ensure_debian_tool() {
  one_at_a_time "tool-$1" unpack_debian_tool "$@"
}

unpack_debian_tool() {
  local package="$1" directory="$2" program missing=0 download
  for program in "${@:3}"; do
    [ -x "$directory/usr/bin/$program" ] || missing=1
  done
  ((missing)) || return 0
  say "unpacking Debian's $package into build/tools"
  rm -rf "$directory"
  mkdir -p "$directory"
  download="$(mktemp -d "$directory-download-XXXXXX")"
  # As root apt changes to a user of its own for a download, who may not write here. Package lists that are there may do.
  if ! (
    cd "$download"
    apt-get -o APT::Sandbox::User=root download "$package" >log 2>&1 ||
      { [ "$(id -u)" = 0 ] && apt-get update >>log 2>&1 && apt-get -o APT::Sandbox::User=root download "$package" >>log 2>&1; } ||
      exit 1
    dpkg -x "$package"_*.deb "$directory"
  ); then
    cat "$download/log" >&2
    rm -rf "$download"
    die "the Debian package '$package' could not be fetched (above). Run 'apt-get update', check the network, then run this again."
  fi
  rm -rf "$download"
}
