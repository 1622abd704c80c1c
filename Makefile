# Everything for developing traymon. Each target makes the virtual environment .venv by itself, once.
#
#   make demo [SECONDS=40] [NO_TRAY=1]   show what traymon does, without a Slack account
#   make demo REPLAY=1 [OPEN=1]          the night of 2016, as it was and with traymon
#   make run  [NO_TRAY=1]                run it for your own bots
#   make test                            all checks, then all tests
#   make check                           format, lint, types, layers
#   make coverage                        which branches the tests take, in the processes they start too; 30 minutes
#   make bench                           measure its budgets, then it beside other clients (npm); 15 minutes
#   make soak                            100,000 cases of wrong bytes, fifty bots at once for over an hour, the relay
#   make screenshots                     take the pictures of README and docs anew, in a real panel
#   make words                           take new messages into the catalogues, and compile them
#   make packages                        build the packages into dist/: wheel, sdist, Debian's, the one-folder program
#   make test-packages                   build and try them in clean Debians and environments; as root; 15 minutes
#   make icons                           draw the icons anew from their SVG sources
#
# PYTHON=/path/to/python3.11 chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiled at installing.
CATALOGUES := $(wildcard traymon/locale/*/LC_MESSAGES/*.po)
NODE := tests/node/node_modules
# The tools that build packages, apart from what is built.
TOOLS := build/tools
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The environment of a shell may hold names like these; only what is given to make counts.
given = $(if $(filter command line,$(origin $(1))),$($(1)))
TRAY_OPTION := $(if $(call given,NO_TRAY),--no-tray)
# Else these go before a LANG that is given to make.
SPEAK := $(if $(call given,LANG),env -u LC_ALL -u LANGUAGE -u LC_MESSAGES)
REPLAY_OPTION := $(if $(call given,REPLAY),--replay)
OPEN_OPTION := $(if $(call given,OPEN),--open)
SECONDS_OPTION := $(if $(call given,SECONDS),--seconds $(SECONDS))

.PHONY: help demo run test check coverage bench soak words icons screenshots packages test-packages clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.has-traymon
	@$(SPEAK) $(BIN)/traymon demo $(REPLAY_OPTION) $(OPEN_OPTION) $(SECONDS_OPTION) $(TRAY_OPTION)

run: $(VENV)/.has-traymon
	@$(BIN)/traymon run $(TRAY_OPTION)

# Most tests wait for a socket or a panel rather than compute, so three at a time keep two cores busy. A file stays in
# one process: its fixtures (a display, fifty bots) are made once.
test: check $(NODE)/.installed
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.has-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

# A test that fails only because it is measured, and so slower, does not end it: what counts is `make test`.
coverage: $(VENV)/.has-test $(NODE)/.installed
	rm -rf .coverage
	mkdir .coverage
	-$(BIN)/coverage run --rcfile=tests/coverage.toml -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet --rcfile=tests/coverage.toml
	$(BIN)/coverage report --rcfile=tests/coverage.toml --skip-covered --sort=miss
	@$(BIN)/python -m tests.coverage_figures

bench: $(VENV)/.has-test
	@$(BIN)/python -m tests.bench

soak: $(VENV)/.has-test $(NODE)/.installed
	$(BIN)/python -m tests.fuzz --cases 100000
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.soak.relay --seconds 300
	TRAYMON_LONG_TROUBLE=1 $(BIN)/pytest -q tests/test_bad_networks.py tests/test_relay_clients.py tests/test_hardening_machine.py

words: $(VENV)/.has-test
	$(BIN)/python -m tests.catalogue
	$(BIN)/pybabel -q compile -d traymon/locale -D traymon
	$(BIN)/pybabel -q compile -d traymon/locale -D click

icons: $(VENV)/.has-test
	$(BIN)/python assets/render.py

screenshots: $(VENV)/.has-test
	TRAYMON_REQUIRE_DESKTOP=1 $(BIN)/pytest -q tests/desktop/take_pictures.py tests/browser/take_report_pictures.py tests/browser/take_setup_pictures.py

packages: $(TOOLS)/.installed
	$(TOOLS)/bin/python packaging/build.py wheel
	$(TOOLS)/bin/python packaging/build.py deb
	$(TOOLS)/bin/python packaging/build.py bundle

# debootstrap makes the clean Debians once, in build/chroots.
test-packages: packages $(VENV)/.has-test
	TRAYMON_REQUIRE_DESKTOP=1 $(BIN)/pytest tests/packages/try_*.py

clean:
	rm -rf $(VENV) $(NODE) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What is installed stands in stamp files, so that nothing is asked of the network a second time.
$(VENV)/.has-traymon: pyproject.toml hatch_build.py $(CATALOGUES) | $(BIN)/python
	@echo "Installing traymon and its libraries into $(VENV) (once)."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.has-test: pyproject.toml hatch_build.py $(CATALOGUES) | $(BIN)/python
	@echo "Installing traymon, its libraries and the tools for its tests into $(VENV) (once)."
	@$(PIP) install --editable '.[test]'
	@touch $(VENV)/.has-traymon $@

# What the tests use of npm's packages. Without npm those tests are skipped.
$(NODE)/.installed: tests/node/package.json
	@mkdir -p $(NODE)
	@if command -v npm >/dev/null; then cd tests/node && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	@touch $@

$(TOOLS)/.installed: packaging/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install -r packaging/requirements.txt
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "traymon needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "traymon needs Python 3.11 or newer, $(PYTHON) is older: say make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make a virtual environment: apt install python3-venv, then try again." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
