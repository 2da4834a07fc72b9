"""The compiled core, in every build, against the NumPy twin; and the twin against its own oracles.

Each array is compared relative to its own largest element, each loss relative to its value.
"""

import itertools
import warnings

import numpy as np
import pytest
from reference import (
    LOSSES,
    SGD,
    Adam,
    ReferenceNetwork,
    random_inputs,
    random_params,
    redraw_near_kinks,
    targets_off_kinks,
    train,
)
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import shuffle

import fastbp
from fastbp._kernels import core
from fastbp.network import UNDEFINED_PAIRS

PAIRS = [
    (output, loss)
    for output, loss in itertools.product(core.OUTPUTS, core.LOSSES)
    if (loss, output) not in UNDEFINED_PAIRS
]
DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
# A float32 pre-activation nearer to 0 than this may come out on the other side of relu's kink, a
# prediction nearer to its target on the other side of a loss's.
KINK_MARGIN = {"float64": 1e-12, "float32": 3e-6}

# Around the vector lengths and the register tiles: 1 to 3 elements, a vector +-1, odd multiples.
WIDTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129]
ROWS = [1, 2, 5, 31, 32, 33, 200, 600]


def assert_close(actual, expected, dtype, what, *, least_scale=0.0):
    """Compare relative to the largest element of ``expected``, or to a larger scale."""
    assert actual.shape == expected.shape, what
    assert actual.dtype == np.dtype(dtype), what
    error = np.max(np.abs(actual - expected), initial=0.0)
    scale = np.max(np.abs(expected), initial=least_scale)
    assert error <= TOLERANCE[dtype] * scale, f"{what}: error {error:.2e} of scale {scale:.2e}"


def random_problem(rng, layer_sizes, n_samples, output, loss, *, dtype, density=1.0, **arguments):
    """A Network with random parameters, its twin, and data of the dtype, clear of kinks."""
    net = fastbp.Network(layer_sizes, output_activation=output, loss=loss, dtype=dtype, **arguments)
    twin = ReferenceNetwork.like(net)
    net.params[:] = random_params(rng, twin)
    twin = ReferenceNetwork.like(net)

    def draw(n_rows):
        return random_inputs(rng, n_rows, layer_sizes[0], density=density).astype(dtype)

    X = redraw_near_kinks(twin, draw(n_samples), KINK_MARGIN[dtype], draw)
    y = targets_off_kinks(rng, twin, X, KINK_MARGIN[dtype]).astype(dtype)
    return net, twin, X, y


def random_weights(rng, n_samples, dtype):
    """Weights between 0 and 3, some of them 0, in the dtype; never all of them 0."""
    weights = rng.uniform(0, 3, size=n_samples) * (rng.random(n_samples) < 0.8)
    weights[0] = 1.5
    return weights.astype(dtype)


def assert_agrees(
    net, twin, X, y, sample_weight, what, *, dense_X=None, max_per_sample_entries=200_000
):
    """Every function of the network against the twin's."""
    dtype = np.dtype(net.dtype).name
    dense_X = X if dense_X is None else dense_X
    X64, y64 = dense_X.astype(np.float64), y.astype(np.float64)
    w64 = None if sample_weight is None else sample_weight.astype(np.float64)

    expected_activations = twin.propagate(X64)[1]
    assert_close(net.forward(X), expected_activations[-1], dtype, f"forward, {what}")
    activations = net.activations(X)
    assert len(activations) == len(expected_activations), what
    for layer, expected in enumerate(expected_activations[1:], start=1):
        assert_close(activations[layer], expected, dtype, f"activations[{layer}], {what}")

    expected_loss, expected_gradient = twin.loss_gradient(X64, y64, w64)
    gradient = net.loss_gradient(X, y, sample_weight)
    for loss in net.loss(X, y, sample_weight), gradient.loss:
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE[dtype], abs=0), what
    coefs, intercepts = twin.unpack(expected_gradient)
    scales = scales_of_sums_over_rows(twin, X64, y64, w64)
    for layer, expected in enumerate(coefs):
        actual, scale = gradient.coefs[layer], scales[layer][0]
        assert_close(actual, expected, dtype, f"coef_grads[{layer}], {what}", least_scale=scale)
    assert len(gradient.intercepts) == len(intercepts), what
    for layer, expected in enumerate(intercepts):
        actual, scale = gradient.intercepts[layer], scales[layer][1]
        assert_close(
            actual, expected, dtype, f"intercept_grads[{layer}], {what}", least_scale=scale
        )
    assert_close(gradient.flat, expected_gradient, dtype, f"flat gradient, {what}")

    if X.shape[0] * net.n_params <= max_per_sample_entries:
        assert_samples_agree(net, twin, X, y, X64, y64, what)
    if X.shape[0] * net.n_params * net.layer_sizes[-1] <= max_per_sample_entries:
        assert_outputs_agree(net, twin, X, X64, what)


