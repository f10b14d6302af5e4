# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin front; meson does the work.

BUILD ?= build
MESON_ARGS ?=
BENCH_ARGS ?=

.PHONY: help setup build run test test-kvm test-build bench install clean

help:
	@echo "make run      install what is missing, build, get a kernel and run scx_ktstr in a guest"
	@echo "make build    install what is missing and build into $(BUILD)/"
	@echo "make test     the same, then run every test, plain and under ASan and UBSan"
	@echo "make test-kvm run this build's KVM path in an outer guest, on any machine"
	@echo "make test-build build a real kernel with this build, boot it and run a scheduler in it"
	@echo "make bench    measure it, beside plain QEMU and virtme-ng (BENCH_ARGS: see bench/run --help)"
	@echo "make install  install what was built (DESTDIR and meson's prefix are honoured)"
	@echo "make clean    remove the build folders"

setup:
	@tools/setup

build: setup
	@prefix=$$(tools/fetch-tools) && \
		{ [ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" "-Dtools_prefix=$$prefix" $(MESON_ARGS); }
	@ninja -C "$(BUILD)"

run: build
	@tools/run "$(BUILD)"

# Without guests most of a test is waiting, so that two share a CPU; guests want one each.
test: build
	@prefix=$$(tools/fetch-tools) && \
		{ [ -f "$(BUILD)-san/build.ninja" ] || meson setup "$(BUILD)-san" "-Dtools_prefix=$$prefix" -Dguest=false -Dscheds=false \
		-Db_sanitize=address,undefined -Db_lundef=false $(MESON_ARGS); }
	@ninja -C "$(BUILD)-san"
	@tools/setup-test
	@tools/test-data "$(BUILD)"
	@status=0; run() { meson test --no-rebuild --print-errorlogs "$$@" || status=1; }; \
	for b in "$(BUILD)" "$(BUILD)-san"; do run -C "$$b" --no-suite e2e --num-processes $$((2 * $$(nproc))); done; \
	run -C "$(BUILD)" --suite e2e --logbase testlog-e2e; exit $$status

test-kvm: build
	@tools/test-data "$(BUILD)"
	@tests/kvm/run --build "$(BUILD)" --kernel "$(BUILD)/tests/data/kernels" --busybox "$$(tools/fetch-tools)/bin/busybox"

test-build: build
	@tools/setup-build
	@tools/test-data "$(BUILD)"
	@eval "$$(tools/test-env "$(BUILD)")" && tests/build/run

bench: build
	@tools/bench-data "$(BUILD)"
	@bench/run --build "$(BUILD)" $(BENCH_ARGS)

install: build
	@meson install -C "$(BUILD)" --no-rebuild

clean:
	@rm -rf "$(BUILD)" "$(BUILD)-san"
