# The library for packages: one file a platform, with LMDB, CRoaring and xxHash inside.  Each is a
# variant of the Makefile, made by the compiler and from the sources that sources.sh brings.

DIST := linux-x86_64-glibc linux-x86_64-musl linux-aarch64-glibc linux-aarch64-musl
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

# $(1): the platform
define dist
$(1)_CC := $(ZIG) cc -target $$($(1)_TARGET)
$(1)_DIALECT := zig_
$(1)_AR := $(ZIG) ar
$(1)_FLAGS := $(DIST_FLAGS) $(if $(findstring glibc,$(1)),-include $(OLD_GLIBC))
$(1)_SHARED := -Wl,-z,defs -Wl,--gc-sections -Wl,--build-id=sha1
$(1)_NEEDS := $(DIST_SOURCES)/made
$(1)_LIBRARIES := $(patsubst %,build/$(1)/lib/%.o,mdb midl roaring xxhash\
                   $(if $(findstring aarch64,$(1)),atomics))
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

# grep: two builds in two folders would differ.
build/dist/%/hannoy.so: build/%/hannoy.so
	@mkdir -p $(@D)
	@echo '  strip $@'
	$(Q)$(ZIG) objcopy --strip-all --extract-to $@.debug $< $@
	@! grep -lF '$(CURDIR)' $@ $@.debug || \
	    { echo 'dist: this file names the folder of its build, as code of zig would' >&2; false; }

.PHONY: dist test-dist wheels npm crate gomodule packages test-packages bench-import release-check
dist: $(DIST:%=build/dist/%/hannoy.so) ## one file a platform, for packages, in build/dist
test-dist: dist $(foreach d,$(DIST),build/$(d)/harness/run) ## what `make dist` built, and its tests
	@bindings/test_dist.sh $(DIST)

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
