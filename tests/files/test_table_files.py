"""Files of tabular estimators: the same estimator again, and no file that is not one."""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problems import assert_same_bits

from fastbp import (
    ModelFileError,
    TabularClassifier,
    TabularRegressor,
    archives,
    load_model,
    save_model,
)

QUICK = {"n_estimators": 3, "hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}


def table(n_samples=80):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.lognormal(size=n_samples),
            "city": rng.choice(["Rome", "Oslo", "Lima"], n_samples).astype(object),
            "new": rng.random(n_samples) < 0.5,
        }
    )
    X.loc[::7, "size"], X.loc[::9, "city"] = np.nan, None
    return X, np.log1p(np.arange(n_samples))


KINDS = {
    "two classes": (TabularClassifier, {}, lambda y: np.where(y > 3, "a", "b")),
    "objects": (TabularClassifier, {}, lambda y: np.where(y > 3, "a", "b").astype(object)),
    "three classes": (TabularClassifier, {"class_weight": "balanced"}, lambda y: y.astype(int) % 3),
    "numbers": (TabularRegressor, {}, lambda y: y),
    "two targets": (TabularRegressor, {}, lambda y: np.column_stack([y, -y])),
    "quantiles": (TabularRegressor, {"loss": "quantile", "quantile": [0.2, 0.8]}, lambda y: y),
    "variances": (TabularRegressor, {"loss": "gaussian"}, lambda y: y),
    "counts": (TabularRegressor, {"loss": "poisson"}, lambda y: y.astype(int)),
    "another recipe": (TabularRegressor, {"preset": {"clips": False, "dropout": 0.0}}, lambda y: y),
    "a front": (TabularClassifier, {"preset": {"front": "periodic", "n_bins": 0}}, lambda y: y > 3),
}


def fitted(kind, **how):
    cls, params, target = KINDS[kind]
    X, y = table()
    return cls(**QUICK, **params).fit(X, target(y), **how), X


def round_trip(model, tmp_path):
    path = tmp_path / "model.npz"
    save_model(model, path)
    return load_model(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_estimator_again(kind, tmp_path):
    model, X = fitted(kind)
    again = round_trip(model, tmp_path)
    assert type(again) is type(model) and repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for name in vars(model):
        assert name in vars(again) or name == "_class_weights", name
        if name.endswith("_") and name not in ("encoder_", "estimators_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    for a, b in zip(again.estimators_, model.estimators_, strict=True):
        assert_same_bits(a, b)
    np.testing.assert_array_equal(again.encoder_.transform(X), model.encoder_.transform(X))
    if isinstance(model, TabularClassifier):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert again.classes_.dtype == model.classes_.dtype
    else:
        for one, other in zip(again.predict(X, True), model.predict(X, True), strict=True):
            np.testing.assert_array_equal(one, other)
    if kind in ("numbers", "quantiles", "variances"):
        np.testing.assert_array_equal(
            again.predict_interval(X, 0.7), model.predict_interval(X, 0.7)
        )


def test_without_out_of_bag_estimates(tmp_path):
    X, y = table()
    model = TabularRegressor(**QUICK).fit(X, y, X_val=X, y_val=y)
    again = round_trip(model, tmp_path)
    assert not hasattr(again, "oob_score_")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_arrays_without_names(tmp_path):
    X = np.random.default_rng(0).standard_normal((60, 3))
    model = TabularRegressor(**QUICK).fit(X, X[:, 0])
    again = round_trip(model, tmp_path)
    assert not hasattr(again, "feature_names_in_") and again.n_features_in_ == 3
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_parameters_that_need_pickle(tmp_path):
    model, X = fitted("numbers")
    model.set_params(random_state=np.random.RandomState(0))
    with pytest.raises(ValueError, match="random_state=.* cannot be saved"):
        save_model(model, tmp_path / "model.npz")
    save_model(model, tmp_path / "model.npz", omit="random_state")
    again = load_model(tmp_path / "model.npz", random_state=3)
    assert again.random_state == 3
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


# --- files that are none ---


def changed(kind, change, tmp_path):
    """What load_model says of a file whose header and arrays have been changed."""
    model, _ = fitted(kind)
    path = tmp_path / "model.npz"
    save_model(model, path)
    header, arrays = archives.read_archive(path)
    change(header, arrays)
    archives.write_archive(path, header, arrays)
    with pytest.raises(ModelFileError) as error:
        load_model(path)
    return str(error.value)


def set_array(name, function):
    def change(header, arrays):
        arrays[name] = function(arrays[name])

    return change


def without(name):
    return lambda header, arrays: arrays.pop(name)


def set_header(name, value):
    return lambda header, arrays: header.update({name: value})


DEFECTS = {
    "no networks": ("numbers", set_header("networks", []), "no networks"),
    "a network that is none": ("numbers", set_header("networks", [3]), "network 0 of its header"),
    "a network less": (
        "two classes",
        lambda header, arrays: header["networks"].pop(),
        "unknown members",
    ),
    "an array of a network": (
        "numbers",
        without("network_1_coefs_0"),
        "network 1: coefs_0 is missing",
    ),
    "no encoder": ("numbers", set_header("encoder", None), "encoder=None"),
    "an encoder that is none": ("numbers", set_header("encoder", {}), "encoder cannot be built"),
    "a column less": (
        "numbers",
        lambda header, arrays: header["encoder"].update(
            columns=header["encoder"]["columns"][1:], feature_names=["city", "new"]
        ),
        "columns of float32, and the encoder makes",
    ),
    "importances": ("numbers", without("feature_importances"), "feature_importances is missing"),
    "a score alone": ("numbers", without("oob"), "not both there"),
    "a scale": ("numbers", set_array("target_scale", np.negative), "target_scale is not positive"),
    "NaN in a scale": (
        "another recipe",
        set_array("target_lowest", lambda one: one * np.nan),
        "not finite",
    ),
    "a scale less": ("two targets", without("target_center"), "0 numbers for 2 outputs"),
    "errors": ("numbers", set_array("errors", lambda one: one[::-1].copy()), "not sorted"),
    "sizes of errors": (
        "numbers",
        set_array("error_sizes", lambda one: one + 1),
        "does not go with error_sizes",
    ),
    "errors of no network": (
        "numbers",
        set_array("error_members", np.zeros_like),
        "of no network",
    ),
    "classes": (
        "three classes",
        set_array("classes", lambda one: one[:2].copy()),
        "2 classes do not",
    ),
    "an unknown array": (
        "numbers",
        lambda header, arrays: arrays.update(more=np.zeros(1)),
        r"unknown members ['more']",
    ),
    "an unknown parameter": (
        "numbers",
        lambda header, arrays: header["parameters"].update(colour=1),
        "its parameters are not those of TabularRegressor",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named(defect, tmp_path):
    kind, change, words = DEFECTS[defect]
    assert words in changed(kind, change, tmp_path)


def test_a_changed_byte_is_found():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save_model(fitted("numbers")[0], path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            load_model(path)


def test_nothing_is_pickled(tmp_path):
    save_model(fitted("objects")[0], tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        assert all(not arrays[name].dtype.hasobject for name in arrays)
    with zipfile.ZipFile(tmp_path / "model.npz") as archive:
        assert len(archive.namelist()) > 10
    header, _ = archives.read_archive(tmp_path / "model.npz")
    assert json.loads(json.dumps(header)) == header
