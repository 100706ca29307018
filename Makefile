# make run    start everything on this machine: http://127.0.0.1:8000
# make test   check the code and run the whole suite
#
# Needs Python 3.11 or newer. Everything is installed into .venv, once, and again when pyproject.toml changes.

BIN := .venv/bin
PORT ?= 8000
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test check bench clean

run: .venv/installed-all
	$(BIN)/pixelrnn up --port $(PORT)

test: check
	$(BIN)/python -m pytest

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: .venv/installed-all
	$(BIN)/pixelrnn bench sampling --preset mnist-diagonal-bilstm --batch 16 --threads 1
	$(BIN)/pixelrnn bench sampling --preset mnist-pixelcnn --batch 16 --threads 1

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@python=$$(command -v python3.11 || command -v python3) || { echo "pixelrnn needs Python 3.11 or newer: no python3 found"; exit 1; }; \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "pixelrnn needs Python 3.11 or newer: $$python is $$($$python -V 2>&1)"; exit 1; }; \
	$$python -m venv .venv

.venv/installed-all: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv (torch is large: the first time takes minutes)"
	$(PIP) --editable '.[all]'
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv (torch is large: the first time takes minutes)"
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/installed-all
