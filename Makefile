# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin front; meson does the work.

BUILD ?= build
MESON_ARGS ?=

.PHONY: help setup build run test install clean

help:
	@echo "make run      install what is missing, build, get a kernel and run scx_ktstr in a guest"
	@echo "make build    install what is missing and build into $(BUILD)/"
	@echo "make test     the same, then run every test, plain and under ASan and UBSan"
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

test: build
	@[ -f "$(BUILD)-san/build.ninja" ] || meson setup "$(BUILD)-san" -Db_sanitize=address,undefined -Db_lundef=false \
		-Dguest=false -Dscheds=false $(MESON_ARGS)
	@ninja -C "$(BUILD)-san"
	@tools/test-data "$(BUILD)"
	@meson test -C "$(BUILD)" --no-rebuild --print-errorlogs
	@meson test -C "$(BUILD)-san" --no-rebuild --print-errorlogs

install: build
	@meson install -C "$(BUILD)" --no-rebuild

clean:
	@rm -rf "$(BUILD)" "$(BUILD)-san"
