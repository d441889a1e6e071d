# `make` alone prints what there is to do.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
# Touched when the environment matches the lock; older than the lock means: set up again.
READY := .venv/.ready
# A worker each for the two cores of the smallest machine we test on; tests that must not
# run beside each other share an xdist_group.
PYTEST := $(PY) -m pytest -n 2 --dist loadgroup

export PYTHON

.PHONY: help
help: ## Print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv from the lock (every other target does so by itself)

$(READY): requirements/build.txt requirements/dev.txt pyproject.toml clients/cli/pyproject.toml clients/python/pyproject.toml tools/setup.sh
	@echo "setting up .venv (about a minute the first time)"
	@tools/setup.sh
	@touch $@

.PHONY: run
run: $(READY) ## Serve on 127.0.0.1:50051 over an embedded MongoDB (ARGS="--show-config")
	@PRIVACYRIGHTS_CATALOGUE="$${PRIVACYRIGHTS_CATALOGUE:-deploy/catalogue/chatbot-platform.json}" \
		exec $(PY) -m server $(ARGS)

.PHONY: demo
demo: $(READY) ## Tell the policy's story end to end, on a server and a database of its own
	@exec $(PY) -m demo $(ARGS)

.PHONY: test
test: $(READY) ## Run the tests (ARGS="tests/domain -k consent" for some of them)
	@$(PYTEST) $(ARGS)

.PHONY: test-long
test-long: $(READY) ## Run the tests with every fault in its long form: kill -9, 20 rounds each
	@PRIVACYRIGHTS_TEST_LONG=1 $(PYTEST) -o timeout=1800 $(ARGS)

.PHONY: check
check: $(READY) ## Check all that the pipeline checks besides tests (ARGS="ruff mypy" for some)
	@$(PY) -m tools.check $(ARGS)

.PHONY: format
format: $(READY) ## Format Python and the contract, and mend what can be mended
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .
	@.venv/bin/buf format --write

.PHONY: generate
generate: $(READY) ## Make the stubs and every other generated file from the contract
	@$(PY) -m tools.generate

.PHONY: bench
bench: $(READY) ## Measure, print ratios with their goals, and write bench.json
	@exec $(PY) -m tests.bench $(ARGS)

.PHONY: lock
lock: $(READY) ## Lock the dependencies of pyproject.toml (ARGS=--upgrade for newer versions)
	@tools/lock.sh $(ARGS)

.PHONY: clean
clean: ## Remove the environment, caches and build output (the database's data stays)
	@rm -rf .venv dist bench.json .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
