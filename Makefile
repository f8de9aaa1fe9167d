# hannoy for SQLite.  `make help` lists the targets.

VERSION := 0.2.0

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local

# Debian packages: what the build, the demo and `make test` need; what other targets need beside.
PACKAGES := gcc libc6-dev sqlite3 libsqlite3-dev liblmdb-dev libroaring-dev libxxhash-dev \
            libcmocka-dev
BENCH_PACKAGES := g++ python3-dev python3-venv
CROSS_PACKAGES := gcc-aarch64-linux-gnu qemu-user-static
CLANG_PACKAGES := clang libclang-rt-dev clang-format

# All cores, unless the command line says otherwise; sub-makes share the job server.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
endif

# ------------------------------------------------------------------------------------- files --

# What an operating system's own files are named for is a body of the same header in each.
ALL_CORE := $(filter-out core/test/% core/fuzz/%,$(wildcard core/*/*.c))
CORE := $(filter-out %_windows.c,$(ALL_CORE))
WINDOWS_CORE := $(filter-out %_posix.c,$(ALL_CORE))
EXT := $(filter-out ext/test/% ext/fuzz/%,$(wildcard ext/*.c ext/*/*.c))
CORE_TESTS := $(wildcard core/test/test_*.c)
EXT_TESTS := $(wildcard ext/test/test_*.c)
CORE_HELPERS := $(filter-out $(CORE_TESTS),$(wildcard core/test/*.c))
FUZZERS := $(wildcard core/fuzz/fuzz_*.c ext/fuzz/fuzz_*.c)
EXT_HELPERS := $(filter-out $(EXT_TESTS),$(wildcard ext/test/*.c))
# In sql_tests/harness/ every file with a main is a program; the others are an archive for them.
HARNESS_PROGRAMS := $(shell grep -lsw '^int main' sql_tests/harness/*.c)
HARNESS_HELPERS := $(filter-out $(HARNESS_PROGRAMS),$(wildcard sql_tests/harness/*.c))
FORMATTED := $(foreach folder,core core/* ext ext/* sql_tests/harness bench,\
                       $(wildcard $(folder)/*.[ch]))

# ------------------------------------------------------------------------------------- flags --

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)

# -ffp-contract=off: the same vector has the same bytes and distances on every processor.
# Both gcc 12 and clang 14 know each of these.  Another compiler may warn of something else and
# libraries deprecate calls, so a warning is an error only where WERROR=-Werror is given, as in CI.
WERROR :=
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wredundant-decls -Wundef -Wvla -Wpointer-arith \
            -Wwrite-strings -Wformat-security $(WERROR)
CORE_LIBS := -llmdb -lroaring -lxxhash -lpthread -lm
# An object of another SQLite, for the programs that test; with CPPFLAGS=-I… for its headers.
SQLITE_LIB := -lsqlite3

VARIANTS := release debug asan tsan clang fuzzer aarch64 amalgamation
# -O3 was tried: queries and builds take the same time, since the kernels are written out.
release_FLAGS := -O2 -g -DNDEBUG
debug_FLAGS := -Og -g
amalgamation_FLAGS := $(release_FLAGS)
# With a sanitizer's code in between, gcc takes variables for unset that are not.  $(1): the variant
SANITIZER_FLAGS = -O1 -g -fno-omit-frame-pointer \
                  $(if $(findstring clang,$(COMPILER)),,-Wno-maybe-uninitialized)
asan_FLAGS = $(SANITIZER_FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_FLAGS = $(SANITIZER_FLAGS) -fsanitize=thread

# What is released, by the other compiler; and the fuzzers, which only that one has.  Their own main
# comes with the last link.
CLANG ?= clang
export CLANG
clang_CC = $(if $(findstring clang,$(CC)),$(CC),$(CLANG))
clang_FLAGS := $(release_FLAGS)
fuzzer_CC = $(clang_CC)
fuzzer_FLAGS = $(SANITIZER_FLAGS) -fsanitize=address,undefined,fuzzer-no-link \
               -fno-sanitize-recover=all

# What is released, for the other processor: on a machine that is none, by Debian's cross compiler
# against Debian's arm64 libraries in a folder of their own.
aarch64_FLAGS := $(release_FLAGS)
aarch64_MACHINE := aarch64-linux-gnu
ifeq ($(filter aarch64-%,$(MACHINE)),)
SYSROOT := build/sysroot
aarch64_CC := aarch64-linux-gnu-gcc
aarch64_AR := aarch64-linux-gnu-ar
aarch64_FLAGS += --sysroot=$(SYSROOT)
endif

# A sanitizer's own symbols come from the program that loads the extension.
release_SHARED := -Wl,-z,defs
debug_SHARED := -Wl,-z,defs
clang_SHARED := -Wl,-z,defs
aarch64_SHARED := -Wl,-z,defs

# Calls that a test program counts.
WRAP_test_publish := -Wl,--wrap=hny__put_block
WRAP_test_paging := -Wl,--wrap=madvise -Wl,--wrap=mincore -Wl,--wrap=getrusage \
    -Wl,--wrap=clock_gettime -Wl,--wrap=hny__free_memory

# The kernels of an instruction set are compiled for it, and chosen at run time.
ISA_x86_64_kernel_avx2.o := -mavx2 -mfma -mf16c -mpopcnt
ISA_x86_64_kernel_avx512.o := $(ISA_x86_64_kernel_avx2.o) -mavx512f -mavx512bw -mavx512vl -mavx512dq
ISA_x86_64_kernel_avx512_vnni.o := $(ISA_x86_64_kernel_avx512.o) -mavx512vnni -mavx512vpopcntdq
ISA_aarch64_kernel_neon_dot.o := -march=armv8.2-a+dotprod

include bindings/dist.mk

# $(1): the variant; $(2): more flags of a folder
PROCESSOR = $(firstword $(subst -, ,$(or $($(1)_MACHINE),$(MACHINE))))
COMPILER = $(or $($(1)_CC),$(CC))
ISA = $(or $(ISA_$($(1)_DIALECT)$(PROCESSOR)_$(@F)),$(ISA_$(PROCESSOR)_$(@F)))
COMPILE = $(COMPILER) -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden -ffp-contract=off $(2) \
          -DHANNOY_VERSION='"$(VERSION)"' $($(1)_FLAGS) $(ISA) $(CPPFLAGS) \
          $(CFLAGS) -MMD -MP
LINK = $(COMPILER) $($(1)_FLAGS) $(CFLAGS) $(LDFLAGS)

# V=1 shows the commands.
Q := $(if $(V),,@)

# ------------------------------------------------------------------------------------- build --

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

.PHONY: all
all: hannoy.so ## build hannoy.so (the default)

hannoy.so: build/release/hannoy.so
	@cp $< $@.tmp && mv -f $@.tmp $@

.PHONY: static
static: libhannoy.a ## build libhannoy.a, to link into a program: docs/linking.md
libhannoy.a: build/release/libhannoy.a
	@cp $< $@.tmp && mv -f $@.tmp $@

# The entry point leaves the library, whatever the visibility of what is linked in.
EXPORTS := -Wl,--version-script=build/hannoy.map
build/hannoy.map: Makefile
	@mkdir -p $(@D)
	@echo '{ global: sqlite3_hannoy_init; sqlite3_extension_init; local: *; };' >$@
build/hannoy.def: Makefile
	@mkdir -p $(@D)
	@printf 'EXPORTS\n  sqlite3_hannoy_init\n  sqlite3_extension_init\n' >$@

# Rewritten only when the compiler or a flag changes, so that objects of two kinds never mix.
build/%/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(call COMPILE,$*) / $(call LINK,$*))' | cmp -s - $@ || \
	    echo '$(subst ','\'',$(call COMPILE,$*) / $(call LINK,$*))' >$@

.PHONY: FORCE
FORCE:

# $(1): the variant
define variant
$(1)_CORE := $(patsubst %.c,build/$(1)/%.o,$(or $($(1)_SOURCES),$(CORE)))
$(1)_LIBRARY := $(or $($(1)_LIBRARY),hannoy.so)
$(1)_EXT := $(EXT:%.c=build/$(1)/%.o)
# The same sources as part of a program that has its own SQLite linked in.
$(1)_EXT_STATIC := $(EXT:ext/%.c=build/$(1)/ext_static/%.o)
$(1)_UNITS := $(CORE_TESTS:%.c=build/$(1)/%) $(EXT_TESTS:%.c=build/$(1)/%)
$(1)_PROGRAMS := $(HARNESS_PROGRAMS:sql_tests/%.c=build/$(1)/%)
$(1)_FUZZERS := $(FUZZERS:%.c=build/$(1)/%)

build/$(1)/core/%.o: core/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote core) -c $$< -o $$@

build/$(1)/ext/%.o: ext/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote ext -iquote core) -c $$< -o $$@

build/$(1)/ext_static/%.o: ext/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote ext -iquote core) -DSQLITE_CORE -c $$< -o $$@

# Programs that test are compiled with their asserts in every variant.
build/$(1)/core/test/%.o: core/test/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote core) -UNDEBUG -c $$< -o $$@

build/$(1)/ext/test/%.o: ext/test/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote ext -iquote core) -UNDEBUG -DSQLITE_CORE -c $$< -o $$@

# The fuzzers' main is clang's in the one variant, and replays files in the others.
build/$(1)/core/fuzz/%.o: core/fuzz/%.c build/$(1)/flags
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote core) \
	    $(if $(filter fuzzer,$(1)),,-DFUZZ_REPLAY) -UNDEBUG -c $$< -o $$@

build/$(1)/ext/fuzz/%.o: ext/fuzz/%.c build/$(1)/flags
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote ext -iquote core) \
	    $(if $(filter fuzzer,$(1)),,-DFUZZ_REPLAY) -UNDEBUG -DSQLITE_CORE -c $$< -o $$@

build/$(1)/harness/%.o: sql_tests/harness/%.c build/$(1)/flags $($(1)_NEEDS)
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	$(Q)$$(call COMPILE,$(1),-iquote core) -UNDEBUG -c $$< -o $$@

build/$(1)/$$($(1)_LIBRARY): $$($(1)_CORE) $$($(1)_EXT) build/hannoy.map build/hannoy.def \
                             $($(1)_LIBRARIES)
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) -shared $$($(1)_SHARED) $$(or $$($(1)_EXPORTS),$$(EXPORTS)) \
	    $$($(1)_CORE) $$($(1)_EXT) -o $$@ \
	    $(if $($(1)_LIBRARIES),$($(1)_LIBRARIES) -lpthread -lm,$(CORE_LIBS))

build/$(1)/libhannoy.a: $$($(1)_CORE) $$($(1)_EXT_STATIC)
	@echo '  ar $$@'
	@rm -f $$@
	$(Q)$(or $($(1)_AR),ar) rcs $$@ $$^

build/$(1)/core/test/test_%: build/$(1)/core/test/test_%.o $(CORE_HELPERS:%.c=build/$(1)/%.o) \
                             $$($(1)_CORE)
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) $$^ $$(WRAP_test_$$*) -o $$@ -lcmocka $(CORE_LIBS)

build/$(1)/ext/test/test_%: build/$(1)/ext/test/test_%.o $(EXT_HELPERS:%.c=build/$(1)/%.o) \
                            $$($(1)_EXT_STATIC) $$($(1)_CORE)
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) $$^ -o $$@ -lcmocka $(SQLITE_LIB) $(CORE_LIBS)

$$($(1)_FUZZERS): build/$(1)/%: build/$(1)/%.o $$($(1)_CORE) $$($(1)_EXT_STATIC)
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) $(if $(filter fuzzer,$(1)),-fsanitize=fuzzer) $$^ -o $$@ -lsqlite3 \
	    $(CORE_LIBS)

build/$(1)/harness/helpers.a: $(HARNESS_HELPERS:sql_tests/%.c=build/$(1)/%.o)
	@rm -f $$@
	$(Q)$(or $($(1)_AR),ar) rcs $$@ $$^

build/$(1)/harness/%: build/$(1)/harness/%.o build/$(1)/harness/helpers.a $($(1)_SQLITE)
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) -rdynamic $$^ -o $$@ \
	    $(or $($(1)_SQLITE_LIBS),$(SQLITE_LIB)) -lpthread -lm

# The runner with the extension in it.
build/$(1)/harness/run_linked: build/$(1)/harness/run.o build/$(1)/harness/helpers.a \
                               build/$(1)/libhannoy.a
	@echo '  link $$@'
	$(Q)$$(call LINK,$(1)) -rdynamic -Wl,-u,sqlite3_hannoy_init $$^ -o $$@ $(SQLITE_LIB) \
	    $(CORE_LIBS)

.PHONY: $(1)
$(1): build/$(1)/$$($(1)_LIBRARY) $$($(1)_UNITS) $$($(1)_PROGRAMS) \
      $(if $(filter asan,$(1)),$$($(1)_FUZZERS))
endef
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

.PHONY: fuzzers
fuzzers: $(fuzzer_FUZZERS)

ifdef SYSROOT
build/aarch64/flags: | $(SYSROOT)/packages
$(SYSROOT)/packages: .ci/sysroot
	@.ci/sysroot arm64 $(@D) $(filter lib%,$(PACKAGES))
	@touch $@
endif

.SECONDARY:
-include $(shell find build \( -path '$(SYSROOT)' -o -path build/dist \) -prune -o \
                            -name '*.d' -print 2>/dev/null)

# ------------------------------------------------------------------------------------- tests --

# Each step's time limit and arguments are in sql_tests/all.sh, which adds up what they report.
RUN_STEPS = @sql_tests/all.sh

.PHONY: test test-all
test: deps ## the tests for each change, within five minutes; installs what is missing
	@$(MAKE) release asan hannoy.so
	$(RUN_STEPS) test
test-all: deps-all ## all that `make test` leaves out or runs short, in about half an hour
	@$(MAKE) release asan tsan aarch64 hannoy.so \
	    $$(command -v $(CLANG) >/dev/null && echo clang fuzzers)
	$(RUN_STEPS) rest

.PHONY: test-unit test-sql test-kernels test-property test-states test-crash test-processes
test-unit: release ## unit tests of core/ and ext/
	$(RUN_STEPS) unit
test-sql: release ## sql_tests/*.test and the SQL of README and docs/ on the real extension
	$(RUN_STEPS) sql
test-kernels: release ## both again, with each instruction set of this machine forced in turn
	$(RUN_STEPS) kernels
test-property: release ## random steps over four connections, each answer against an exact scan
	$(RUN_STEPS) property
test-states: release ## sidecars that are lost, stale, truncated or another database's
	$(RUN_STEPS) states
test-crash: release ## kill -9 of a writing process
	$(RUN_STEPS) crash
test-processes: release ## several processes, and an interrupt of what takes long
	$(RUN_STEPS) processes interrupts

.PHONY: test-fault test-layers test-asan test-tsan test-clang test-aarch64
test-fault: release ## failing allocations, writes and a full disk
	$(RUN_STEPS) fault
test-layers: release ## who includes and calls whom, unique names, the exported symbols
	$(RUN_STEPS) layers
test-asan: asan ## the suite under AddressSanitizer and UndefinedBehaviorSanitizer
	$(RUN_STEPS) asan
test-tsan: tsan ## everything with threads under ThreadSanitizer
	$(RUN_STEPS) tsan
test-clang: clang ## the unit and SQL tests of what clang builds
	$(RUN_STEPS) clang:sql clang:unit
test-aarch64: deps-aarch64 ## the unit and SQL tests on 64-bit ARM, emulated on other machines
	@$(MAKE) aarch64
	$(RUN_STEPS) aarch64

.PHONY: test-hosts
test-hosts: hannoy.so ## a program in each host; installs the hosts into build/hosts
	@sql_tests/hosts/run.sh $(HOSTS)

.PHONY: test-cluster
test-cluster: hannoy.so ## nodes of libsql-server, Litestream, and rqlite in RQLITE_BIN, killed
	@RQLITE_BIN='$(RQLITE_BIN)' sql_tests/cluster/run.sh $(SERVERS)

.PHONY: test-sqlites
test-sqlites: release ## the SQL tests with other SQLites, or those of SQLITES='FILE…'
	@sql_tests/sqlites.sh $(SQLITES)

.PHONY: fuzz
fuzz: asan ## clang's fuzzers, then random files, schemas and steps; each for FUZZ_SECONDS (600)
	@if command -v $(CLANG) >/dev/null; then $(MAKE) fuzzers; \
	else echo 'fuzz: clang is not installed, so only programs of the harness run'; fi
	@FUZZ_SECONDS='$(or $(FUZZ_SECONDS),600)' FUZZ_SEED="$${FUZZ_SEED:-$$(date +%s)}" JOBS=1 \
	    sql_tests/all.sh \
	    $$(command -v $(CLANG) >/dev/null && echo fuzzers) \
	    asan:fuzz-mutants asan:fuzz-schemas asan:fuzz-differential asan:fuzz-property

.PHONY: lint
lint: ## length of lines, braces, and layout by .clang-format
	@sql_tests/check_style.sh

.PHONY: format
format: ## lay out all C files by .clang-format
	clang-format -i $(FORMATTED)

# ------------------------------------------------------------------------- demo and benchmark --

.PHONY: demo
demo: deps ## install what is missing, build, and show the extension on 20,000 words
	@$(MAKE) hannoy.so
	@examples/demo.sh

# A Python whose sqlite3 loads extensions, as Debian's does.
PYTHON ?= /usr/bin/python3
# Folders of vectors to measure, where the figures go, and more options of bench/bench.py.
DATA ?=
OUT ?= bench/results
BENCH_ARGS ?=

build/release/bench/%.o: bench/%.c build/release/flags
	@mkdir -p $(@D)
	@echo '  cc $@'
	$(Q)$(call COMPILE,release,-iquote core) -c $< -o $@

build/release/bench/kernels: build/release/bench/kernels.o $(release_CORE)
	@echo '  link $@'
	$(Q)$(call LINK,release) $^ -o $@ $(CORE_LIBS)

build/release/bench/insert_rows build/release/bench/random_reads: \
build/release/bench/%: build/release/bench/%.o
	@echo '  link $@'
	$(Q)$(call LINK,release) $^ -o $@ $(SQLITE_LIB) -lpthread

.PHONY: bench bench-quick bench-filters bench-memory bench-commits bench-kernels
bench: ## figures and plots beside other libraries, in bench/results; DATA='FOLDER…' OUT=FOLDER
	@.ci/deps $(PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) hannoy.so build/release/bench/kernels
	@PYTHON='$(PYTHON)' bench/venv.sh
	bench/.venv/bin/python bench/bench.py --out '$(OUT)' $(BENCH_ARGS) $(DATA)
	$(if $(findstring --parts,$(BENCH_ARGS))$(findstring --quick,$(BENCH_ARGS)),,\
	    $(MAKE) bench-filters)

bench-filters: ## searches with a filter, beside other libraries, on the first DATA
	@.ci/deps $(PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) hannoy.so
	@PYTHON='$(PYTHON)' bench/venv.sh
	bench/.venv/bin/python bench/filters.py --out '$(OUT)' $(firstword $(DATA))

bench-memory: ## searches with less memory than the sidecar takes, on the first DATA; as root
	@.ci/deps $(PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) hannoy.so build/release/bench/random_reads
	@PYTHON='$(PYTHON)' bench/venv.sh
	bench/.venv/bin/python bench/memory.py --out '$(OUT)' $(BENCH_ARGS) $(firstword $(DATA))

bench-commits: ## how long COMMITs take while rows are loaded and linked, on the first DATA
	@.ci/deps $(PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) hannoy.so
	@PYTHON='$(PYTHON)' bench/venv.sh
	bench/.venv/bin/python bench/commit_times.py --out '$(OUT)' \
	    $(BENCH_ARGS) $(firstword $(DATA))

bench-quick: ## the same of 20,000 rows of one set, in build/bench-quick, in a few minutes
	@$(MAKE) bench OUT=build/bench-quick BENCH_ARGS='--quick $(BENCH_ARGS)'

bench-kernels: build/release/bench/kernels ## nanoseconds a distance, for each instruction set
	@$<

# ------------------------------------------------------------------------------------- others --

.PHONY: deps
deps: ## install the Debian packages that are missing
	@.ci/deps $(PACKAGES)

.PHONY: deps-aarch64 deps-all
deps-aarch64: deps $(if $(SYSROOT),$(SYSROOT)/packages) ## the same for test-aarch64
	@$(if $(SYSROOT),.ci/deps $(CROSS_PACKAGES),:)
deps-all: deps-aarch64 ## the same for test-all
	@.ci/deps $(CLANG_PACKAGES)

.PHONY: install
install: hannoy.so ## copy hannoy.so to PREFIX/lib (/usr/local); then .load hannoy finds it
	install -D -m 755 hannoy.so '$(DESTDIR)$(PREFIX)/lib/hannoy.so'
	@[ -n '$(DESTDIR)' ] || ldconfig 2>/dev/null || true

.PHONY: docs
docs: ## the documentation as a site, in build/docs/site; checks its links
	@docs/site/build.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf build hannoy.so libhannoy.a

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
