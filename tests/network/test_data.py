"""The data that a Network takes, in every form, and what it refuses."""

import copy

import numpy as np
import pytest
from problems import SIZES, make_data
from reference import SMOOTHED_OUTPUTS
from scipy import sparse

import fastbp


def bad_data():
    X, y = make_data()
    w = np.ones(6)
    hole = X.copy()
    hole[2, 1] = np.nan
    infinite = X.copy()
    infinite[0, 0] = np.inf
    y_hole = y.copy()
    y_hole[3, 0] = np.nan
    w_hole = w.copy()
    w_hole[1] = np.nan
    return {
        "X of one dimension": (X[0], y, None),
        "X of three dimensions": (X[None], y, None),
        "X with a column too few": (X[:, :2], y, None),
        "X with a column too many": (np.c_[X, X], y, None),
        "sparse X with a column too few": (sparse.csr_matrix(X[:, :2]), y, None),
        "X without rows": (X[:0], y[:0], None),
        "X None": (None, y, None),
        "X of strings": (np.full((6, 3), "a"), y, None),
        "X complex": (X + 1j, y, None),
        "X with NaN": (hole, y, None),
        "X with infinity": (infinite, y, None),
        "sparse X with NaN": (sparse.csr_matrix(hole), y, None),
        "y None": (X, None, None),
        "y with a row too few": (X, y[:5], None),
        "y with a column too few": (X, y[:, :1], None),
        "y of three dimensions": (X, y[:, :, None], None),
        "y with NaN": (X, y_hole, None),
        "weights too few": (X, y, w[:5]),
        "weights of two dimensions": (X, y, w[:, None] * np.ones(2)),
        "weights with NaN": (X, y, w_hole),
        "weights with a negative one": (X, y, -np.eye(6)[0]),
        "weights all zero": (X, y, 0 * w),
        "weights of strings": (X, y, ["heavy"] * 6),
    }


@pytest.mark.parametrize("case", bad_data())
def test_bad_data_is_refused(case):
    net = fastbp.Network([3, 4, 2], random_state=0)
    X, y, sample_weight = bad_data()[case]
    for function in net.loss, net.loss_gradient:
        with pytest.raises((ValueError, TypeError)) as error:
            function(X, y, sample_weight)
        assert len(str(error.value)) > 10
    if sample_weight is None:
        with pytest.raises((ValueError, TypeError)):
            net.per_sample_gradients(X, y)
    if case.startswith(("X", "sparse X")):
        for function in net.forward, net.activations:
            with pytest.raises((ValueError, TypeError)):
                function(X)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_integer_labels_equal_one_hot(build, dtype):
    net = fastbp.Network(
        [3, 5, 4], output_activation="softmax", loss="log_loss", dtype=dtype, random_state=0
    )
    X, _ = make_data()
    labels = np.array([0, 3, 1, 1, 2, 0])
    one_hot = np.eye(4)[labels]
    weights = np.arange(1.0, 7.0)
    for y in labels, labels.astype(np.int8), labels.astype(np.uint32), labels.tolist():
        assert net.loss(X, y, weights) == net.loss(X, one_hot, weights)
        actual = net.loss_gradient(X, y, weights).flat
        np.testing.assert_array_equal(actual, net.loss_gradient(X, one_hot, weights).flat)
        actual = net.per_sample_gradients(X, y)
        np.testing.assert_array_equal(actual, net.per_sample_gradients(X, one_hot))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4, 0], [0, 1, -1, 2, 3, 0]])
def test_labels_outside_the_outputs_are_refused(labels):
    net = fastbp.Network([3, 5, 4], output_activation="softmax", loss="log_loss")
    with pytest.raises(ValueError):
        net.loss(make_data()[0], np.array(labels))


@pytest.mark.parametrize(
    ("output", "loss", "target"),
    [
        ("logistic", "log_loss", 1.5),
        ("logistic", "log_loss", -0.25),
        ("softmax", "log_loss", -0.25),
        ("exp", "poisson", -0.25),
        ("logistic", "poisson", -0.25),
        ("exp", "gamma", -0.25),
        ("exp", "gamma", 0.0),
        ("softmax", "gamma", 0.0),
    ],
)
def test_targets_that_the_loss_cannot_take_are_refused_by_value(output, loss, target):
    net = fastbp.Network(SIZES, output_activation=output, loss=loss)
    X, y = make_data()
    y[3, 1] = target
    for function in net.loss, net.loss_gradient, net.per_sample_gradients:
        with pytest.raises(ValueError, match=str(target)):
            function(X, y)


