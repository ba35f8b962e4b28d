# Everything, from a clean clone: Python 3.11 or newer with venv and pip is enough; as root on Debian or Ubuntu, apt
# installs the servers that some tests talk to. Nothing asks a question, and a second run of anything is quick.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3.11
VENV := .venv
# The newer Pythons that the quick tests run on as well, where they are installed.
NEWER := 3.12 3.13
# Two processes, each with servers of its own; conftest.py says what stays together.
ON_CORES := --numprocesses 2 --dist loadgroup --no-loadscope-reorder
# Twice quiet: pip warns about each empty place it was told to look in.
INSTALL := -m pip install -qq --disable-pip-version-check --no-input
export DEBIAN_FRONTEND := noninteractive

# AWS's own emulator of Lambda's runtime interface; it comes inside the wheel of a package of which nothing else is used.
EMULATOR := .cache/rie/aws-lambda-rie-x86_64

.PHONY: help
help: ## Show this
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: demo
demo: $(VENV)/.runtime ## Install glacierctl in .venv and run the main job on made-up data, without a network
	@$(VENV)/bin/glacierctl demo

.PHONY: test
test: $(VENV)/.dev .venv-stac/.ready .venv-ministack/.ready $(EMULATOR) .cache/base-image/.ready servers ## Install what the tests need and run them all; the quick ones on newer Pythons too
	@$(VENV)/bin/python -m pytest $(ON_CORES) $(PYTEST_ARGS)
	for version in $(NEWER); do
	  if [ -z "$$(.ci/find-python $$version)" ]; then echo "Python $$version is not installed: no quick tests on it"; continue; fi
	  $(MAKE) --no-print-directory .venv-$$version/.dev
	  echo "The quick tests on Python $$version:"
	  .venv-$$version/bin/python -m pytest tests/unit -m "not slow" $(ON_CORES) $(PYTEST_ARGS)
	done

.PHONY: bench
bench: $(VENV)/.dev .venv-user/.ready .venv-lean/.ready .venv-stac/.ready .venv-bench/.ready .cache/base-image/.ready servers ## Measure beside what users would pick instead: 25 minutes, or what BENCH_ARGS chooses
	@$(VENV)/bin/python -m benchmarks.run $(BENCH_ARGS)

.PHONY: figures
figures: $(VENV)/.dev .venv-bench/.ready ## Fit the plan to the newest runs of the benchmark, and write the docs that follow
	@$(VENV)/bin/python -m benchmarks.fit --write
	.venv-bench/bin/python -m benchmarks.report
	$(VENV)/bin/python -m tests.support.docs_check --write

.PHONY: check
check: $(VENV)/.dev ## Style, types, the direction of imports, the lock and the docs
	@set -x
	$(VENV)/bin/python -m tests.support.lock_check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/unit/test_rooms.py
	$(VENV)/bin/python -m tests.support.docs_check

# One version of each package for all Pythons: the image's Python is another than a laptop's, and the products must be the
# same bytes.
COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--upgrade --no-header --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: $(VENV)/.dev ## Choose the newest versions of all dependencies, with hashes
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra stack --group test --group check requirements/dev.in --constraint requirements/runtime.txt \
	  --output-file requirements/dev.txt
	$(COMPILE) requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt
	$(COMPILE) requirements/stac-server.in --output-file requirements/stac-server.txt
	$(COMPILE) requirements/ministack.in --output-file requirements/ministack.txt
	$(COMPILE) requirements/benchmark.in --output-file requirements/benchmark.txt
	$(COMPILE) --no-deps requirements/emulator.in --output-file requirements/emulator.txt
	$(COMPILE) requirements/base-image.in --constraint requirements/dev.txt --output-file requirements/base-image.txt
	# odc-geo asks for xarray, and that for pandas; its grids use neither, and they are a fifth of all
	$(COMPILE) requirements/worker-lean.in --constraint requirements/runtime.txt --no-emit-package xarray \
	  --no-emit-package pandas --output-file requirements/worker-lean.txt
	$(COMPILE) requirements/worker-lean.in requirements/worker-full.in --constraint requirements/runtime.txt \
	  --output-file requirements/worker-full.txt

