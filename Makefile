# serve   start the service on http://127.0.0.1:8000 (HOST=… PORT=… choose another address)
# test    formatting, types and every test; what is missing is said at the end
# check   check the graph's files: syntax, shapes, evidence, checks
# conformance   the W3C's tests, where they lie beside the project; what takes minutes or measures under load
# bench   compare with peers that are installed (SIZES=1,10 CONNECTIONS=1,8,32 ROUNDS=3), into docs/benchmark.md
# clean   remove what was built and installed here
.PHONY: serve test check conformance bench clean
.DEFAULT_GOAL := serve

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
SIZES ?= 1
CONNECTIONS ?= 1,8,32
ROUNDS ?= 3
VENV := .venv
KG := $(VENV)/bin/kg
# Wheels only and hashes checked: nothing is built or run while installing. For the tests, owlready2 is
# published as source alone; it needs no compiler.
# The JavaScript client that the tests run. No lock: the date holds what it depends on, and no script of a package runs.
COMUNICA := @comunica/query-sparql@4.5.0
NPM := npm install --prefix build/npm --before 2026-11-01 --ignore-scripts --no-audit --no-fund --silent --fetch-retries 1
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all:
OURS := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .

serve: $(VENV)/.serve
	@$(KG) serve --host $(HOST) --port $(PORT)

check: $(VENV)/.serve
	@$(KG) check

test: $(VENV)/.test build/npm/.comunica
	@$(VENV)/bin/ruff format --check src tests bench
	@$(VENV)/bin/ruff check src tests bench
	@$(VENV)/bin/mypy
	@$(VENV)/bin/pytest -n 2 --dist loadfile

conformance: $(VENV)/.test
	@$(VENV)/bin/pytest -n 2 --dist loadfile tests/conformance
	@$(VENV)/bin/pytest -m conformance -s

# Without npm or its registry the test that needs it says so, and is passed over (on CI it fails).
build/npm/.comunica: Makefile
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then \
	  echo "Installing $(COMUNICA) for its test (about 80 MB) …" >&2; \
	  { $(NPM) $(COMUNICA) && touch $@; } || echo "npm could not install it." >&2; \
	fi

bench: $(VENV)/.test
	@$(KG) build
	@$(VENV)/bin/python -m bench --sizes $(SIZES) --connections $(CONNECTIONS) --rounds $(ROUNDS) --write

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info

$(VENV)/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) here: Python 3.11 or newer is needed. Install it, or name another: make PYTHON=python3.12 …"; exit 3; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python 3.11 or newer is needed, this is %d.%d. Install it, or name another: make PYTHON=python3.12 …" % v[:2])'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python has no venv module here. On Debian: apt-get install python3-venv"; exit 3; }
	@echo "Making $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned requirements …" >&2
	@$(INSTALL) -r requirements.lock
	@$(OURS)
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned requirements of the tests (a Java runtime among them: about 110 MB) …" >&2
	@$(INSTALL) --no-binary owlready2 -r requirements-test.lock
	@$(OURS)
	@touch $@ $(VENV)/.serve
