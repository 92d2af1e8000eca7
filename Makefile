# make demo | test | bench | lint | clean
PYTHON ?= python3
BIN := .venv/bin
# The demo needs the servers alone, and is ready sooner without what checks the code.
SERVERS := .venv/.servers
STAMP := .venv/.dev
# Debian packages that tests need and wheels cannot bring; installed only on Debian, by root or in CI; elsewhere said aloud.
SYSTEM_PACKAGES := softhsm2 prometheus chromium openssh-client

.PHONY: demo test bench lint system clean

demo: $(SERVERS)
	@$(BIN)/reconcile demo

test: $(STAMP) system lint
	$(BIN)/python -m pytest -n auto
	$(BIN)/python -m pytest -q tests/core --cov=reconciler/core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

lint: $(STAMP)
	$(BIN)/ruff check reconciler tests
	$(BIN)/ruff format --check reconciler tests
	$(BIN)/mypy reconciler tests

# All of it runs to its end; a goal that is missed fails it then.
bench: $(STAMP)
	@$(MAKE) --no-print-directory system SYSTEM_PACKAGES=wrk
	@failed=0; for part in tests.bench tests.bench.scale tests.bench.auditing tests.bench.edge tests.bench.serving tests.bench.pages tests.bench.compliance; do $(BIN)/python -m $$part || failed=1; done; exit $$failed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv .venv

$(SERVERS): pyproject.toml | .venv/bin/python
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[servers]'
	@touch $@

# The sender of octokit is npm's: the lock file says by its digest what is installed.
OCTOKIT := tests/edge/octokit

$(STAMP): pyproject.toml $(OCTOKIT)/package-lock.json | .venv/bin/python
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/npm ci --prefix $(OCTOKIT) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $(SERVERS) $@

system:
ifneq ($(strip $(SYSTEM_PACKAGES)),)
	@if dpkg -s $(SYSTEM_PACKAGES) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES); \
	elif [ "$$CI" = true ] && command -v sudo >/dev/null && command -v apt-get >/dev/null; then \
	  sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES); \
	else echo "tests need: $(SYSTEM_PACKAGES)"; fi
endif

clean:
	rm -rf .venv $(OCTOKIT)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
