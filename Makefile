# make demo | check | test | docs | bench | compare | bench-instructions | lint: each sets up .venv and
# builds the package when needed. make tsan: the team of threads under ThreadSanitizer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py $(wildcard src/fastbp/_kernels/*.p* src/fastbp/_kernels/simd/*)

.PHONY: demo check test tsan docs bench compare bench-instructions lint clean

demo: $(VENV)/built
	$(BIN)/python examples/demo.py

# One process a core: threads of NumPy's BLAS would only be in the way of the other processes.
# worksteal: the tests differ in length by a factor of a thousand. no:benchmark: the plugin of
# make bench takes half a second to import, in every process.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -p no:benchmark

# What to run at every change: a covering subset of each grid (tests/covering.py) and all the rest,
# but that joblib's worker processes, slow to start, run one search only: callbacks, a user's loss,
# memory maps, cross-validation and the number of threads in them are left to make test.
check: $(VENV)/built
	$(PYTEST) -m "not grid and not processes and not faults" $(PYTEST_ARGS)

test: $(VENV)/built
	$(PYTEST) $(PYTEST_ARGS)

# A data race, or a piece that is not done once, ends it with an error.
tsan:
	mkdir -p build
	$(CC) -std=gnu11 -O1 -g -fsanitize=thread -Isrc/fastbp/_kernels tests/kernels/crew.c -o build/crew -pthread
	TSAN_OPTIONS=halt_on_error=1 build/crew

docs: $(VENV)/documents
	$(BIN)/python docs/run_guide.py
	$(BIN)/python -m sphinx --fail-on-warning --builder html docs docs/_build/html $(DOCS_ARGS)

bench: $(VENV)/built
	$(BIN)/python -m pytest $(wildcard benchmarks/test_bench_*.py) --benchmark-columns=median,iqr,rounds --benchmark-max-time=0.1

compare: $(VENV)/built
	$(BIN)/python benchmarks/compare.py --markdown benchmarks/results.md --plot docs/images/steps.png

bench-instructions: $(VENV)/built
	$(BIN)/python benchmarks/instructions.py $(BENCH_ARGS)

lint: $(VENV)/built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH=$(BIN):$$PATH $(BIN)/cython-lint src/fastbp/_kernels
	$(BIN)/codespell src tests benchmarks examples docs *.md
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/built: $(VENV)/bin/python $(SOURCES)
	@echo "Installing and compiling fastbp into $(VENV): a minute or two ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

$(VENV)/documents: $(VENV)/built
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build docs/api docs/gallery src/*.egg-info src/fastbp/_kernels/*.c src/fastbp/_kernels/*.so
