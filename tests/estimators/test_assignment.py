"""coefs_ and intercepts_ are assigned, as users of scikit-learn's MLP do it."""

import copy
import pickle

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    SCIKIT,
    assert_equal_networks,
    assert_same_state,
    make_named_task,
    make_regression,
    public_state,
    small,
)
from sklearn.base import clone

from fastbp import BackpropRegressor

pytestmark = CUT_SHORT

KINDS = pytest.mark.parametrize("kind", ["coefs_", "intercepts_"])
# What changes a list in place, besides the assignment of items.
REFUSED = sorted(
    set(dir(list)) - set(dir(tuple)) - {"copy", "__setitem__", "__reversed__", "__class_getitem__"}
)


@pytest.fixture
def fitted():
    return small(BackpropRegressor).fit(*make_regression())


def plain(arrays):
    return [np.array(one) for one in arrays]


def assert_equal_arrays(arrays, others):
    for one, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(one, other)


@ESTIMATORS
@pytest.mark.parametrize("make", [list, tuple, lambda arrays: [one.tolist() for one in arrays]])
def test_the_weights_of_another_estimator(cls, make):
    X, y = make_named_task(cls)
    donor, estimator = small(cls, random_state=7).fit(X, y), small(cls).fit(X, y)
    estimator.coefs_ = make(plain(donor.coefs_))
    estimator.intercepts_ = make(plain(donor.intercepts_))
    assert_equal_networks(estimator, donor)
    np.testing.assert_array_equal(estimator.predict(X), donor.predict(X))


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_federated_averaging(cls, solver):
    """The code of such a round, beside scikit-learn's MLP: averages, assigned, trained further."""
    X, y = make_named_task(cls)
    first = {"classes": np.unique(y)} if cls.__name__ == "BackpropClassifier" else {}
    predictions = []
    for one in cls, SCIKIT[cls]:
        clients = [small(one, solver=solver, random_state=seed, alpha=0.01) for seed in range(3)]
        for _ in range(2):
            for client in clients:
                client.partial_fit(X, y, **first)
            for kind in "coefs_", "intercepts_":
                averages = [
                    np.mean(layer, axis=0)
                    for layer in zip(*(getattr(c, kind) for c in clients), strict=True)
                ]
                for client in clients:
                    setattr(client, kind, plain(averages))
        predict = "predict_proba" if first else "predict"
        predictions.append(getattr(clients[0], predict)(X))
    np.testing.assert_allclose(*predictions, rtol=1e-9)


@KINDS
def test_an_item(fitted, kind):
    arrays = getattr(fitted, kind)
    expected = [one.copy() for one in arrays]
    given = expected[1] = expected[1] + 1
    getattr(fitted, kind)[1] = given
    assert_equal_arrays(getattr(fitted, kind), expected)
    assert_equal_arrays(arrays, expected)
    assert arrays[1] is not given, "the user's array is copied"
    assert np.shares_memory(arrays[1], fitted.network_.params)
    getattr(fitted, kind)[-1] -= 2
    expected[-1] -= 2
    assert_equal_arrays(arrays, expected)
    getattr(fitted, kind)[:2] = expected[:2] = [2 * expected[0], 3 * expected[1]]
    assert_equal_arrays(arrays, expected)


def test_arrays_of_the_network_itself():
    """What is read while other layers are written is what stood there before."""
    X, y = make_regression()
    estimator = small(BackpropRegressor, hidden_layer_sizes=(4, 4)).fit(X, y)
    first, second, last = plain(estimator.coefs_)
    coefs = estimator.coefs_
    estimator.coefs_ = [coefs[1], coefs[0].T, coefs[2]]
    assert_equal_arrays(estimator.coefs_, [second, first.T, last])
    estimator.coefs_ = estimator.coefs_
    assert_equal_arrays(estimator.coefs_, [second, first.T, last])


@KINDS
def test_it_is_a_list(fitted, kind):
    arrays = getattr(fitted, kind)
    assert isinstance(arrays, list) and len(arrays) == 3
    assert type(arrays + arrays) is type(arrays[1:]) is type(arrays.copy()) is list
    assert len(fitted.coefs_ + fitted.intercepts_) == 6
    for one in arrays:
        assert np.shares_memory(one, fitted.network_.params)
    copies = [
        copy.copy(arrays),
        copy.deepcopy(arrays),
        *(pickle.loads(pickle.dumps(arrays, version)) for version in range(6)),
    ]
    for twin in copies:
        assert type(twin) is list
        assert_equal_arrays(twin, arrays)
    assert copies[0][0] is arrays[0]
    assert not np.shares_memory(copies[1][0], arrays[0])
    assert arrays == list(arrays)
    assert repr(arrays) == repr(list(arrays))