def scales_of_sums_over_rows(twin, X64, y64, w64):
    """(coefs, intercepts) of each layer: a least scale to compare the gradient by.

    Derivatives of the absolute error and its like are of one size, with either sign, so that of a
    sum of them nothing but rounding may be left. The scale is that of the sum without signs.
    """
    if twin.loss_name not in ("absolute_error", "quantile"):
        return [(0.0, 0.0)] * (len(twin.layer_sizes) - 1)
    activations, deltas = twin.backpropagate_loss(X64, y64, twin.sample_factors(len(X64), w64))
    return [
        (np.max(np.abs(a).T @ np.abs(delta)), np.max(np.abs(delta).sum(axis=0)))
        for a, delta in zip(activations[:-1], deltas, strict=True)
    ]


def scale_by_inputs(twin, deltas):
    """Likewise for derivatives by inputs, of which there may be but one, whatever the loss is."""
    coefs, _ = twin.unpack(twin.params)
    return np.max(np.abs(deltas[0]) @ np.abs(coefs[0]).T)


def assert_samples_agree(net, twin, X, y, X64, y64, what):
    """What the network says of the loss of each sample against the twin's."""
    dtype = np.dtype(net.dtype).name
    expected = twin.per_sample_gradients(X64, y64)
    assert_close(net.per_sample_gradients(X, y), expected, dtype, f"per sample, {what}")
    norms = net.per_sample_gradient_norms(X, y)
    assert norms.dtype == np.float64, what
    expected = twin.per_sample_gradient_norms(X64, y64)
    assert_close(norms.astype(dtype), expected, dtype, f"norms per sample, {what}")
    _, deltas = twin.backpropagate_loss(X64, y64, np.full(len(X64), twin.loss_scale))
    actual, expected = net.input_gradient(X, y), twin.input_gradient(X64, y64)
    scale = scale_by_inputs(twin, deltas)
    assert_close(actual, expected, dtype, f"by inputs, {what}", least_scale=scale)


def assert_outputs_agree(net, twin, X, X64, what):
    """What the network says of its outputs against the twin's."""
    dtype = np.dtype(net.dtype).name
    assert_close(net.jacobian(X), twin.jacobian(X64), dtype, f"jacobian, {what}")
    outputs = range(twin.layer_sizes[-1])
    scale = max(scale_by_inputs(twin, twin.backpropagate_output(X64, k)[1]) for k in outputs)
    actual, expected = net.input_jacobian(X), twin.input_jacobian(X64)
    assert_close(actual, expected, dtype, f"input jacobian, {what}", least_scale=scale)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("activation", core.ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_combination_agrees_with_the_twin(build, dtype, activation, pair):
    rng = np.random.default_rng(0)
    grid = itertools.product(range(4), (True, False), (True, False), (True, False))
    for depth, fit_intercept, weighted, is_sparse in grid:
        layer_sizes = [11, 17, 9, 5][: depth + 1] + [3]
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            37,
            *pair,
            dtype=dtype,
            density=0.3 if is_sparse else 1.0,
            activation=activation,
            fit_intercept=fit_intercept,
            loss_scale=rng.choice([1.0, 2.0, 0.3]),
            reduction=rng.choice(["mean", "sum"]),
            l2=rng.choice([0.0, 0.01, 1.0]),
        )
        sample_weight = random_weights(rng, len(X), dtype) if weighted else None
        what = f"{net!r}, weighted={weighted}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, twin, inputs, y, sample_weight, what, dense_X=X)


