# Holdfast. `make` lists the targets; `make run` and `make test` need Python 3.11+ and nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDIO := .venv-studio
# Not 2024, so that it runs beside `make run`.
STUDIO_PORT ?= 2124
PIP_FLAGS := -qq --disable-pip-version-check --no-input
export PIP_ROOT_USER_ACTION = ignore

##@ Everyday
.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/runtime.stamp ## Start the server on http://127.0.0.1:2024 with an embedded PostgreSQL
	@exec $(BIN)/holdfast serve

.PHONY: test
test: $(VENV)/dev.stamp ## Run the tests on a PostgreSQL of their own
	@$(BIN)/python -m pytest -q -m "not long" -n auto --maxprocesses 4 --dist loadfile $(TESTS)

.PHONY: check
check: format-check lint types imports ## Check format, lint, types, imports; then unit and integration tests
	@$(BIN)/python -m pytest -q -m "not long" -n auto --maxprocesses 4 --dist loadfile tests/unit tests/integration

.PHONY: clean
clean: ## Remove environments and caches; the data of `make run` stays
	rm -rf $(VENV) $(STUDIO) build dist checkpoint_pruner/dist .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis .langgraph_api tests/e2e/js/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Parts of the check
.PHONY: format format-check lint types imports
format: $(VENV)/dev.stamp ## Format the code
	@$(BIN)/ruff format .
format-check: $(VENV)/dev.stamp ## Check the format
	@$(BIN)/ruff format --check --quiet .
lint: $(VENV)/dev.stamp ## Lint
	@$(BIN)/ruff check --quiet .
types: $(VENV)/dev.stamp ## Check the types (mypy --strict)
	@$(BIN)/mypy
imports: $(VENV)/dev.stamp ## Check who may import whom
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

##@ Running
.PHONY: worker migrate prune studio
worker: $(VENV)/runtime.stamp ## Start one more worker process (HOLDFAST_DATABASE_URL names the database)
	@exec $(BIN)/holdfast worker
migrate: $(VENV)/runtime.stamp ## Bring the database up to date
	@exec $(BIN)/holdfast migrate
prune: $(VENV)/runtime.stamp ## Sweep the checkpoints once
	@exec $(BIN)/holdfast prune
.PHONY: erp
erp: $(VENV)/runtime.stamp ## Serve a small ERP on http://127.0.0.1:8300 to try the HTTP port with
	@exec $(BIN)/python -m tests.erp_service
studio: $(STUDIO)/studio.stamp ## Run LangGraph's own development server and Studio on the same graphs: STUDIO_PORT=2124
	@LANGGRAPH_CLI_NO_ANALYTICS=1 exec $(STUDIO)/bin/langgraph dev --no-browser --port $(STUDIO_PORT)

##@ Long suites (CI runs short forms)
.PHONY: differential-long test-postgres15 chaos race hibernation bench shots compatibility prove-pruner bench-pruner
test-postgres15: $(VENV)/dev.stamp ## Run the tests that touch SQL on Debian's PostgreSQL 15, or TESTS="..." of them
	@tests/tools/with-postgres 15 $(BIN)/python -m pytest -q -m "not long and not browser and not node" -n auto --maxprocesses 4 --dist loadfile \
	  $(or $(TESTS),tests/integration tests/pruner)
chaos: $(VENV)/dev.stamp ## Kill workers and count effects: KILLS=500 SEED=7; or the database: RESTARTS=100
	@$(BIN)/python -m tests.fault.chaos --seed $(or $(SEED),1) \
	  $(if $(KILLS),--kills $(KILLS)) $(if $(RESTARTS),--restarts $(RESTARTS))
race: $(VENV)/dev.stamp ## Let five callers race for each of many gates over HTTP: GATES=1000
	@$(BIN)/python -m tests.fault.race --gates $(or $(GATES),1000) --seed $(or $(SEED),1)
hibernation: $(VENV)/dev.stamp ## Compare a process with many waiting threads to one with none: THREADS=10000
	@$(BIN)/python -m tests.fault.hibernation --threads $(or $(THREADS),10000)
bench: $(VENV)/dev.stamp ## Measure against named baselines: BENCH=short|long, results in build/bench
	@$(BIN)/python -m tests.bench.run --form $(or $(BENCH),long) --output build/bench
shots: $(VENV)/dev.stamp ## Write screenshots of every console screen and print their folder
	@$(BIN)/python -m pytest -q tests/e2e/test_console_shots.py --shots build/shots && echo build/shots
compatibility: $(VENV)/dev.stamp ## Write docs/compatibility.md from the tests that prove it
	@$(BIN)/python -m tests.e2e.compatibility
differential-long: $(VENV)/dev.stamp ## Play every way that teams use LangGraph through RemoteGraph too
	@$(BIN)/python -m pytest -q -m long tests/e2e/test_differential.py
prove-pruner: $(VENV)/dev.stamp ## Run the pruner's oracle and stateful tests in their long form: SEQUENCES=2000
	@SEQUENCES=$(or $(SEQUENCES),2000) $(BIN)/python -m pytest -q -m long -n auto --maxprocesses 4 --dist loadgroup tests/pruner
bench-pruner: $(VENV)/dev.stamp ## Measure the pruner against its rivals on 1.1 million rows, results in build/bench
	@$(BIN)/python -m tests.bench.bench_pruner build/bench --long

.PHONY: prune-package
prune-package: $(VENV)/dev.stamp ## Build checkpoint_pruner as a package of its own, into checkpoint_pruner/dist
	@$(BIN)/python -m build --outdir checkpoint_pruner/dist checkpoint_pruner

##@ Environments
.PHONY: studio-env node-env lock
node-env: ## Install the JavaScript clients that the end-to-end tests drive
	@if command -v npm >/dev/null; then cd tests/e2e/js && npm ci --silent --no-audit --no-fund; \
	  else echo "npm is not installed: the tests of the JavaScript clients will be skipped"; fi
studio-env: $(STUDIO)/studio.stamp ## Make the environment of `make studio`
lock: ## Compile the locks anew (needs uv)
	uv pip compile $(LOCK_FLAGS) --group build pyproject.toml -o requirements/runtime.txt
	uv pip compile $(LOCK_FLAGS) --group build --group dev --extra mcp --extra a2a pyproject.toml \
	  -c requirements/runtime.txt -o requirements/dev.txt
	uv pip compile $(LOCK_FLAGS) --group build --group studio pyproject.toml -o requirements/studio.txt

LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --no-header

# A lock names everything, so nothing is to be resolved: older pips look for the newest release of what
# a package wants with an extra (`langsmith[otel]`), and fail on the day one is published.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) found; try make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@echo "installing $(2) into $(1) (once)" >&2
	@$(1)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r $(2)
	@$(1)/bin/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@$(1)/bin/python -m compileall -q api checkpoint_pruner engine graphs nodes state
	@touch $@
endef

$(VENV)/runtime.stamp: requirements/runtime.txt pyproject.toml
	$(call environment,$(VENV),requirements/runtime.txt)
$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml
	$(call environment,$(VENV),requirements/dev.txt)
$(STUDIO)/studio.stamp: requirements/studio.txt pyproject.toml
	$(call environment,$(STUDIO),requirements/studio.txt)
