"""Benchmarks of whole fits: fastbp beside scikit-learn and NumPy, Adam, relu, one thread.

    python -m pytest benchmarks/test_bench_fits.py

A group is one shape in one dtype, its members the libraries. A fit is the whole call (checks,
initial weights, shuffling, every step) for so many epochs that it makes about N_STEPS steps.
compare.py has the table to quote: it interleaves the libraries, and includes PyTorch.
"""

import pytest
from instruments.workloads import find_shape
from rivals import load_fastbp, load_numpy, load_sklearn

N_STEPS = 300
LIBRARIES = {"fastbp": load_fastbp, "sklearn": load_sklearn, "numpy": load_numpy}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["tiny", "small", "diabetes", "digits", "digits-32", "tabular"])
def test_fit(benchmark, name, dtype, library):
    shape = find_shape(name)
    X, y = shape.data(dtype)
    run = LIBRARIES[library]()
    epochs = max(1, N_STEPS // shape.n_steps(1))
    benchmark.group = f"fit, {name}, {dtype}"
    benchmark.extra_info["steps"] = shape.n_steps(epochs)
    benchmark.pedantic(run, (shape, X, y, epochs), rounds=5, warmup_rounds=1)