.PHONY: servers
servers: ## Install the servers that tests talk to (root and apt; elsewhere those tests are skipped)
	@export PATH="$$PATH:/usr/sbin"
	wanted=()
	command -v nginx >/dev/null || wanted+=(nginx-light)
	[ -x /usr/lib/postgresql/15/bin/postgres ] && [ -e /usr/share/postgresql/15/extension/postgis.control ] \
	  || wanted+=(postgresql-15-postgis-3)
	command -v dockerd >/dev/null && command -v docker >/dev/null || wanted+=(docker.io iptables)
	command -v docker-registry >/dev/null || wanted+=(docker-registry)
	command -v htpasswd >/dev/null || wanted+=(apache2-utils)
	command -v busybox >/dev/null || wanted+=(busybox-static)
	command -v ip >/dev/null || wanted+=(iproute2)
	if [ $${#wanted[@]} -eq 0 ]; then exit 0; fi
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	  echo "Missing: $${wanted[*]}. The tests that need them are skipped, or fail where CI=true."
	  exit 0
	fi
	echo "Installing $${wanted[*]}"
	apt-get -qq update </dev/null
	apt-get -qq install --yes --no-install-recommends "$${wanted[@]}" </dev/null >/dev/null

.PHONY: clean
clean: ## Remove what make made
	rm -rf .cache .venv .venv-stac .venv-ministack .venv-bench .venv-user .venv-lean $(NEWER:%=.venv-%) .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
	find . -name __pycache__ -prune -exec rm -rf {} +

# Environments. A stamp file says that all of its packages are there; each is made again when its lock changes.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing glacierctl in $(VENV)"
	$(VENV)/bin/python $(INSTALL) --require-hashes -r requirements/build.txt
	$(VENV)/bin/python $(INSTALL) --require-hashes -r requirements/runtime.txt
	$(VENV)/bin/python $(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what tests and checks need in $(VENV)"
	$(VENV)/bin/python $(INSTALL) --require-hashes -r requirements/dev.txt
	touch $@

.venv-stac/.ready: requirements/stac-server.txt
	@echo "Installing the STAC API that tests search in .venv-stac"
	[ -x .venv-stac/bin/python ] || $(PYTHON) -m venv .venv-stac
	.venv-stac/bin/python $(INSTALL) --require-hashes -r $<
	touch $@

$(EMULATOR): requirements/emulator.txt | $(VENV)/bin/python
	@echo "Fetching AWS's Lambda emulator into $(@D)"
	mkdir -p $(@D)
	$(VENV)/bin/python -m pip download -qq --disable-pip-version-check --no-input --no-deps --require-hashes \
	  --only-binary :all: --dest $(@D) -r $<
	$(VENV)/bin/python -m zipfile -e $(@D)/aws_sam_cli-*.whl $(@D)/wheel
	install -m 755 $(@D)/wheel/samcli/local/rapid/$(@F) $@
	rm -rf $(@D)/wheel $(@D)/*.whl

# For the Python of the image, whatever this one is.
.cache/base-image/.ready: requirements/base-image.txt | $(VENV)/bin/python
	@echo "Fetching AWS's runtime client for the tests' base image into $(@D)"
	rm -rf $(@D)
	$(VENV)/bin/python $(INSTALL) --require-hashes --no-deps --no-compile --only-binary :all: --implementation cp \
	  --python-version 3.13 --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --target $(@D) -r $<
	touch $@

.venv-ministack/.ready: requirements/ministack.txt
	@echo "Installing the stricter AWS that tests deploy to in .venv-ministack"
	[ -x .venv-ministack/bin/python ] || $(PYTHON) -m venv .venv-ministack
	.venv-ministack/bin/python $(INSTALL) --require-hashes -r $<
	touch $@

.venv-bench/.ready: requirements/benchmark.txt
	@echo "Installing what glacierctl is measured beside in .venv-bench"
	[ -x .venv-bench/bin/python ] || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(INSTALL) --require-hashes -r $<
	touch $@

# glacierctl as users install it, and as the image holds it: what tests and stacks need besides would slow its start,
# and so would sources that are compiled at each start, where bytecode may not be written beside them.
.venv-user/.packages: requirements/runtime.txt
.venv-lean/.packages: requirements/worker-lean.txt
.venv-user/.packages .venv-lean/.packages: requirements/build.txt
	@echo "Installing what glacierctl needs in $(@D)"
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(INSTALL) --require-hashes -r requirements/build.txt
	$(@D)/bin/python $(INSTALL) --require-hashes --no-deps -r $(filter %runtime.txt %lean.txt,$^)
	touch $@

.venv-user/.ready .venv-lean/.ready: %/.ready: %/.packages pyproject.toml $(shell find src -name '*.py')
	@echo "Installing glacierctl in $(@D)"
	$(@D)/bin/python $(INSTALL) --no-deps --no-build-isolation .
	touch $@

$(NEWER:%=.venv-%/.dev): .venv-%/.dev: requirements/build.txt requirements/dev.txt pyproject.toml
	@echo "Installing what the quick tests need in .venv-$*"
	[ -x .venv-$*/bin/python ] || "$$(.ci/find-python $*)" -m venv .venv-$*
	.venv-$*/bin/python $(INSTALL) --require-hashes -r requirements/build.txt
	.venv-$*/bin/python $(INSTALL) --require-hashes -r requirements/dev.txt
	.venv-$*/bin/python $(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@
