"""Checks that are skipped because they would find nothing: what they would find is still found."""

import warnings

import numpy as np
import pandas as pd
import pytest

from fastbp import BackpropClassifier, BackpropRegressor
from fastbp.checks import plain_array_of
from fastbp.random_states import random_source

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=20)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(X, columns=NAMES)


def small(**params):
    return BackpropRegressor((3,), max_iter=1, random_state=0, solver="lbfgs", max_fun=1, **params)


def fitted(X, dtype=np.float64, cls=BackpropRegressor):
    y = Y if cls is BackpropRegressor else np.arange(20) % 3
    return cls((3,), random_state=0).initialize(X.astype(dtype), y)


FRAMES = {
    "plain": FRAME,
    "one row": FRAME.iloc[:1],
    "every other row": FRAME.iloc[::2],
    "columns put together": pd.concat([FRAME[["a"]], FRAME[["b", "c"]]], axis=1),
    "float32": FRAME.astype(np.float32),
    "mixed floats": FRAME.astype({"b": np.float32}),
    "with integers": FRAME.assign(b=np.arange(20)),
    "integers": (10 * FRAME).astype(int),
    "booleans": FRAME > 0,
    "nullable": FRAME.astype({"c": "Float64"}),
    "objects": FRAME.astype(object),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_predicted_as_its_array(name, dtype, monkeypatch):
    frame = FRAMES[name]
    for cls in (BackpropRegressor, BackpropClassifier):
        model = fitted(FRAME, dtype, cls)
        found = model.predict(frame)
        with monkeypatch.context() as patched:
            patched.setattr("fastbp.base.plain_array_of", lambda X, names: None)
            np.testing.assert_array_equal(found, model.predict(frame))


def test_frames_of_numpy_columns_take_the_short_way():
    names = fitted(FRAME).feature_names_in_
    for name in ("plain", "one row", "every other row", "columns put together"):
        array = plain_array_of(FRAMES[name], names)
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, FRAMES[name].to_numpy())
    for name in ("nullable",):
        assert plain_array_of(FRAMES[name], names) is None
    assert plain_array_of(X, names) is None


@pytest.mark.parametrize(
    "frame, error",
    [
        (FRAME.rename(columns={"b": "d"}), "feature names should match"),
        (FRAME[["b", "a", "c"]], "feature names should match"),
        (FRAME[["a", "b"]], "feature names should match"),
        (FRAME.assign(d=0.0), "feature names should match"),
        (FRAME.assign(b=np.nan), "NaN"),
        (FRAME.assign(b=np.inf), "infinity"),
        (FRAME.assign(b="word"), "could not convert"),
        (FRAME.iloc[:0], "0 sample"),
    ],
)
def test_what_is_wrong_with_a_frame_is_found(frame, error):
    with pytest.raises(ValueError, match=error):
        fitted(FRAME).predict(frame)


def test_feature_names_come_and_go():
    model = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(FRAME, Y)
        np.testing.assert_array_equal(model.feature_names_in_, NAMES)
        model.fit(X[:, :2].copy(), Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match="X has 3 features, but"):
        model.predict(X)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted(FRAME).predict(X)


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("max_iter", 1, 1.0),
        ("max_iter", 1, "1"),
        ("hidden_layer_sizes", (2,), (2.0,)),
        ("hidden_layer_sizes", (2,), (True,)),
        ("hidden_layer_sizes", (2, 3), (2, 0)),
        ("alpha", 0.5, np.nan),
        ("alpha", 0.5, -0.5),
        ("early_stopping", False, 2),
        ("solver", "lbfgs", "lbfg"),
        ("momentum", 1, 1.5),
    ],
)
def test_a_value_that_has_passed_lets_no_other_pass(name, good, bad):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            small().set_params(**{name: good}).fit(X, Y)
    for _ in range(2):
        with pytest.raises((ValueError, TypeError), match=name):
            small().set_params(**{name: bad}).fit(X, Y)


def test_a_value_of_one_class_may_be_wrong_for_another():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small(loss="huber").fit(X, Y)
    with pytest.raises(ValueError, match="The 'loss' parameter"):
        BackpropClassifier(loss="huber").fit(X, np.arange(20) % 2)


def test_a_random_source_is_what_scikit_learn_makes():
    for seed in (0, 7, 2**32 - 1, np.int64(3)):
        for _ in range(2):  # a new one, and one that has been used
            with random_source(seed) as source, random_source(seed) as other:
                assert source is not other
                expected = np.random.RandomState(seed)
                for each in (source, other):
                    assert each.normal() == np.random.RandomState(seed).normal()
                    each.seed(seed)
                np.testing.assert_array_equal(source.permutation(50), expected.permutation(50))
    given = np.random.RandomState(1)
    with random_source(given) as source:
        assert source is given
    with random_source(None) as source:
        assert source is np.random.mtrand._rand
    for wrong in (-1, 2**32, "0", 1.5):
        with pytest.raises((ValueError, TypeError)), random_source(wrong):
            pass
