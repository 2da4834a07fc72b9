# make demo | check | test | sanitize | torture | docs | bench | compare | bench-instructions | lint:
# each sets up .venv and builds the package when needed. make sanitize: compiled code under GCC's
# sanitizers; make torture: faults, tried far more often than by make test; make wheel: the sdist and
# this machine's wheel, checked and tested, in dist.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py $(wildcard src/fastbp/_kernels/*.p* src/fastbp/_kernels/simd/*)

.PHONY: demo check test sanitize torture tsan wheel docs bench compare bench-instructions lint clean

demo: $(VENV)/built
	$(BIN)/python examples/demo.py

# One process a core: threads of NumPy's BLAS would only be in the way of the other processes.
# worksteal: the tests differ in length by a factor of a thousand. no:benchmark: the plugin of
# make bench takes half a second to import, in every process.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal -p no:benchmark

# What to run at every change: a covering subset of each grid (tests/covering.py) and all the rest,
# but tests marked slow, which start other processes, wait for interrupts or try every line, and those
# of exports and of Dask, which are used by nothing else and whose imports alone take seconds.
APART := tests/dask tests/exchange src/fastbp/dask src/fastbp/onnx.py
check: $(VENV)/built
	$(PYTEST) $(APART:%=--ignore %) -m "not grid and not slow and not faults" $(PYTEST_ARGS)

test: $(VENV)/built
	$(PYTEST) $(PYTEST_ARGS)

# What is tried at random, at counts that take some twenty minutes on two cores: tests/torture.py.
TORTURED := tests/faults tests/gate tests/files/test_damaged_files.py tests/training/test_checkpoints.py \
	tests/estimators/test_sklearn_checks.py tests/tables/test_tabular_checks.py

torture: $(VENV)/built
	FASTBP_TORTURE=1 $(PYTEST) -p no:cacheprovider --durations=15 $(TORTURED) $(PYTEST_ARGS)

# AddressSanitizer and UndefinedBehaviorSanitizer over compiled code: the first error ends the process
# that runs the test. In the baseline build and the best one; SANITIZED_BUILDS="avx2 avx512" names
# others. Without what needs much arithmetic or a limited address space, which AddressSanitizer takes
# terabytes of.
SANITIZED := build/sanitized/package
SANITIZED_BUILDS = $(shell $(BIN)/python -c "from fastbp import _kernels as k; b = k.available_builds(); print(*sorted({b[0], b[-1]}))")
SANITIZED_TESTS := tests/kernels tests/network tests/gate tests/training/test_threads.py \
	tests/training/test_number_of_threads.py tests/training/test_own_losses_in_training.py \
	--deselect tests/network/test_textbook.py \
	--deselect tests/network/test_shared_network.py::test_a_call_does_not_see_an_error_of_another_thread \
	--deselect tests/training/test_threads.py::test_threads_that_cannot_be_had \
	--deselect tests/training/test_threads.py::test_interrupts_and_the_limit_of_openmp
SANITIZERS = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=32 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONMALLOC=malloc PYTHONPATH=$(SANITIZED)

sanitize: tsan $(SANITIZED)/built
	$(SANITIZERS) $(BIN)/python tests/kernels/sanitized.py $(SANITIZED_BUILDS)
	$(SANITIZERS) $(PYTEST) -m "not grid and not slow and not faults" $(SANITIZED_TESTS) $(PYTEST_ARGS)

$(SANITIZED)/built: $(VENV)/built
	FASTBP_SANITIZE=1 FASTBP_BUILDS="$(SANITIZED_BUILDS)" $(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(SANITIZED) .
	touch $@

# A data race, or a piece that is not done once, ends it with an error.
tsan:
	mkdir -p build
	$(CC) -std=gnu11 -O1 -g -fsanitize=thread -Isrc/fastbp/_kernels tests/kernels/crew.c -o build/crew -pthread
	TSAN_OPTIONS=halt_on_error=1 build/crew

# As a user gets it: built from the sdist, tested where no compiler and no source is.
wheel:
	rm -rf dist
	.ci/build_wheel dist
	.ci/test_wheel dist/fastbp-*.whl dist/fastbp-*.tar.gz $(PYTEST_ARGS)

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
	$(BIN)/python docs/check_types.py
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/wheels.yml

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/built: $(VENV)/bin/python $(SOURCES)
	@echo "Installing and compiling fastbp into $(VENV): a minute or two ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

# The packages of the extra only: with fastbp itself, pip would compile it again.
EXTRA = from importlib.metadata import requires; \
	print(*(one.split(";")[0] for one in requires("fastbp") if one.endswith("extra == \"docs\"")), sep="\n")

$(VENV)/documents: $(VENV)/built
	mkdir -p build
	$(BIN)/python -c '$(EXTRA)' > build/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement build/docs.txt
	touch $@

clean:
	rm -rf $(VENV) build dist docs/_build docs/api docs/gallery src/*.egg-info src/fastbp/_kernels/*.c src/fastbp/_kernels/*.so