@KINDS
@pytest.mark.parametrize("method", REFUSED)
def test_what_would_change_the_layers_is_refused(fitted, kind, method):
    before = public_state(fitted)
    arrays = getattr(fitted, kind)
    arguments = {"insert": (0, arrays[0]), "__imul__": (2,), "__delitem__": (0,)}
    arguments |= dict.fromkeys(["append", "remove"], (arrays[0],))
    arguments |= dict.fromkeys(["extend", "__iadd__"], ([arrays[0]],))
    with pytest.raises(TypeError, match=rf"{kind} has one array per layer.*estimator.{kind} = "):
        getattr(arrays, method)(*arguments.get(method, ()))
    assert len(arrays) == 3
    assert_same_state(before, public_state(fitted))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda c: None, TypeError, "coefs_ must be a list of arrays, one per layer, got None"),
        (lambda c: 3, TypeError, "got 3"),
        (lambda c: c[:2], ValueError, "coefs_ holds 2 arrays; this network has 3 layers"),
        (
            lambda c: [c[0], c[1], c[2].T],
            ValueError,
            r"coefs_\[2\] has shape \(1, 5\); \(5, 1\) is",
        ),
        (lambda c: [c[0], c[1], None], TypeError, r"coefs_\[2\] is None"),
        (lambda c: [c[0] + 1, c[1] + np.nan, c[2]], ValueError, r"coefs_\[1\] contains NaN"),
        (lambda c: [c[0], c[1], c[2] - np.inf], ValueError, r"coefs_\[2\] contains infinity"),
        (lambda c: [c[0] + 1, c[1] + 0j, c[2]], ValueError, r"Complex .* coefs_\[1\] has dtype"),
        (lambda c: [c[0].astype(str), *c[1:]], ValueError, r"coefs_\[0\] must hold numbers"),
        (lambda c: [c[0].astype("timedelta64[s]"), *c[1:]], ValueError, "must hold numbers"),
        (lambda c: [[[10**400] * 6] * 4, *c[1:]], ValueError, r"coefs_\[0\] must hold numbers"),
    ],
)
def test_wrong_weights_change_nothing(fitted, change, error, words):
    before, coefs = public_state(fitted), plain(fitted.coefs_)
    with pytest.raises(error, match=words):
        fitted.coefs_ = change(coefs)
    if isinstance(change(coefs), list):
        for place, one in enumerate(change(coefs)):
            # of a list of which one array is wrong, the others are as they were, or one more
            kind = getattr(one, "dtype", None)
            if kind == coefs[place].dtype and np.array_equal(one, coefs[place] + 1):
                continue
            if one is not coefs[place]:
                with pytest.raises(error, match=words):
                    fitted.coefs_[place] = one
    assert_same_state(before, public_state(fitted))


def test_wrong_items(fitted):
    before = public_state(fitted)
    with pytest.raises(IndexError, match="out of range"):
        fitted.coefs_[3] = fitted.coefs_[0]
    with pytest.raises(TypeError, match="indices must be integers"):
        fitted.coefs_["0"] = fitted.coefs_[0]
    with pytest.raises(ValueError, match="coefs_ holds 2 arrays"):
        fitted.coefs_[:2] = [fitted.coefs_[0]]
    assert_same_state(before, public_state(fitted))


def test_numbers_that_float32_lacks():
    X, y = make_regression()
    estimator = small(BackpropRegressor).fit(X.astype(np.float32), y)
    with pytest.raises(
        ValueError, match=r"intercepts_\[2\] contains a value too large for float32"
    ):
        estimator.intercepts_[2] = [1e300]
    estimator.coefs_ = [coef.astype(np.float64) for coef in estimator.coefs_]
    assert estimator.coefs_[0].dtype == np.float32


def test_intercepts_that_the_network_lacks():
    X, y = make_regression()
    estimator = small(BackpropRegressor, fit_intercept=False).fit(X, y)
    estimator.intercepts_ = estimator.intercepts_
    estimator.intercepts_[0] = np.zeros(6)
    words = r"intercepts_\[1\] is not zero, but fit_intercept=False"
    with pytest.raises(ValueError, match=words):
        estimator.intercepts_[1] = np.ones(5)
    with pytest.raises(ValueError, match=words):
        estimator.intercepts_ = [np.zeros(6), np.ones(5), np.zeros(1)]
    assert not any(one.any() for one in estimator.intercepts_)


@ESTIMATORS
@KINDS
def test_before_fit(cls, kind):
    estimator = small(cls)
    with pytest.raises(AttributeError, match=f"has no attribute '{kind}': it is not fitted"):
        setattr(estimator, kind, [])
    assert vars(estimator) == estimator.get_params()


def test_copies_of_an_estimator_are_its_own(fitted):
    before = fitted.coefs_[0].copy()
    for twin in copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted)):
        twin.coefs_[0] = before + 1
        twin.intercepts_ = [one + 1 for one in twin.intercepts_]
    np.testing.assert_array_equal(fitted.coefs_[0], before)
    assert not hasattr(clone(fitted), "coefs_")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_training_goes_on_from_assigned_weights(solver):
    X, y = make_regression()
    donor = small(BackpropRegressor, random_state=7).fit(X, y)
    twin = small(BackpropRegressor, solver=solver, warm_start=True, shuffle=False)
    twin.initialize(X, y, coefs=donor.coefs_, intercepts=donor.intercepts_)
    estimator = clone(twin).initialize(X, y)
    estimator.coefs_, estimator.intercepts_ = donor.coefs_, donor.intercepts_
    assert_equal_networks(estimator.fit(X, y), twin.fit(X, y))
