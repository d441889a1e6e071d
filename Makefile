# `make` alone prints what there is to do.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Touched when the environment matches the lock; older than the lock means: set up again.
READY := .venv/.ready

export PYTHON

.PHONY: help
help: ## Print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Make .venv from the lock (every other target does so by itself)

$(READY): requirements/dev.txt pyproject.toml clients/python/pyproject.toml tools/setup.sh
	@echo "setting up .venv (a minute or two the first time)"
	@tools/setup.sh
	@touch $@
