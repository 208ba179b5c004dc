# The commands of this project; `make help` lists them. Each installs what it needs first (Debian 12 packages).

JOBS ?= $(shell nproc)
# Seconds per target of `make fuzz-smoke`.
FUZZ_SECONDS ?= 20
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps run test build bench image lint fmt asan tsan interop fuzz-smoke coverage clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r target text; do printf '  make %-11s %s\n' "$$target" "$$text"; done

# One stamp per step, so that a second run asks the package manager nothing.
build/.deps-%: tools/install_deps.sh
	@tools/install_deps.sh $*
	@mkdir -p build && touch $@

# $(call configure,<preset>)
# Quiet unless it fails.
configure = test -f build/$(1)/build.ninja || { mkdir -p build; cmake --preset $(1) >build/configure-$(1).log 2>&1 || { cat build/configure-$(1).log; exit 1; }; }

deps: build/.deps-build build/.deps-run build/.deps-test ## install what is missing

build: build/.deps-build ## the three programs, in build/release/bin
	@$(call configure,release)
	@ninja -C build/release -j $(JOBS) --quiet programs

run: build build/.deps-run ## start the example site; CHECK=1 tests it and ends
	@CHECK='$(CHECK)' exec examples/zoo/run.sh

test: deps ## build with ASan+UBSan and run every test
	@$(call configure,asan)
	@ninja -C build/asan -j $(JOBS) --quiet
	@ctest --test-dir build/asan --output-on-failure --no-tests=error -j $(JOBS)

asan: test ## the same as test

tsan: build/.deps-build ## tests/threads under ThreadSanitizer
	@$(call configure,tsan)
	@ninja -C build/tsan -j $(JOBS) --quiet threads
	@ctest --test-dir build/tsan --output-on-failure --no-tests=error -L '^threads$$'

fuzz-smoke: build/.deps-build ## each fuzz target for FUZZ_SECONDS (20)
	@$(call configure,fuzz)
	@ninja -C build/fuzz -j $(JOBS) --quiet fuzzers
	@tools/fuzz_smoke.sh build/fuzz $(FUZZ_SECONDS)

bench: build build/.deps-bench ## micro-benchmarks, then the load comparison
	@ninja -C build/release -j $(JOBS) --quiet benches
	@for program in build/release/bin/bench_*; do echo "== $${program##*/}"; "$$program"; done
	@tests/bench/load/run.sh
	@tests/bench/control/run.py build/release/bin

image: build ## the image's steps and its entry, in a bare Debian 12 chroot (root, debootstrap)
	@deploy/check_in_chroot.sh build/chroot

lint: build/.deps-build build/.deps-lint ## layers, each header alone, clang-tidy: the whole tree
	@$(call configure,dev)
	@python3 tests/lint/check_layers.py
	@ninja -C build/dev -j $(JOBS) --quiet sluice_proto
	@tools/check_headers.sh
	@tools/tidy.sh

fmt: build/.deps-lint ## format every source file
	@git ls-files '*.cc' '*.h' | xargs -r clang-format-19 -i

interop: build ## against real xDS peers
	@tests/interop/run.sh

coverage: deps build/.deps-coverage ## line coverage of the tests, by file
	@$(call configure,coverage)
	@ninja -C build/coverage -j $(JOBS) --quiet
	@tools/coverage.sh build/coverage

clean: ## remove build/
	@rm -rf build
