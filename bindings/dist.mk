# The library for packages: one file a platform, with LMDB, CRoaring and xxHash inside.  Each is a
# variant of the Makefile, made by the compiler and from the sources that sources.sh brings.

LINUX := linux-x86_64-glibc linux-x86_64-musl linux-aarch64-glibc linux-aarch64-musl
MACOS := macos-x86_64 macos-aarch64
DIST := $(LINUX) windows-x86_64 $(MACOS)
VARIANTS += $(DIST)
DIST_SOURCES := build/dist/sources
ZIG := $(DIST_SOURCES)/bin/zig

# glibc 2.17 is what manylinux_2_17 promises: RHEL 7 and all that came later.
linux-x86_64-glibc_MACHINE := x86_64-linux-gnu
linux-x86_64-glibc_TARGET := x86_64-linux-gnu.2.17
linux-aarch64-glibc_MACHINE := aarch64-linux-gnu
linux-aarch64-glibc_TARGET := aarch64-linux-gnu.2.17
linux-x86_64-musl_MACHINE := x86_64-linux-musl
linux-x86_64-musl_TARGET := x86_64-linux-musl
linux-aarch64-musl_MACHINE := aarch64-linux-musl
linux-aarch64-musl_TARGET := aarch64-linux-musl
windows-x86_64_MACHINE := x86_64-windows-gnu
windows-x86_64_TARGET := x86_64-windows-gnu
macos-x86_64_MACHINE := x86_64-macos
macos-x86_64_TARGET := x86_64-macos.11.0
macos-aarch64_MACHINE := aarch64-macos
macos-aarch64_TARGET := aarch64-macos.11.0

windows-x86_64_SOURCES := $(WINDOWS_CORE)
windows-x86_64_LIBRARY := hannoy.dll
$(foreach d,$(MACOS),$(eval $(d)_LIBRARY := hannoy.dylib))

# No path of this machine gets into the debug information.
# CRoaring's code for AVX-512 is left out: clang 18 and later refuse to inline its functions, and
# its AVX2 is enough for bitmaps of rowids.
DIST_FLAGS := $(release_FLAGS) -ffunction-sections -fdata-sections -fno-sanitize=undefined \
              -ffile-prefix-map=$(CURDIR)=. \
              -isystem $(DIST_SOURCES)/include -DCROARING_COMPILER_SUPPORTS_AVX512=0 \
              -Wno-deprecated-declarations

DIST_mdb_FLAGS := -UNDEBUG

# Nothing comes from zig's own libraries, whose debug information names its folder.
OLD_GLIBC := bindings/old_glibc.h

# What the harness needs of SQLite, which is a part of it here: what Debian's SQLite has.
DIST_sqlite3_FLAGS := -fvisibility=default -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_COLUMN_METADATA \
                      -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_DBSTAT_VTAB \
                      -DSQLITE_ENABLE_UNLOCK_NOTIFY -DSQLITE_ENABLE_MATH_FUNCTIONS \
                      -DSQLITE_ENABLE_LOAD_EXTENSION

# zig names processors in its own way, and turns off each part of AVX-512 that its target lacks:
# -mavx512f alone does not turn the registers of 512 bits on again.
ISA_zig_x86_64_kernel_avx512.o := $(ISA_x86_64_kernel_avx512.o) -mevex512
ISA_zig_x86_64_kernel_avx512_vnni.o := $(ISA_x86_64_kernel_avx512_vnni.o) -mevex512
ISA_zig_aarch64_kernel_neon_dot.o := -mcpu=generic+v8_2a+dotprod
# All processors of the target have it, and a generic one has less than its other files.
ISA_zig_macos_aarch64_kernel_neon_dot.o := -mcpu=apple_m1

comma := ,
space := $(if ,) $(if ,)

