"""Network.copy: other settings, the same parameters, nothing shared; and jacobian's out."""

import numpy as np
import pytest
from scipy import sparse

from fastbp import Network

X = np.random.default_rng(0).normal(size=(7, 3))


def make_network(**settings):
    defaults = {"activation": "tanh", "l2": 0.1, "random_state": 0}
    return Network([3, 4, 2], **{**defaults, **settings})


def test_a_copy_has_the_same_settings_and_parameters_of_its_own():
    net = make_network(quantile=(0.2, 0.7), loss="quantile", label_smoothing=0.0)
    twin = net.copy()
    assert repr(twin) == repr(net)
    np.testing.assert_array_equal(twin.params, net.params)
    twin.params += 1
    assert not np.isclose(twin.params, net.params).any()
    np.testing.assert_array_equal(twin.coefs[0].ravel(), twin.params[:12])


@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "relu"},
        {"activation": ["gelu"]},
        {"output_activation": "softmax", "loss": "log_loss", "label_smoothing": 0.1},
        {"loss": "huber", "huber_delta": 0.5},
        {"l2": 0.0, "l1": 0.3, "loss_scale": 2.0, "reduction": "sum"},
    ],
)
def test_changed_settings_are_those_of_a_network_made_with_them(settings):
    net = make_network()
    changed, made = net.copy(**settings), make_network(**settings)
    made.params = net.params
    Y = np.random.default_rng(1).uniform(size=(7, 2))
    assert repr(changed) == repr(made)
    assert changed.loss(X, Y) == made.loss(X, Y)


def test_another_dtype():
    net = make_network()
    single = net.copy(dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single.params, net.params.astype(np.float32))
    np.testing.assert_allclose(single.forward(X), net.forward(X), rtol=1e-4, atol=1e-6)


def test_a_users_loss_is_shared():
    class Loss:
        def loss(self, y, outputs):
            return ((outputs - y) ** 2).sum(axis=1)

        def gradient(self, y, outputs):
            return 2 * (outputs - y)

    loss = Loss()
    assert make_network(loss=loss).copy(l2=0.0).loss_name is loss


@pytest.mark.parametrize(
    "settings, error",
    [
        ({"layer_sizes": [3, 2]}, TypeError),
        ({"random_state": 1}, TypeError),
        ({"lr": 1}, TypeError),
        ({"activation": ["relu", "relu"]}, ValueError),
        ({"loss": "log_loss"}, ValueError),
        ({"l2": -1.0}, ValueError),
        ({"fit_intercept": False}, ValueError),
    ],
)
def test_what_cannot_be_changed_is_refused(settings, error):
    net = make_network()
    before = repr(net)
    with pytest.raises(error):
        net.copy(**settings)
    assert repr(net) == before


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_the_jacobian_is_written_into_out(dtype, convert):
    net = make_network(dtype=dtype)
    expected = net.jacobian(convert(X))
    out = np.full(expected.shape, np.nan, dtype)
    assert net.jacobian(convert(X), out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((7, 2, 25)),
        np.empty((7, 2, 26), dtype=np.float32),
        np.empty((7, 2, 52))[:, :, ::2],
        np.empty((26, 2, 7)).T,
        [[0.0]],
        np.broadcast_to(0.0, (7, 2, 26)),
    ],
)
def test_an_out_that_cannot_take_the_jacobian_is_refused(out):
    with pytest.raises(ValueError, match=r"out must be .*\(7, 2, 26\) and dtype float64, got"):
        make_network().jacobian(X, out=out)
