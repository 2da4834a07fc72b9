"""Benchmarks of the Network's kernels beside their NumPy twins.

    python -m pytest benchmarks/test_bench_kernels.py

A group is one kernel on one shape in one dtype, its two members fastbp and NumPy: forward, loss
and gradient with the L2 penalty, and the gradients of single samples. Every call is the public
one, so that fastbp's times include its check of the input. Before a pair is timed, both members
must give the same numbers. One thread.
"""

import numpy as np
import pytest
from instruments.workloads import ALPHA, SEED, find_shape
from rivals.numpy_mlp import NumpyMLP, target_matrix

import fastbp

SHAPES = ["tiny", "small", "diabetes", "digits", "tabular", "images"]
SMALL_SHAPES = ["tiny", "small", "diabetes", "digits"]  # a gradient a row takes much memory
LOSSES = {"identity": "squared_error", "logistic": "log_loss", "softmax": "log_loss"}
RTOL = {"float64": 1e-9, "float32": 1e-3}

dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
members = pytest.mark.parametrize("member", ["fastbp", "numpy"])


class Problem:
    """The first batch of a shape, and the same network in fastbp and in NumPy."""

    def __init__(self, name, dtype):
        shape = find_shape(name)
        X, y = shape.data(dtype)
        targets = target_matrix(y, shape.output, X.dtype)
        self.alpha, self.rtol = ALPHA, RTOL[dtype]
        self.X, self.targets = X[: shape.batch_size], targets[: shape.batch_size]
        self.fastbp = fastbp.Network(
            shape.layer_sizes,
            activation=shape.activation,
            output_activation=shape.output,
            loss=LOSSES[shape.output],
            l2=0.5 * ALPHA / shape.batch_size,
            dtype=dtype,
            random_state=SEED,
        )
        self.numpy = NumpyMLP(
            shape.layer_sizes,
            activation=shape.activation,
            output=shape.output,
            dtype=dtype,
            random_state=np.random.RandomState(SEED),
        )

    def run(self, benchmark, group, member, calls):
        """Compare the members' results, then time one of them."""
        benchmark.group = group
        expected = np.array(calls["numpy"]())
        scale = np.abs(expected).max()
        np.testing.assert_allclose(calls["fastbp"](), expected, rtol=0, atol=self.rtol * scale)
        benchmark(calls[member])


@members
@dtypes
@pytest.mark.parametrize("name", SHAPES)
def test_forward(benchmark, name, dtype, member):
    problem = Problem(name, dtype)
    calls = {
        "fastbp": lambda: problem.fastbp.forward(problem.X),
        "numpy": lambda: problem.numpy.forward(problem.X),
    }
    problem.run(benchmark, f"forward, {name}, {dtype}", member, calls)


@members
@dtypes
@pytest.mark.parametrize("name", SHAPES)
def test_loss_gradient(benchmark, name, dtype, member):
    problem = Problem(name, dtype)

    def numpy_gradient():
        problem.numpy.loss_gradient(problem.X, problem.targets, problem.alpha)
        return problem.numpy.grads

    calls = {
        "fastbp": lambda: problem.fastbp.loss_gradient(problem.X, problem.targets).flat,
        "numpy": numpy_gradient,
    }
    problem.run(benchmark, f"loss_gradient, {name}, {dtype}", member, calls)


@members
@dtypes
@pytest.mark.parametrize("name", SMALL_SHAPES)
def test_per_sample_gradients(benchmark, name, dtype, member):
    problem = Problem(name, dtype)
    calls = {
        "fastbp": lambda: problem.fastbp.per_sample_gradients(problem.X, problem.targets),
        "numpy": lambda: problem.numpy.per_sample_gradients(problem.X, problem.targets),
    }
    problem.run(benchmark, f"per_sample_gradients, {name}, {dtype}", member, calls)
