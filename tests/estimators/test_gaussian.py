"""loss="gaussian": a mean and a standard deviation that depend on X."""

import numpy as np
import pytest
from problems import CUT_SHORT, make_regression, small
from scipy.stats import norm
from sklearn.base import clone
from sklearn.metrics import r2_score

from fastbp import BackpropRegressor, Network

pytestmark = CUT_SHORT


def scattered(n, seed=0):
    """Normal targets whose mean is a wave, and whose standard deviation grows with x."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    std = np.exp(x - 0.5)
    return x[:, None], np.sin(2 * x) + std * rng.standard_normal(n), np.sin(2 * x), std


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_mean_and_deviation_are_found(solver):
    X, y, mean, std = scattered(4000)
    model = BackpropRegressor(
        (20,), loss="gaussian", activation="tanh", solver=solver, learning_rate_init=0.01,
        max_iter=60 if solver == "adam" else 200, random_state=0,
    ).fit(X, y)  # fmt: skip
    found_mean, found_std = model.predict(X, return_std=True)
    assert found_mean.shape == found_std.shape == y.shape
    assert np.abs(found_mean - mean).mean() < 0.1
    assert np.abs(np.log(found_std / std)).mean() < 0.1
    np.testing.assert_array_equal(model.predict(X), found_mean)
    assert model.score(X, y) == pytest.approx(r2_score(y, found_mean))
    # 90 % intervals hold 90 % of new targets
    X, y, *_ = scattered(4000, seed=1)
    found_mean, found_std = model.predict(X, return_std=True)
    covered = np.abs(y - found_mean) <= norm.ppf(0.95) * found_std
    assert 0.88 < covered.mean() < 0.92


def test_the_loss_is_the_negative_log_likelihood():
    X, y = make_regression()
    model = small(BackpropRegressor, loss="gaussian", alpha=0.0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    expected = -norm.logpdf(y, mean, std).mean() - 0.5 * np.log(2 * np.pi)
    assert model.network_.loss(X, y) == pytest.approx(expected, rel=1e-12)


def test_a_constant_is_fitted_by_mean_and_deviation():
    """Without inputs that matter, the minimum is known."""
    y = np.random.default_rng(0).gamma(2.0, size=200)
    model = BackpropRegressor(
        (), loss="gaussian", solver="lbfgs", alpha=0.0, tol=1e-10, random_state=0
    ).fit(np.zeros((200, 1)), y)
    mean, std = model.predict([[0.0]], return_std=True)
    assert mean[0] == pytest.approx(y.mean(), abs=1e-6)
    assert std[0] == pytest.approx(y.std(), rel=1e-6)


def test_targets_without_scatter_stay_finite():
    X = np.linspace(-1, 1, 50)[:, None]
    model = BackpropRegressor(
        (), loss="gaussian", learning_rate="cosine", learning_rate_init=0.1, max_iter=500,
        n_iter_no_change=500, random_state=0,
    ).fit(X, np.zeros(50))  # fmt: skip
    assert np.isfinite(model.network_.params).all()
    assert np.isfinite(model.loss_curve_).all()
    assert model.predict(X, return_std=True)[1].max() < 0.1


def test_early_stopping_watches_the_loss():
    X, y = make_regression()
    model = small(BackpropRegressor, loss="gaussian").fit(X, y, X_val=X, y_val=y)
    np.testing.assert_array_equal(
        model.validation_scores_, np.negative(model.validation_loss_curve_)
    )
    scored = small(BackpropRegressor, loss="gaussian", scoring="r2").fit(X, y, X_val=X, y_val=y)
    assert scored.validation_scores_[-1] == pytest.approx(scored.score(X, y))


def test_what_it_is_not_for():
    X, y = make_regression(n_outputs=2)
    with pytest.raises(ValueError, match=r"loss='gaussian' needs a y of one column, got 2"):
        small(BackpropRegressor, loss="gaussian").fit(X, y)
    with pytest.raises(ValueError, match=r"return_std=True needs loss='gaussian', got loss='squ"):
        small(BackpropRegressor).fit(X, y).predict(X, return_std=True)
    with pytest.raises(ValueError, match="undefined for output_activation='exp'"):
        small(BackpropRegressor, loss="gaussian", output_activation="exp").fit(X, abs(y[:, 0]))
    with pytest.raises(ValueError, match="needs 1 output more than there are targets"):
        Network([2, 1], loss="gaussian")
    fitted = small(BackpropRegressor, loss="gaussian").fit(X, y[:, 0])
    before = fitted.predict(X)
    fitted.set_params(loss="squared_error")
    np.testing.assert_array_equal(fitted.predict(X), before)
    assert clone(fitted).loss == "squared_error"
