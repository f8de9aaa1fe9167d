#!/usr/bin/env bash
# Makes a wheel of each platform in build/dist, in build/dist/wheels.
#
#   wheels.sh PLATFORM...
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
tools=build/dist/wheel-tools

if [ ! -x $tools/bin/hatchling ]; then
    "${PYTHON:-python3}" -m venv $tools
    $tools/bin/pip install -q --disable-pip-version-check hatchling==1.27.0
fi
# The time of each file in a wheel: two builds give the same bytes.
export SOURCE_DATE_EPOCH=1577836800 HANNOY_LICENCES=$top/build/dist/sources/licences
for platform in "$@"; do
    processor=$(cut -d - -f 2 <<<"$platform")
    case $platform in
        linux-*-glibc) tag=manylinux_2_17_PROCESSOR.manylinux2014_PROCESSOR ;;
        linux-*-musl) tag=musllinux_1_1_PROCESSOR ;;
        windows-x86_64) tag=win_amd64 ;;
        macos-aarch64) tag=macosx_11_0_arm64 ;;
        macos-x86_64) tag=macosx_11_0_x86_64 ;;
        *) echo "wheels: no tag for $platform" >&2; exit 1 ;;
    esac
    export HANNOY_WHEEL_PLATFORM=${tag//PROCESSOR/$processor}
    HANNOY_LIBRARY=$(find "$top/build/dist/$platform" -name 'hannoy.*' ! -name '*.debug')
    export HANNOY_LIBRARY
    (cd bindings/python && "$top/$tools/bin/hatchling" build -t wheel -d "$top/build/dist/wheels")
done