# $(1): the platform
define dist
$(1)_CC := $(ZIG) cc -target $$($(1)_TARGET)
$(1)_DIALECT := $(if $(filter macos-aarch64,$(1)),zig_macos_,zig_)
$(1)_AR := $(ZIG) ar
$(1)_FLAGS := $(DIST_FLAGS) $(if $(filter linux-%,$(1)),,-g0) \
              $(if $(findstring glibc,$(1)),-include $(OLD_GLIBC)) \
              $(if $(findstring windows,$(1)),-D_POSIX_THREAD_SAFE_FUNCTIONS)
$(1)_SHARED := $(if $(filter linux-%,$(1)),-Wl$(comma)-z$(comma)defs -Wl$(comma)--gc-sections \
                                          -Wl$(comma)--build-id=sha1,-s)
$(1)_EXPORTS := $(if $(filter windows-%,$(1)),build/hannoy.def,$(if $(filter macos-%,$(1)),$(space)))
$(1)_NEEDS := $(DIST_SOURCES)/made
$(1)_LIBRARIES := $(patsubst %,build/$(1)/lib/%.o,mdb midl roaring xxhash\
                   $(if $(findstring linux-aarch64,$(1)),atomics))
$(1)_SQLITE := build/$(1)/lib/sqlite3.o
$(1)_SQLITE_LIBS := -ldl

# LMDB keeps its asserts, as in Debian: core/sidecar/lmdb_guard.c makes errors of them.
build/$(1)/lib/%.o: build/$(1)/flags $(DIST_SOURCES)/made
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$$(Q)$$(ZIG) cc -target $$($(1)_TARGET) -w -fPIC -fvisibility=hidden $$($(1)_FLAGS) \
	    $$(DIST_$$*_FLAGS) -c $(DIST_SOURCES)/lib/$$*.c -o $$@
endef
$(foreach d,$(DIST),$(eval $(call dist,$(d))))

# Rewritten only when what it names has changed.
$(DIST_SOURCES)/made: FORCE
	@bindings/sources.sh $(DIST_SOURCES)

$(patsubst %,build/%/lib/atomics.o,$(filter linux-aarch64-%,$(DIST))): \
build/%/lib/atomics.o: bindings/aarch64_atomics.S $(DIST_SOURCES)/made
	@mkdir -p $(@D)
	@echo '  cc $@'
	$(Q)$(ZIG) cc -target $($*_TARGET) -fdebug-prefix-map=$(CURDIR)=. \
	    -c $< -o $@

# `zig cc` links musl statically into a program, which then loads no extension.
$(patsubst %,build/%/harness/run,$(filter %-musl,$(DIST))): \
build/%/harness/run: build/%/harness/run.o build/%/harness/helpers.a build/%/lib/sqlite3.o
	@echo '  link $@'
	$(Q)$(ZIG) build-exe -target $($*_TARGET) -dynamic -lc -rdynamic $^ -femit-bin=$@

build/%-musl/musl_under_qemu.so: bindings/musl_under_qemu.c $(DIST_SOURCES)/made
	@mkdir -p $(@D)
	@echo '  link $@'
	$(Q)$(ZIG) cc -target $($*-musl_TARGET) $(WARNINGS) -Wno-missing-prototypes -O1 -fPIC -shared $< -o $@

# grep: two builds in two folders would differ.
$(LINUX:%=build/dist/%/hannoy.so): build/dist/%/hannoy.so: build/%/hannoy.so
	@mkdir -p $(@D)
	@echo '  strip $@'
	$(Q)$(ZIG) objcopy --strip-all --extract-to $@.debug $< $@
	@! grep -lF '$(CURDIR)' $@ $@.debug || \
	    { echo 'dist: this file names the folder of its build, as code of zig would' >&2; false; }