SMOOTHED_PAIRS = list(itertools.product(("logistic", "softmax"), ("log_loss", "squared_error")))
SETTINGS = [
    *((pair, {"l1": l1}) for pair in PAIRS for l1 in (0.01, 1.0)),
    *((pair, {"label_smoothing": e}) for pair in SMOOTHED_PAIRS for e in (0.1, 0.9)),
    *(((output, "huber"), {"huber_delta": d}) for output in core.OUTPUTS for d in (0.05, 0.5)),
    *(
        ((output, "quantile"), {"quantile": q})
        for output in core.OUTPUTS
        for q in (0.1, 0.9, (0.1, 0.5, 0.9))
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_setting_of_the_objective_agrees_with_the_twin(build, dtype):
    """Beside a different activation in each layer."""
    rng = np.random.default_rng(0)
    names = list(core.ACTIVATIONS)
    for index, ((output, loss), settings) in enumerate(SETTINGS):
        depth, is_sparse = index % 4, index % 3 == 0
        net, twin, X, y = random_problem(
            rng,
            [11, 17, 9, 5][: depth + 1] + [3],
            37,
            output,
            loss,
            dtype=dtype,
            density=0.3 if is_sparse else 1.0,
            activation=[names[(index + 4 * layer) % len(names)] for layer in range(depth)],
            fit_intercept=index % 5 > 0,
            l2=0.01,
            **settings,
        )
        sample_weight = random_weights(rng, len(X), dtype) if index % 2 else None
        what = f"{net!r}, sparse={is_sparse}"
        inputs = sparse.csr_matrix(X) if is_sparse else X
        assert_agrees(net, twin, inputs, y, sample_weight, what, dense_X=X)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shape_agrees_with_the_twin(build, dtype, width):
    """``width`` as fan-in, hidden width and number of outputs, beside every other width."""
    rng = np.random.default_rng(width)
    for index, other in enumerate(WIDTHS):
        third = WIDTHS[(5 * index + width) % len(WIDTHS)]
        for layer_sizes in [width, other], [other, width, third], [third, other, width]:
            n_samples = ROWS[rng.integers(len(ROWS))]
            output, loss = PAIRS[rng.integers(len(PAIRS))]
            if loss == "squared_error" and output == "softmax" and layer_sizes[-1] == 1:
                output = "identity"  # a constant: nothing to compare but rounding
            net, twin, X, y = random_problem(
                rng, layer_sizes, n_samples, output, loss, dtype=dtype, activation="relu", l2=1e-4
            )
            what = f"{net!r}, {n_samples} rows"
            assert_agrees(net, twin, X, y, random_weights(rng, n_samples, dtype), what)


@pytest.mark.parametrize("n_samples", ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_rows_agrees_with_the_twin(build, dtype, n_samples):
    rng = np.random.default_rng(n_samples)
    for activation, layer_sizes in itertools.product(
        core.ACTIVATIONS, [(1, 1), (1, 10, 1), (7, 33, 2), (31, 16, 8, 3), (64, 100, 10)]
    ):
        for is_sparse in (False, True):
            net, twin, X, y = random_problem(
                rng,
                layer_sizes,
                n_samples,
                "identity",
                "squared_error",
                dtype=dtype,
                density=0.1 if is_sparse else 1.0,
                activation=activation,
            )
            inputs = sparse.csr_matrix(X) if is_sparse else X
            what = f"{net!r}, {n_samples} rows, sparse={is_sparse}"
            assert_agrees(net, twin, inputs, y, None, what, dense_X=X)


@pytest.mark.parametrize("layer_sizes", [(1020, 2), (700, 330, 4), (300, 500, 240, 10)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_more_rows_than_one_block_agree_with_the_twin(build, dtype, layer_sizes):
    """Rows this long leave the second-level cache after a few hundred: the core splits them."""
    rng = np.random.default_rng(0)
    for n_samples, is_sparse in (257, False), (600, True), (1030, False):
        net, twin, X, y = random_problem(
            rng,
            layer_sizes,
            n_samples,
            "logistic",
            "log_loss",
            dtype=dtype,
            density=0.05 if is_sparse else 1.0,
            activation="tanh",
            l2=1e-3,
        )
        inputs = sparse.csr_matrix(X) if is_sparse else X
        weights = random_weights(rng, n_samples, dtype)
        what = f"{net!r}, {n_samples} rows, sparse={is_sparse}"
        assert_agrees(
            net, twin, inputs, y, weights, what, dense_X=X, max_per_sample_entries=1_300_000
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_csr_in_every_form(build, dtype):
    """Empty rows and columns, stored zeros, unsorted and repeated indices, 64-bit indices."""
    rng = np.random.default_rng(3)
    n_samples, n_features, n_stored = 40, 300, 500
    rows = rng.integers(n_samples // 2, size=n_stored) * 2  # the odd rows stay empty
    columns = rng.integers(n_features // 2, size=n_stored)  # so do the columns on the right
    values = rng.normal(size=n_stored).astype(dtype)
    values[::7] = 0
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_samples))])
    unsorted = sparse.csr_matrix(
        (values[order], columns[order], indptr), shape=(n_samples, n_features)
    )
    assert not unsorted.has_sorted_indices and not unsorted.has_canonical_format
    long_indices = sparse.csr_array(unsorted)
    long_indices.indices = long_indices.indices.astype(np.int64)
    long_indices.indptr = long_indices.indptr.astype(np.int64)

    X = unsorted.toarray()
    net, twin, _, y = random_problem(
        rng, [n_features, 9, 2], n_samples, "logistic", "log_loss", dtype=dtype, activation="tanh"
    )
    for inputs in unsorted, long_indices, sparse.csr_matrix(X), sparse.csr_array(X):
        before = inputs.copy()
        assert_agrees(net, twin, inputs, y, None, repr(inputs), dense_X=X)
        for part in "data", "indices", "indptr":
            np.testing.assert_array_equal(getattr(inputs, part), getattr(before, part))


def extreme_pre_activations(output, loss, dtype):
    """0, +-40 and +-1000, but for exp, and for y/p in the gamma loss, only what cannot overflow."""
    values = [-40.0, -1.0, 0.0, 1.0, 40.0]
    if loss != "gamma":
        values.append(-1e3)
    if output != "exp" and (output, loss) != ("softmax", "gamma"):
        values.append(1e3)
    return np.array(values, dtype=dtype)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_outputs_have_a_finite_stable_loss(build, dtype, pair):
    """Weights 1 make the input the pre-activation, and the intercept's gradient is its delta."""
    output, loss = pair
    n_outputs = 2 if output == "softmax" else 1
    net = fastbp.Network([n_outputs, n_outputs], output_activation=output, loss=loss, dtype=dtype)
    net.coefs[0][:] = np.eye(n_outputs)
    net.intercepts[0][:] = 0
    twin = ReferenceNetwork.like(net)

    values = extreme_pre_activations(output, loss, dtype)
    z = np.array(list(itertools.product(values, repeat=n_outputs)), dtype=dtype)
    zero = 0.001 if loss == "gamma" else 0.0
    for targets in ([zero, 1.0], [1.0, zero], [0.25, 0.5]):
        y = np.tile(np.array(targets[:n_outputs], dtype=dtype), (len(z), 1))
        expected_deltas = twin.per_sample_gradients(z.astype(float), y.astype(float))
        deltas = net.per_sample_gradients(z, y)
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(deltas, expected_deltas, rtol=tolerance, atol=tolerance)
        # log(1+e^z) - y z keeps the relative precision even of a loss of e^-40.
        atol = 0 if pair == ("logistic", "log_loss") and y[0, 0] in (0, 1) else tolerance
        expected_losses = twin.sample_losses(z.astype(float), y.astype(float))
        losses = [net.loss(z[i : i + 1], y[i : i + 1]) for i in range(len(z))]
        assert np.isfinite(losses).all()
        np.testing.assert_allclose(losses, expected_losses, rtol=tolerance, atol=atol)


@pytest.mark.parametrize("activation", core.ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_hidden_units(build, dtype, activation):
    """Weights 1 again: the input is the pre-activation of every hidden unit."""
    z = np.array([[-1e3, -40, -20, -1e-3, 0, 1e-3, 20, 40, 1e3]], dtype=dtype).T
    y = -np.ones_like(z)  # so that an error reaches the unit at the kink too
    tolerance = TOLERANCE[dtype]
    for n_units in (1, 5, 17):
        net = fastbp.Network([1, n_units, 1], activation=activation, dtype=dtype)
        net.params[:] = 1
        for intercept in net.intercepts:
            intercept[:] = 0
        twin = ReferenceNetwork.like(net)
        # Relative to each value, even where the activation is as small as s(-40).
        _, (_, hidden, output) = twin.propagate(z)
        np.testing.assert_allclose(net.activations(z)[1], hidden, rtol=tolerance, atol=1e-30)
        # Not so the derivatives: s (1 - s) rounds to 0 where s rounds to 1.
        expected = twin.per_sample_gradients(z.astype(float), y.astype(float))
        scale = np.abs(expected) + (np.abs(output) + 1) * np.maximum(1, np.abs(z))
        error = np.abs(net.per_sample_gradients(z, y) - expected)
        assert (error <= tolerance * scale).all(), (n_units, error.max())


@pytest.mark.parametrize("n_units", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_derivative_of_relu_at_zero_is_zero(build, dtype, n_units):
    net = fastbp.Network([2, n_units, 1], activation="relu", dtype=dtype)
    net.params[:] = 1
    net.intercepts[0][:] = 0
    gradient = net.loss_gradient(np.array([[1.0, -1.0]], dtype=dtype), np.zeros((1, 1), dtype))
    np.testing.assert_array_equal(gradient.coefs[0], 0)
    np.testing.assert_array_equal(gradient.intercepts[0], 0)
    assert gradient.intercepts[1][0] == 1


def test_non_finite_pre_activations_are_not_hidden(build):
    """A network that overflowed says so by its loss; it does not return a plausible number."""
    for output, loss in PAIRS:
        net = fastbp.Network([2, 4, 2], activation="identity", output_activation=output, loss=loss)
        net.params[:] = np.nan
        assert np.isnan(net.loss(np.ones((3, 2)), np.ones((3, 2)))), (output, loss)
        assert np.isnan(net.forward(np.ones((3, 2)))).all(), (output, loss)


# The twin's own oracles: finite differences, and scikit-learn.
@pytest.mark.parametrize("pair", LOSSES, ids="-".join)
def test_the_twin_against_finite_differences(pair):
    rng = np.random.default_rng(1)
    for activation, fit_intercept in itertools.product(core.ACTIVATIONS, (True, False)):
        layer_sizes = (3, 5, 2, 4)
        n_params = 15 + 10 + 8 + (5 + 2 + 4 if fit_intercept else 0)
        arguments = dict(reduction="sum", l2=0.1, loss_scale=1.3, fit_intercept=fit_intercept)
        twin = ReferenceNetwork(layer_sizes, np.empty(n_params), activation, *pair, **arguments)
        twin.params = random_params(rng, twin)
        X = redraw_near_kinks(
            twin, rng.normal(size=(6, 3)), 1e-2, lambda n: rng.normal(size=(n, 3))
        )
        y, w = targets_off_kinks(rng, twin, X, 1e-2), rng.random(6)
        _, gradient = twin.loss_gradient(X, y, w)
        numeric = np.array([fourth_order_difference(twin, i, X, y, w) for i in range(n_params)])
        np.testing.assert_allclose(numeric, gradient, rtol=0, atol=1e-9 * np.abs(gradient).max())


def fourth_order_difference(twin, i, X, y, w, step=1e-4):
    def loss_at(offset):
        params = twin.params.copy()
        params[i] += offset
        moved = ReferenceNetwork(**{**vars(twin), "params": params})
        return moved.loss(X, y, w)

    first = loss_at(step) - loss_at(-step)
    second = loss_at(2 * step) - loss_at(-2 * step)
    return (8 * first - second) / (12 * step)


@pytest.mark.parametrize("solver", ["nesterov", "momentum", "adam", "invscaling"])
@pytest.mark.parametrize("kind", ["regressor", "binary", "multiclass"])
def test_the_twin_trains_as_scikit_learn(kind, solver):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 4))
    y = {"regressor": X[:, 0] - X[:, 1], "binary": X[:, 0] > 0}.get(kind, rng.integers(3, size=50))
    estimator_class = MLPRegressor if kind == "regressor" else MLPClassifier
    arguments = dict(hidden_layer_sizes=(6, 5), batch_size=16, alpha=0.1, random_state=7)
    arguments |= dict(learning_rate_init=0.01, activation="tanh", max_iter=8)
    optimizer, schedule = Adam(0.01), None
    if solver != "adam":
        arguments |= dict(solver="sgd", nesterovs_momentum=solver != "momentum")
        optimizer = SGD(0.01, nesterov=solver != "momentum")
    if solver == "invscaling":
        arguments |= dict(learning_rate="invscaling")
        schedule = lambda rows_seen: 0.01 / np.sqrt(rows_seen + 1)  # noqa: E731
    estimator = estimator_class(**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)

    # Start where scikit-learn started: it draws the weights layer by layer, then each shuffle.
    random_state = np.random.RandomState(7)
    layer_sizes = (4, 6, 5, 3 if kind == "multiclass" else 1)
    output = {"regressor": "identity", "binary": "logistic"}.get(kind, "softmax")
    loss = "squared_error" if kind == "regressor" else "log_loss"
    parts = [
        random_state.uniform(-bound, bound, shape)
        for fan_in, fan_out in itertools.pairwise(layer_sizes)
        for bound in [np.sqrt(6 / (fan_in + fan_out))]
        for shape in [(fan_in, fan_out), fan_out]
    ]
    params = np.concatenate([part.ravel() for part in parts[::2] + parts[1::2]])
    twin = ReferenceNetwork(layer_sizes, params, "tanh", output, loss)
    targets = np.eye(3)[y] if kind == "multiclass" else np.reshape(y, (-1, 1)).astype(float)
    row_orders, order = [], np.arange(50)
    for _ in range(8):
        order = shuffle(order, random_state=random_state)
        row_orders.append(order)
    losses = train(twin, optimizer, X, targets, row_orders, 16, alpha=0.1, schedule=schedule)

    expected = np.concatenate([part.ravel() for part in estimator.coefs_ + estimator.intercepts_])
    np.testing.assert_allclose(twin.params, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(losses, estimator.loss_curve_, rtol=1e-10)
