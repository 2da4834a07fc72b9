"""Masked arrays, and numbers that no float can be."""

import numpy as np
import pytest
from problems import CUT_SHORT, ESTIMATORS, assert_equal_networks, make_task, tiny

from fastbp import BackpropRegressor, Network

pytestmark = CUT_SHORT


def masked(array, place=3):
    mask = np.zeros(array.shape, dtype=bool)
    mask.flat[place] = True
    return np.ma.array(array, mask=mask)


@ESTIMATORS
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"])
def test_a_mask_is_refused(cls, name):
    X, y = make_task(cls)
    weights = np.ones(len(y))
    arguments = dict(X=X, y=y, sample_weight=weights, X_val=X, y_val=y, sample_weight_val=weights)
    fitted = tiny(cls).fit(**arguments)
    arguments[name] = masked(arguments[name])
    words = f"{name.removesuffix('_val')}.* has 1 masked entry, and masks are not supported: fill"
    for estimator, method in (tiny(cls), "fit"), (fitted, "partial_fit"):
        before = vars(estimator).copy()
        with pytest.raises(ValueError, match=words):
            getattr(estimator, method)(**arguments)
        assert vars(estimator) == before


@ESTIMATORS
def test_predictions_refuse_a_mask(cls):
    X, y = make_task(cls)
    fitted = tiny(cls).fit(X, y)
    for method in "predict", "transform":
        with pytest.raises(ValueError, match="X has 1 masked entry"):
            getattr(fitted, method)(masked(X))


@ESTIMATORS
def test_nothing_masked_is_taken(cls):
    X, y = make_task(cls)
    weights = np.linspace(1, 2, len(y))
    plain = tiny(cls).fit(X, y, weights)
    for mask in False, np.zeros(X.shape, dtype=bool):
        X_masked = np.ma.array(X, mask=mask)
        other = tiny(cls).fit(X_masked, np.ma.array(y), np.ma.array(weights))
        assert_equal_networks(plain, other)
        np.testing.assert_array_equal(plain.predict(X), other.predict(X_masked))


def test_networks_and_weights():
    net = Network([4, 3], random_state=0)
    X, Y = np.ones((6, 4)), np.ones((6, 3))
    for call in (
        lambda: net.forward(masked(X)),
        lambda: net.loss(X, masked(Y)),
        lambda: net.loss(X, Y, masked(np.ones(6))),
        lambda: Network([4, 3], output_activation="softmax", loss="log_loss").loss(
            X, masked(np.zeros(6, int))
        ),
    ):
        with pytest.raises(ValueError, match="has 1 masked entry"):
            call()
    fitted = tiny(BackpropRegressor, batch_size=3).fit(X, Y)
    with pytest.raises(ValueError, match=r"coefs_\[0\] has 1 masked entry"):
        fitted.coefs_[0] = masked(fitted.coefs_[0])


REAL = ["alpha", "tol", "power_t", "epsilon", "weight_decay", "max_time", "learning_rate_init"]


@ESTIMATORS
@pytest.mark.parametrize("name", [*REAL, "max_grad_norm", "warmup_epochs", "checkpoint_interval"])
def test_a_number_that_no_float_can_be(cls, name):
    X, y = make_task(cls)
    estimator = tiny(cls, **{name: 10**400})
    with pytest.raises(ValueError, match=rf"'{name}' parameter of {cls.__name__} is larger than"):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize("name", ["l2", "l1", "loss_scale", "huber_delta"])
def test_a_setting_that_no_float_can_be(name):
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        Network([4, 3], **{name: 10**400})


def test_weights_that_no_float_can_be():
    X, y = make_task(BackpropRegressor)
    with pytest.raises(ValueError, match="sample_weight must hold numbers: int too large"):
        tiny(BackpropRegressor).fit(X, y, [10**400] * len(y))
