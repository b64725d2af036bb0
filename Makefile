# SPDX-License-Identifier: MIT
# A thin front for Meson: each goal first sees to it that the tools are here.
.PHONY: all demo check check-all bench soak bootstrap bootstrap-all lint \
	behaviours coverage format clean ring0 release deb \
	bench-swap bench-tax boot-ladder
MAKEFLAGS += --no-print-directory
BUILD ?= build

all: bootstrap $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

# Folders may come and go: a meson.build that is new configures again.
MESON_FILES := $(wildcard meson.build meson_options.txt */meson.build \
	*/*/meson.build */*/*/meson.build)

$(BUILD)/build.ninja: $(MESON_FILES)
	@meson setup $(if $(wildcard $(BUILD)/build.ninja),--reconfigure) \
		$(BUILD) $(MESON_ARGS) >$(BUILD).log 2>&1 || \
		{ cat $(BUILD).log; exit 1; }
	@touch $@
	@rm -f $(BUILD).log

bootstrap:
	@tools/bootstrap

bootstrap-all:
	@tools/bootstrap all

# The command and the workload alone, within the minute
demo: bootstrap $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet faultwise demo/demo-index
	@tools/demo

check: bootstrap-all
	@tools/check

check-all: bootstrap-all
	@tools/bootstrap distro
	@tools/check --all

# The same core in ring 0 of a small kernel, under QEMU
ring0: bootstrap-all all
	@tests/suites/ring0

# An hour (FW_SOAK_SECONDS) of mixed programs in one run
soak: bootstrap-all
	@tools/check --soak soak

# Debian's own kernel in QEMU runs the ladder of real programs; takes long
boot-ladder: bootstrap-all all
	@tools/boot-ladder

# Ways to do with less memory, each in a cgroup of the same size; wants root
bench-swap: all
	@tools/bench-swap

# The cost for ordinary programs when everything fits
bench-tax: all
	@tools/bench-tax

# One line for each row of the specification, from what the tests really ran
behaviours: all
	@tools/behaviours

bench: all
	@tools/bench

# Branches of mm/ and mmu/ that their own tests take
coverage:
	@tools/bootstrap coverage
	@tools/coverage

# The command as it is handed out: static, stripped, the same wherever built
release: bootstrap
	@tools/make-release

# Packages for Debian and Ubuntu, from that
deb: release
	@tools/make-deb

# clang-tidy and cppcheck over all of our C
lint: bootstrap-all all
	@tools/lint

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build build-asan build-tsan build-coverage build-release