# Without debug information: zig's objcopy makes such files of Linux's libraries alone.
build/dist/windows-x86_64/hannoy.dll: build/windows-x86_64/hannoy.dll
$(MACOS:%=build/dist/%/hannoy.dylib): build/dist/%/hannoy.dylib: build/%/hannoy.dylib
build/dist/windows-x86_64/hannoy.dll $(MACOS:%=build/dist/%/hannoy.dylib):
	@mkdir -p $(@D)
	@! grep -lF '$(CURDIR)' $< || \
	    { echo 'dist: this file names the folder of its build' >&2; false; }
	@cp $< $@

# The SQL runner with another body for what is POSIX in it, and a program for what SQL cannot say.
WINDOWS_HARNESS := build/windows-x86_64/harness
WINDOWS_RUNNER := $(filter-out %/run_apart.c,$(wildcard sql_tests/harness/run*.c)) \
                  $(addprefix sql_tests/harness/windows/,apart_windows.c posix_windows.c)
$(WINDOWS_HARNESS)/run.exe: $(WINDOWS_RUNNER)
$(WINDOWS_HARNESS)/check.exe: sql_tests/harness/windows/check_windows.c
$(addprefix $(WINDOWS_HARNESS)/,run.exe check.exe): build/windows-x86_64/lib/sqlite3.o \
    $(wildcard sql_tests/harness/run*.h $(addprefix sql_tests/harness/windows/,*.h sys/*.h))
	@mkdir -p $(@D)
	@echo '  link $@'
	$(Q)$(ZIG) cc -target $(windows-x86_64_TARGET) -std=gnu11 $(WARNINGS) -O1 -g0 \
	    -DWIN32_LEAN_AND_MEAN -D_POSIX_THREAD_SAFE_FUNCTIONS -isystem $(DIST_SOURCES)/include \
	    -I sql_tests/harness/windows $(filter %.c %.o,$^) -o $@

DIST_FILES := $(foreach d,$(or $(DIST_ONLY),$(DIST)),build/dist/$(d)/$(or $($(d)_LIBRARY),hannoy.so))

.PHONY: dist test-dist test-windows wheels npm crate gomodule packages test-packages bench-import release-check
dist: $(DIST_FILES) ## one file a platform, for packages, in build/dist
test-dist: dist $(foreach d,$(LINUX),build/$(d)/harness/run) \
           $(patsubst %,build/%/musl_under_qemu.so,$(filter %-musl,$(LINUX))) ## what `make dist` built, and its tests
	@bindings/test_dist.sh $(DIST)
test-windows: build/dist/windows-x86_64/hannoy.dll \
              $(addprefix $(WINDOWS_HARNESS)/,run.exe check.exe) ## the SQL tests under Debian's wine
	@bindings/test_windows.sh $(WINDOWS_HARNESS) $<

wheels: dist ## Python packages of `make dist`, in build/dist/wheels
	@rm -rf build/dist/wheels
	@bindings/python/wheels.sh $(DIST)
npm: dist ## npm packages of `make dist`, in build/dist/npm
	@rm -rf build/dist/npm
	@node bindings/node/pack.mjs $(VERSION) build/dist build/dist/npm $(DIST)
crate: $(DIST_SOURCES)/made ## Rust crate, in build/dist/crate
	@bindings/rust/pack.sh $(VERSION) $(CURDIR)/$(DIST_SOURCES) $(CURDIR)/build/dist/crate
gomodule: $(DIST_SOURCES)/made ## Go module, in build/dist/go
	@bindings/go/pack.sh $(VERSION) $(CURDIR)/$(DIST_SOURCES) $(CURDIR)/build/dist/go
packages: wheels npm crate gomodule ## all packages
test-packages: packages ## installs each package into a clean place and uses it there
	@bindings/test_packages.sh $(PACKAGE)

release-check: packages build/release/harness/run ## one version, and each package by its file
	@bindings/release_check.sh $(VERSION) $(DIST)

bench-import: wheels build/release/bench/insert_rows ## `hannoy import` beside INSERTs in C
	@bindings/python/bench.sh build/release/bench/insert_rows $(BENCH_ARGS)
