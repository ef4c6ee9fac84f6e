# From a fresh clone, with nothing but Python 3.11, its venv module, npm and make; as root on Debian npm is installed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What browsers run: bundled from client/ with npm.
BUNDLE := djust/static/djust/live.js
# As many tests at a time as there are cores, up to four: each process starts servers of its own.
PYTEST_ARGS ?= --numprocesses auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test check bench clean servers

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) $(BUNDLE) ## Start servers, site, worker, beat and visitors; Ctrl-C ends (DEMO_SECONDS=60, REDIS_URL=...)
	@$(BIN)/python -m scripts.demo

test: $(READY) $(BUNDLE) servers ## Run every test with real servers; installs what is missing (PYTEST_ARGS="-k name")
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(READY) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) $(BUNDLE) servers ## Measure against bare redis-py and the published djust, in one run
	@$(BIN)/python -m benchmarks

clean: ## Remove everything that the other targets made
	rm -rf $(VENV) .servers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist client/node_modules $(BUNDLE)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

servers:
	@scripts/install_servers.sh

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "djust needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is missing: install python3-venv." >&2; rm -rf $(VENV); exit 1; }
	@scripts/install_npm.sh
	@echo "Installing the dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BUNDLE): $(READY) hatch_build.py $(wildcard client/*.js client/*.json client/src/*.js)
	@$(BIN)/python hatch_build.py
	@touch $@
