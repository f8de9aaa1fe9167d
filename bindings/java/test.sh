#!/usr/bin/env bash
# Runs the Java program of docs/install.md with sqlite-jdbc and the library of `make dist`.
#
#   test.sh
#
# The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
built=$root/build/dist
folder=$built/java-test log=$built/java.log
libc=glibc
if ldd --version 2>&1 | grep musl >/dev/null; then libc=musl; fi

skip() { # REASON
    echo "java: skipped: $1"
    echo '0 passed, 0 failed, 1 skipped'
    exit
}

for tool in javac mvn; do
    command -v $tool >/dev/null || skip "there is no $tool"
done
rm -rf "$folder"
mkdir -p "$folder" "$built/java"
for artifact in org.xerial:sqlite-jdbc:3.53.4.0 org.slf4j:slf4j-{api,nop}:1.7.36; do
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
        -Dartifact=$artifact -DoutputDirectory="$built/java" >"$log" 2>&1 ||
        skip "$artifact cannot be had: $(tail -n 1 "$log")"
done

awk '/^```java/ { on = 1; next } /^```/ { on = 0 } on' docs/install.md >"$folder/Notes.java"
cp "$built/linux-$(uname -m)-$libc/hannoy.so" "$folder"
cd "$folder" || exit 1
timeout -k 10 300 java -cp "$built/java/*" Notes.java >"$log" 2>&1
if diff <(printf '1 0.0061162\n2 0.9219131\n') <(cut -c 1-11 "$log") >/dev/null; then
    echo '1 passed, 0 failed'
else
    tail -n 20 "$log"
    echo '0 passed, 1 failed'
    exit 1
fi
