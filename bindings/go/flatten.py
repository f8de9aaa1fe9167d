#!/usr/bin/env python3
"""Lays C sources out for cgo, which compiles the files of one folder only, with the same flags.

    flatten.py SOURCES VERSION FOLDER

SOURCES is what vendor.sh has made.  core/base/row.c becomes FOLDER/core_base_row.c, and every
include its new name.  Files of instruction sets begin with a pragma instead of flags.
"""
import pathlib
import re
import sys

sources, version, folder = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])

AVX2 = "avx2,fma,f16c,popcnt"
AVX512 = AVX2 + ",avx512f,avx512bw,avx512vl,avx512dq"
# By file: the processor and its instruction sets, as in the Makefile.
INSTRUCTION_SETS = {
    "core_simd_kernel_avx2.c": ("x86_64", AVX2),
    "core_simd_kernel_avx512.c": ("x86_64", AVX512),
    "core_simd_kernel_avx512_vnni.c": ("x86_64", AVX512 + ",avx512vnni,avx512vpopcntdq"),
    "core_simd_kernel_neon_dot.c": ("aarch64", "arch=armv8.2-a+dotprod"),
}
# Where an include is looked for, as the Makefile's -iquote says.
LOOKED_FOR = {"core": ["core"], "ext": ["ext", "core"], "libraries": ["libraries"]}
LIBRARIES = {path.name for path in (sources / "libraries").rglob("*.h")}


def flat(path):
    """The name of a file in the folder; the libraries keep theirs."""
    relative = path.relative_to(sources)
    return relative.name if relative.parts[0] == "libraries" else "_".join(relative.parts)


def renamed(path, found):
    """An include of this file."""
    opening, name = found.group(1), found.group(2)
    top = path.relative_to(sources).parts[0]
    if pathlib.Path(name).name in LIBRARIES and (opening == "<" or top == "libraries"):
        return f'#include "{pathlib.Path(name).name}"'
    if opening == "<":
        return found.group(0)
    for place in [path.parent] + [sources / folder for folder in LOOKED_FOR[top]]:
        if (place / name).is_file():
            return f'#include "{flat(place / name)}"'
    if top == "libraries":  # one for Windows, say
        return found.group(0)
    sys.exit(f"flatten: {path} includes {name}, which is nowhere")


def beginning(name):
    """What a C file has before its own text."""
    lines = ['#include "names.h"']
    if name == "mdb.c":
        lines.append("#undef NDEBUG /* core/sidecar/lmdb_guard.c makes errors of its asserts */")
    if name in INSTRUCTION_SETS:
        processor, features = INSTRUCTION_SETS[name]
        lines += [f"#ifdef __{processor}__", "#ifdef __clang__",
                  f'#pragma clang attribute push(__attribute__((target("{features}"))), '
                  "apply_to = function)",
                  "#else", f'#pragma GCC target("{features}")', "#endif", "#endif"]
    # As -ffp-contract=off, which cgo does not take.  gcc has it by -std=c11 otherwise; with this,
    # each dialect of C gives the same code.
    lines += ["#ifdef __clang__", "#pragma STDC FP_CONTRACT OFF",
              "#else", '#pragma GCC optimize("fp-contract=off")', "#endif"]
    return "\n".join(lines) + "\n"


def ending(name):
    if name not in INSTRUCTION_SETS:
        return ""
    return (f"\n#if defined(__{INSTRUCTION_SETS[name][0]}__) && defined(__clang__)\n"
            "#pragma clang attribute pop\n#endif\n")


for path in sorted(sources.rglob("*.[ch]")):
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    text = re.sub(r'#\s*include\s*(["<])([^">]+)[">]', lambda found: renamed(path, found), text)
    name = flat(path)
    if name == "names.h":
        # Of our own, what another extension that is linked in may have as well.
        text = text.replace("#endif\n", f'#define HANNOY_VERSION "{version}"\n'
                            "#define sqlite3_api hannoy_sqlite3_api\n"
                            "#define sqlite3_extension_init hannoy_extension_init\n#endif\n")
    if path.suffix == ".c":
        text = beginning(name) + text + ending(name)
    (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
