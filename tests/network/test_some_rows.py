"""Evaluator.evaluate(order=...): some of the samples, to the bits of a copy of them."""

import numpy as np
import pytest
from internals import DTYPES, DataSet, Targets
from problems import make_classes, make_regression, make_weights
from scipy import sparse

from fastbp import Network

N_SAMPLES = 700  # several blocks


def data_of(kind, dtype, weighted):
    """(DataSet, outputs of a network for it)."""
    X, y = (make_classes if kind == "labels" else make_regression)(n_samples=N_SAMPLES)
    X, weights = X.astype(dtype), make_weights(N_SAMPLES).astype(dtype) if weighted else None
    if kind == "labels":
        return DataSet(X, y, Targets(None, y.astype(np.intp), 3), weights), 3
    values = y.astype(dtype)[:, np.newaxis]
    X = sparse.csr_matrix(X * (X > 0)) if kind == "CSR" else X
    return DataSet(X, y, Targets.matrix(values), weights), 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["numbers", "labels", "CSR"])
def test_some_rows_have_the_bits_of_a_copy_of_them(build, kind, weighted, dtype):
    data, n_outputs = data_of(kind, dtype, weighted)
    params = dict(output_activation="softmax", loss="log_loss") if n_outputs > 1 else {}
    net = Network([4, 300, n_outputs], dtype=dtype, l2=0.1, random_state=0, **params)
    shared = net.evaluator(data.kernel_samples(), l2=net.l2, n_threads=2)
    rng = np.random.default_rng(0)
    for n_rows in 1, 7, 600:
        rows = rng.permutation(N_SAMPLES)[:n_rows]
        copied = net.evaluator(data.rows(rows).kernel_samples(), l2=net.l2, n_threads=1)
        results = []
        for evaluator, order in (shared, rows), (copied, None):
            grad, outputs = np.empty(net.n_params, dtype), np.empty(n_rows * n_outputs, dtype)
            loss = evaluator.evaluate(net.params, grad, outputs, order=order)
            results.append((loss, grad, outputs))
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)
    # and then all of them again
    assert shared.evaluate(net.params) == pytest.approx(
        net.loss(data.X, data.y, data.weights), rel=1e-5
    )


@pytest.mark.parametrize("order", [[], [3, -1], [3, N_SAMPLES]], ids=str)
def test_rows_that_there_are_not(build, order):
    data, _ = data_of("numbers", "float64", False)
    evaluator = Network([4, 1], random_state=0).evaluator(data.kernel_samples(), l2=0.0)
    with pytest.raises(ValueError, match=r"without samples|samples outside 0\.\.699"):
        evaluator.evaluate(np.zeros(5), order=np.array(order, np.intp))
    outputs = np.empty(N_SAMPLES)
    with pytest.raises(ValueError):
        evaluator.evaluate(np.zeros(5), outputs=outputs, order=np.arange(3))
