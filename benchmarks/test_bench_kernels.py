"""Benchmarks of the Network's kernels beside their NumPy twins.

    python -m pytest benchmarks/test_bench_kernels.py

A group is one kernel on one shape in one dtype; its two members are fastbp and NumPy. The kernels
are forward, loss and gradient with the L2 penalty, and the gradients of single samples. All calls
are public ones, so fastbp's times include the check of the input. Before a pair is timed, both
members must give the same numbers. One thread.
"""

import numpy as np
import pytest
from instruments.columns import FASTBP, NUMPY
from instruments.workloads import SEED, find_shape
from rivals.numpy_mlp import NumpyMLP

from fastbp import Network

SHAPES = ["tiny", "small", "diabetes", "digits", "tabular", "images"]
SMALL_SHAPES = ["tiny", "small", "diabetes", "digits"]  # a gradient for each row takes much memory
KERNELS = {"forward": SHAPES, "loss_gradient": SHAPES, "per_sample_gradients": SMALL_SHAPES}
LOSSES = {"identity": "squared_error", "logistic": "log_loss", "softmax": "log_loss"}
RTOL = {"float64": 1e-9, "float32": 1e-3}


@pytest.mark.parametrize("member", [FASTBP, NUMPY])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("kernel", "name"), [(kernel, name) for kernel in KERNELS for name in KERNELS[kernel]]
)
def test_kernel(benchmark, kernel, name, dtype, member):
    shape = find_shape(name)
    calls = kernel_calls(kernel, shape, dtype)
    expected = np.array(calls[NUMPY]())
    atol = RTOL[dtype] * np.abs(expected).max()
    np.testing.assert_allclose(calls[FASTBP](), expected, rtol=0, atol=atol)
    benchmark.group = f"{kernel}, {name}, {dtype}"
    benchmark(calls[member])


def kernel_calls(kernel, shape, dtype):
    """The kernel on the first batch of a shape: one network, in fastbp and in NumPy."""
    X, y = shape.data(dtype)
    X, targets = X[: shape.batch_size], shape.target_matrix(y, dtype)[: shape.batch_size]
    ours = Network(
        shape.layer_sizes,
        activation=shape.activation,
        output_activation=shape.output,
        loss=LOSSES[shape.output],
        l2=0.5 * shape.alpha / shape.batch_size,
        dtype=dtype,
        random_state=SEED,
    )
    theirs = NumpyMLP(shape, dtype, np.random.RandomState(SEED))

    def numpy_gradient():
        theirs.loss_gradient(X, targets)
        return theirs.grads

    return {
        "forward": {
            FASTBP: lambda: ours.forward(X),
            NUMPY: lambda: theirs.forward(X),
        },
        "loss_gradient": {
            FASTBP: lambda: ours.loss_gradient(X, targets).flat,
            NUMPY: numpy_gradient,
        },
        "per_sample_gradients": {
            FASTBP: lambda: ours.per_sample_gradients(X, targets),
            NUMPY: lambda: theirs.per_sample_gradients(X, targets),
        },
    }[kernel]
