# The Java SDK's test clients with their classes, under build/. Source it after suite.sh.
# shellcheck shell=bash

# java_client CLASS: the command that runs one of them, in the array MANSIO_JAVA_CLIENT.
java_client() {
  # shellcheck disable=SC2034  # read by the scripts that source this file
  MANSIO_JAVA_CLIENT=(java -XX:+UseSerialGC -Xmx512m
    -cp "$MANSIO_ROOT/build/interop/java/classes:$MANSIO_ROOT/build/interop/java/dependency/*" "$1")
}

# ensure_java_client: compiles them and gets the SDK that pom.xml names, unless that was done for these sources.
# Several suites may call it at once.
ensure_java_client() { one_at_a_time java make_java_client; }

make_java_client() {
  local here="$MANSIO_ROOT/tests/interop/java" build="$MANSIO_ROOT/build/interop/java" sources
  mkdir -p "$build"
  sources="$(cd "$here" && find . -type f | sort | xargs sha256sum)"
  [ "$sources" != "$(cat "$build/built-from" 2>/dev/null)" ] || return 0
  mvn -B -q -f "$here/pom.xml" "-Dmansio.build=$build" clean compile dependency:copy-dependencies \
    >"$build.log" 2>&1 || {
    tail -n 30 "$build.log" >&2
    die "Maven could not build the Java client (above). Check the network and the certificates of Java's trust store."
  }
  mkdir -p "$build"
  echo "$sources" >"$build/built-from"
}