@pytest.mark.parametrize("output", SMOOTHED_OUTPUTS)
@pytest.mark.parametrize("target", [1.5, -0.25])
def test_targets_that_cannot_be_smoothed_are_refused_by_value(output, target):
    X, y = make_data()
    y[3, 1] = target
    settings = dict(output_activation=output, loss="squared_error")
    fastbp.Network(SIZES, **settings).loss(X, y)
    with pytest.raises(ValueError, match=str(target)):
        fastbp.Network(SIZES, **settings, label_smoothing=0.1).loss(X, y)


def test_one_output_takes_targets_of_one_dimension():
    net = fastbp.Network([3, 4, 1], random_state=0)
    X, y = make_data(n_outputs=1)
    assert net.loss(X, y.ravel()) == net.loss(X, y)
    actual = net.loss_gradient(X, y.ravel()).flat
    np.testing.assert_array_equal(actual, net.loss_gradient(X, y).flat)


def misaligned(array):
    buffer = np.zeros(array.nbytes + 1, dtype=np.uint8)
    copied = buffer[1:].view(array.dtype).reshape(array.shape)
    copied[:] = array
    assert not copied.flags.aligned
    return copied


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "list": np.ndarray.tolist,
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "negative strides": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
    "misaligned": misaligned,
    "longer float": lambda array: array.astype(np.longdouble),
}


@pytest.mark.parametrize("form", FORMS)
def test_data_in_every_form_gives_the_same_numbers(form):
    net = fastbp.Network([3, 5, 2], activation="tanh", random_state=0)
    X, y = make_data()
    convert = FORMS[form]
    weights = convert(np.arange(1.0, 7.0)[:, None])
    weights = [row[0] for row in weights] if form == "list" else weights[:, 0]
    inputs, targets = convert(X), convert(y)
    kept = copy.deepcopy((inputs, targets, weights))
    expected = net.loss_gradient(X, y, np.arange(1.0, 7.0))
    actual = net.loss_gradient(inputs, targets, weights)
    assert actual.loss == expected.loss
    np.testing.assert_array_equal(actual.flat, expected.flat)
    np.testing.assert_array_equal(net.forward(inputs), net.forward(X))
    np.testing.assert_array_equal(
        net.per_sample_gradients(inputs, targets), net.per_sample_gradients(X, y)
    )
    for now, then in zip((inputs, targets, weights), kept, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16", "uint8"])
def test_other_number_types_are_converted(dtype):
    net = fastbp.Network([3, 5, 2], activation="tanh", random_state=0)
    X, y = make_data()
    inputs, targets = (10 * X).clip(0).astype(dtype), (3 * y).astype(dtype)
    expected = net.loss_gradient(inputs.astype(float), targets.astype(float)).flat
    np.testing.assert_array_equal(net.loss_gradient(inputs, targets).flat, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_have_the_dtype_of_the_network(dtype):
    net = fastbp.Network(SIZES, dtype=dtype)
    for X, y in [make_data(), [part.astype("float32") for part in make_data()]]:
        gradient = net.loss_gradient(X, y)
        arrays = [net.forward(X), gradient.flat, net.per_sample_gradients(X, y)]
        arrays += [*net.activations(X), *gradient.coefs, *gradient.intercepts]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def test_a_row_of_weight_zero_counts_for_nothing():
    net = fastbp.Network(SIZES, random_state=0)
    X, y = make_data()
    weights = np.array([1.0, 0, 2, 0, 1, 3])
    kept = weights > 0
    expected = net.loss_gradient(X[kept], y[kept], weights[kept])
    actual = net.loss_gradient(X, y, weights)
    assert actual.loss == pytest.approx(expected.loss, rel=1e-14)
    np.testing.assert_allclose(actual.flat, expected.flat, rtol=0, atol=1e-14)


def test_weights_equal_repeated_rows():
    X, y = make_data()
    counts = np.array([1, 3, 2, 1, 4, 1])
    for reduction in "mean", "sum":
        net = fastbp.Network(SIZES, reduction=reduction, l2=0.1, random_state=0)
        expected = net.loss_gradient(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
        actual = net.loss_gradient(X, y, counts)
        assert actual.loss == pytest.approx(expected.loss, rel=1e-13)
        scale = np.abs(expected.flat).max()
        np.testing.assert_allclose(actual.flat, expected.flat, rtol=0, atol=1e-13 * scale)
