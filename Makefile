# make demo   set up, then run the demo notebook as a flow, twice
# make test   set up, then run every test
# make check  the fast loop: lint, types, architecture, unit tests
# make bench  benchmarks beside peers

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# make test-lowest  the tests with the oldest dependencies
# make test-kernels what the run graph can do, with several versions of ipykernel

.PHONY: demo test test-lowest test-kernels check bench lint browser clean

# The clone gets a home of its own, .nborch/, and the first run finds nothing kept in it.
demo: $(STAMP)-demo
	@mkdir -p .nborch && rm -rf .nborch/cache
	$(BIN)/nborch run notebooks/flights.ipynb
	@echo
	@echo "Once more: nothing has changed, so no cell task is executed."
	$(BIN)/nborch run notebooks/flights.ipynb
	@echo
	@echo "The executed notebook: $(BIN)/jupyter lab notebooks/flights.out.ipynb"
	@echo "All runs:              $(BIN)/nborch flow-run ls"

# The files of tests are shared out over processors; some tests need two to themselves.
# NB. In the order of their names, with the short ones (unit) at the end.
PYTEST := -m pytest -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder

# Hundreds of processes load nborch: where Python keeps no bytecode of its own, each would
# compile it.
test: $(STAMP)-test browser
	$(BIN)/python -m compileall -q nborch
	$(BIN)/python $(PYTEST)

check: $(STAMP)-test lint
	$(BIN)/python -m pytest tests/unit -q

lint: $(STAMP)-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)-test
	$(BIN)/python tests/benchmarks/run.py

# The browser tests need a Chromium; a package manager installs it where it can.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	|| command -v google-chrome >/dev/null \
	|| { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
	     && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	|| { echo "The browser tests need Chromium. Install it with: sudo apt-get install chromium"; exit 1; }

$(STAMP)-demo: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nborch needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[notebooks]'
	touch $@

$(STAMP)-test: $(STAMP)-demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[notebooks,test]'
	touch $@

# The tests with every dependency at its lower bound.
test-lowest: browser
	[ -x .venv-lowest/bin/python ] || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c tests/lowest.txt -e '.[notebooks,test]'
	.venv-lowest/bin/python $(PYTEST)

test-kernels: $(STAMP)-test browser
	NBORCH_TEST_KERNELS="6.31.0 7.0.1 7.3.0 7.4.0" $(BIN)/python -m pytest tests/browser/test_kernels.py -rP

clean:
	rm -rf $(VENV) .venv-lowest .bench-venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
