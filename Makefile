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
# Twice quiet: pip warns about each empty place it was told to look in.
INSTALL := -m pip install -qq --disable-pip-version-check --no-input
export DEBIAN_FRONTEND := noninteractive

.PHONY: help
help: ## Show this
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: demo
demo: $(VENV)/.runtime ## Install glacierctl in .venv and run the main job on made-up data, without a network
	@$(VENV)/bin/glacierctl demo

.PHONY: test
test: $(VENV)/.dev .venv-stac/.ready servers ## Install what the tests need and run them all; the quick ones on newer Pythons too
	@$(VENV)/bin/python -m pytest $(PYTEST_ARGS)
	for version in $(NEWER); do
	  if [ -z "$$(.ci/find-python $$version)" ]; then echo "Python $$version is not installed: no quick tests on it"; continue; fi
	  $(MAKE) --no-print-directory .venv-$$version/.dev
	  echo "The quick tests on Python $$version:"
	  .venv-$$version/bin/python -m pytest tests/unit -m "not slow" $(PYTEST_ARGS)
	done

.PHONY: check
check: $(VENV)/.dev ## Style, types, the direction of imports, the lock and the docs
	@set -x
	$(VENV)/bin/python -m tests.support.lock_check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/unit/test_rooms.py
	$(VENV)/bin/python -m tests.support.docs_check

COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: $(VENV)/.dev ## Choose the newest versions of all dependencies, with hashes
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml --group test --group check requirements/dev.in --constraint requirements/runtime.txt \
	  --output-file requirements/dev.txt
	$(COMPILE) requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt
	$(COMPILE) requirements/stac-server.in --output-file requirements/stac-server.txt
	$(COMPILE) requirements/worker-lean.in --constraint requirements/runtime.txt --output-file requirements/worker-lean.txt
	$(COMPILE) requirements/worker-lean.in requirements/worker-full.in --constraint requirements/runtime.txt \
	  --output-file requirements/worker-full.txt

.PHONY: servers
servers: ## Install the servers that tests talk to (root and apt; elsewhere those tests are skipped)
	@export PATH="$$PATH:/usr/sbin"
	wanted=()
	command -v nginx >/dev/null || wanted+=(nginx-light)
	[ -x /usr/lib/postgresql/15/bin/postgres ] && [ -e /usr/share/postgresql/15/extension/postgis.control ] \
	  || wanted+=(postgresql-15-postgis-3)
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
	rm -rf .venv .venv-stac $(NEWER:%=.venv-%) .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
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

$(NEWER:%=.venv-%/.dev): .venv-%/.dev: requirements/build.txt requirements/dev.txt pyproject.toml
	@echo "Installing what the quick tests need in .venv-$*"
	[ -x .venv-$*/bin/python ] || "$$(.ci/find-python $*)" -m venv .venv-$*
	.venv-$*/bin/python $(INSTALL) --require-hashes -r requirements/build.txt
	.venv-$*/bin/python $(INSTALL) --require-hashes -r requirements/dev.txt
	.venv-$*/bin/python $(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@
