"""The warning that training has not converged says what to scale."""

import re
import warnings

import numpy as np
import pytest
from internals import OPTIMIZERS
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor
from fastbp.training.scales import root_mean_squares

OF_SKLEARN = (
    "Stochastic Optimizer: Maximum iterations (2) reached and the optimization "
    "hasn't converged yet."
)
rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3))
LARGE_X = X * [1.0, 5e4, 100.0]


def advice_of(cls, X, y, **params):
    """What follows after scikit-learn's sentence, and after that about a loss that is too large."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cls((3,), max_iter=2, random_state=0, **params).fit(X, y)
    (warning,) = (one for one in caught if one.category is ConvergenceWarning)
    said = str(warning.message)
    assert said.startswith(OF_SKLEARN)
    return re.sub(r" The fit is worse than .* constant \S+\.(?= |$)", "", said[len(OF_SKLEARN) :])


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csr_array, np.float32])
def test_the_largest_column_is_named(solver, form):
    size = np.sqrt(np.mean(LARGE_X[:, 1] ** 2))
    expected = (
        f" Column 1 of X has a root mean square of {size:.3g}: scale X, for example "
        "with StandardScaler."
    )
    params = {"solver": solver, "learning_rate_init": 1e-9}
    assert advice_of(BackpropRegressor, form(LARGE_X), X[:, 0], **params) == expected
    assert advice_of(BackpropClassifier, form(LARGE_X), X[:, 0] > 0, **params) == expected


@pytest.mark.parametrize("y", [1000 * X[:, 0], 1000 * X[:, :2], X[:, 0] + 500, X[:, 0] / 1000])
def test_large_and_small_targets(y):
    said = advice_of(BackpropRegressor, X, y)
    size = np.sqrt(np.mean(np.square(y), axis=0)).max()
    assert said.startswith(f" y has a root mean square of {size:.3g}: scale it, ")
    assert "TransformedTargetRegressor" in said


@pytest.mark.parametrize("power", [-1000, -600, 0, 600, 1000])
def test_numbers_whose_squares_are_beyond_float64(power):
    columns = np.hstack([X, np.zeros((50, 1))])
    sizes = root_mean_squares(np.ldexp(columns, power))
    np.testing.assert_allclose(np.ldexp(sizes, -power), root_mean_squares(columns), rtol=1e-14)
    most = np.full((50, 1), np.finfo(float).max)
    assert root_mean_squares(most) == most[0]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_size_of_extreme_targets_is_told(size):
    said = advice_of(BackpropRegressor, X, size * X[:, 0], loss="absolute_error")
    assert f" y has a root mean square of {size * np.sqrt(np.mean(X[:, 0] ** 2)):.3g}: " in said


def test_both():
    said = advice_of(BackpropRegressor, LARGE_X, 1000 * X[:, 0], learning_rate_init=1e-9)
    assert "StandardScaler" in said and "scale it as well" in said


def test_a_mean_of_counts_may_be_large():
    """The output exp reaches it: nothing is to be scaled."""
    y = rng.poisson(200, 50)
    assert advice_of(BackpropRegressor, X, y, loss="poisson") == ""


def test_nothing_is_said_of_data_that_train_as_they_are():
    assert advice_of(BackpropRegressor, X, X[:, 0]) == ""
    assert advice_of(BackpropClassifier, *load_digits(return_X_y=True)) == ""
    diabetes = load_diabetes(scaled=False)
    said = advice_of(BackpropRegressor, diabetes.data, diabetes.target)
    assert said.startswith(" Column 4 of X ")
    assert "y has" in said


# --- validation samples ---


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, np.float32])
@pytest.mark.parametrize("factor", [0.2, 5.0, 1e10])
def test_validation_samples_of_another_scale(form, factor):
    size, size_val = (np.sqrt(np.mean(np.square(one))) for one in (X, X[:9] * factor))
    expected = f"X_val has a root mean square of {size_val:.3g}, but X one of {size:.3g}: scale "
    with pytest.warns(UserWarning) as caught:
        BackpropRegressor((3,), max_iter=1, learning_rate_init=1e-12).partial_fit(
            form(X), X[:, 0], X_val=form(X[:9] * factor), y_val=X[:9, 0]
        )
    (warning,) = caught
    assert str(warning.message).startswith(expected)


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_nothing_is_said_of_those_that_are_alike(factor, form):
    BackpropRegressor((3,), max_iter=1).partial_fit(
        form(X), X[:, 0], X_val=form(factor * X[:9]), y_val=X[:9, 0]
    )


@pytest.mark.parametrize(
    ("X_val", "y_val", "error", "message"),
    [
        (np.full((9, 3), np.nan), X[:9, 0], ValueError, "Input X contains NaN"),
        (X[:9, :2], X[:9, 0], ValueError, "X has 2 features"),
        (X[:9], X[:5, 0], ValueError, "inconsistent numbers of samples"),
        (X[:9], np.full(9, np.inf), ValueError, "Input y contains infinity"),
    ],
)
def test_errors_name_the_validation_samples(X_val, y_val, error, message):
    with pytest.raises(error, match=f"^X_val and y_val cannot be used. .*{message}"):
        BackpropRegressor((3,), max_iter=1).fit(X, X[:, 0], X_val=X_val, y_val=y_val)
