"""Benchmarks of whole fits: fastbp beside scikit-learn and NumPy, Adam, relu, one thread.

    python -m pytest benchmarks/test_bench_fits.py

A group is one shape in one dtype; its members are the libraries. A fit is the whole call (checks,
initial weights, shuffling, every step), with as many epochs as make about N_STEPS steps. The
figures to quote are those of compare.py, which interleaves the libraries and has more of them.
"""

import pytest
from instruments.columns import FASTBP, NUMPY, SKLEARN
from instruments.workloads import find_shape
from rivals import RIVALS

N_STEPS = 300


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("library", [FASTBP, SKLEARN, NUMPY])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["tiny", "small", "diabetes", "digits", "digits-32", "tabular"])
def test_fit(benchmark, name, dtype, library):
    shape = find_shape(name)
    X, y = shape.data(dtype)
    run = RIVALS[library].load()
    epochs = max(1, N_STEPS // shape.n_steps(1))
    benchmark.group = f"fit, {name}, {dtype}"
    benchmark.extra_info["steps"] = shape.n_steps(epochs)
    benchmark.pedantic(run, (shape, X, y, epochs), rounds=5, warmup_rounds=1)
