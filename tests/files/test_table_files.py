"""Files of tabular estimators: the same estimator again, and no file that is not one."""

import functools
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from internals import Preset
from problems import assert_same_bits
from sklearn.exceptions import UndefinedMetricWarning

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
    "gamma": (TabularRegressor, {"loss": "gamma"}, lambda y: y + 1),
    "a learned scale": (
        TabularRegressor,
        {"preset": {"front": "scale", "learning_rate_factors": {"scale": 6.0}}},
        lambda y: y,
    ),
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
        for one, other in zip(
            again.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
        ):
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


def test_a_score_that_is_not_a_number(tmp_path):
    """R^2 of a single row is NaN."""
    X = np.array([[0.0], [1.0]])
    with pytest.warns(UndefinedMetricWarning):
        model = TabularRegressor(**{**QUICK, "n_estimators": 1}).fit(X, X[:, 0])
    assert np.isnan(model.oob_score_) and np.isnan(model.oob_prediction_).any()
    again = round_trip(model, tmp_path)
    assert np.isnan(again.oob_score_)
    np.testing.assert_array_equal(again.oob_prediction_, model.oob_prediction_)
    np.testing.assert_array_equal(again.predict_interval(X, 0.4), model.predict_interval(X, 0.4))


def test_importances_that_are_not_numbers(tmp_path):
    model, X = fitted("numbers")
    model.feature_importances_[0] = np.nan
    again = round_trip(model, tmp_path)
    np.testing.assert_array_equal(again.feature_importances_, model.feature_importances_)


def test_levels_of_every_kind(tmp_path):
    values = np.resize(np.array([1, "1", True, 0.5, "a\0b", "\N{SNOWMAN}", None], object), 80)
    X = np.column_stack([np.arange(80) % 2 == 0, np.arange(80.0), values])
    labels = (np.arange(80) % 2).astype(bool)
    model = TabularClassifier(**QUICK).fit(X, labels)
    again = round_trip(model, tmp_path)
    assert again.encoder_._as_record() == model.encoder_._as_record()
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.classes_.dtype == bool


def test_an_estimator_that_was_loaded_is_saved_alike(tmp_path):
    model, _ = fitted("quantiles")
    save_model(model, tmp_path / "first.npz")
    save_model(load_model(tmp_path / "first.npz"), tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_there_are_no_moments(tmp_path):
    """A network of a loaded ensemble can train on all the same."""
    model, X = fitted("two classes")
    again = round_trip(model, tmp_path)
    assert all(len(one._training_state.moments) == 0 for one in again.estimators_)
    network = again.estimators_[0].set_params(early_stopping=False)
    encoded = again.encoder_.transform(X)
    network.partial_fit(encoded, np.arange(80) % 2)
    assert len(network._training_state.moments) == 2
    y = np.array(["a", "b"])[np.arange(80) % 2]
    np.testing.assert_array_equal(again.fit(X, y).predict(X), model.fit(X, y).predict(X))


def test_a_preset_is_saved_as_its_changes(tmp_path):
    X, y = table()
    model = TabularRegressor(**QUICK, preset=Preset(dropout=0.0, n_bins=4)).fit(X, y)
    again = round_trip(model, tmp_path)
    assert again.preset == {"dropout": 0.0, "n_bins": 4}
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    save_model(model, tmp_path / "model.npz", omit="preset")
    preset = Preset(dropout=0.5)
    assert load_model(tmp_path / "model.npz", preset=preset).preset is preset


def test_a_preset_that_needs_pickle(tmp_path):
    X, y = table()
    model = TabularRegressor(**QUICK, preset={"learning_rate": constant}).fit(X, y)
    with pytest.raises(ValueError, match=r"preset=.* cannot be saved.*omit=\['preset'\]"):
        save_model(model, tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"Network 0 cannot be saved.* learning_rate=.*preset"):
        save_model(model, tmp_path / "model.npz", omit="preset")
    assert not (tmp_path / "model.npz").exists()


def constant(epoch):
    return 0.01


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


@functools.cache
def content_of(kind):
    """The bytes of a sound file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save_model(fitted(kind)[0], path)
        return path.read_bytes()


def changed(kind, change, tmp_path):
    """What load_model says of a file whose header and arrays have been changed."""
    path = tmp_path / "model.npz"
    path.write_bytes(content_of(kind))
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
        "arrays of network 2, but its header has 2",
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
    "a center that no float can be": (
        "numbers",
        lambda header, arrays: header["encoder"]["columns"][0].update(center=10**400),
        "encoder cannot be built",
    ),
    "names of encoded columns": (
        "numbers",
        lambda header, arrays: header["networks"][0].update(
            feature_names=[f"c{i}" for i in range(header["networks"][0]["n_features"])]
        ),
        "encoded columns have none",
    ),
    "networks of two losses": (
        "numbers",
        lambda header, arrays: header["networks"][1]["network"].update(loss_name="huber"),
        "different losses",
    ),
    "a network without probabilities": (
        "two classes",
        lambda header, arrays: [
            one["network"].update(output_activation="identity", loss_name="squared_error")
            for one in header["networks"]
        ],
        "network 0 has no probabilities",
    ),
    "a network of labels": (
        "three classes",
        lambda header, arrays: (
            header["networks"][0]["network"].update(output_activation="logistic"),
            header["networks"][0]["classes"].update(multilabel=True),
        ),
        "network 0 has no probabilities",
    ),
    "classes of a network": (
        "three classes",
        set_array("network_2_classes", lambda one: one + 1),
        r"network 2 has the classes [1, 2, 3]",
    ),
    "labels": (
        "two classes",
        lambda header, arrays: header["classes"].update(multilabel=True),
        "classes are multi-label",
    ),
    "double precision": (
        "numbers",
        lambda header, arrays: arrays.update(
            {
                name: one.astype(float)
                for name, one in arrays.items()
                if name.startswith("network_0_") and one.dtype == np.float32
            }
        ),
        "columns of float64",
    ),
    "a network's number that is none": (
        "numbers",
        lambda header, arrays: arrays.update({"network_01_coefs_0": np.zeros(1)}),
        "unknown members ['network_01_coefs_0']",
    ),
    "estimates of another shape": (
        "three classes",
        set_array("oob", lambda one: one[:, :2].copy()),
        "(80, 3) and float64 are needed",
    ),
    "an estimate that is no vector": (
        "numbers",
        set_array("oob", lambda one: one[:, np.newaxis]),
        "oob is of shape (80, 1)",
    ),
    "estimates of text": (
        "numbers",
        set_array("oob", lambda one: one.astype(str)),
        "and float64 are needed",
    ),
    "a score that is text": ("numbers", set_header("oob_score", "0.5"), "not both there"),
    "importances of another length": (
        "numbers",
        set_array("feature_importances", lambda one: one[:2].copy()),
        "(3,) and float64 are needed",
    ),
    "importances": ("numbers", without("feature_importances"), "feature_importances is missing"),
    "a score alone": ("numbers", without("oob"), "not both there"),
    "a scale": ("numbers", set_array("target_scale", np.negative), "target_scale is not positive"),
    "a scale of zero": (
        "numbers",
        set_array("target_scale", np.zeros_like),
        "target_scale is not positive",
    ),
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
        "error_sizes do not go with",
    ),
    "sizes whose sum overflows": (
        "numbers",
        lambda header, arrays: arrays.update(
            error_sizes=np.array([2**62] * 4 + [arrays["errors"].size]),
            error_members=np.ones((5, 3), bool),
        ),
        "error_sizes do not go with",
    ),
    "a size of none": (
        "numbers",
        lambda header, arrays: arrays.update(
            error_sizes=np.append(arrays["error_sizes"], 0),
            error_members=np.vstack([arrays["error_members"], [[True] * 3]]),
        ),
        "error_sizes do not go with",
    ),
    "half of the errors": ("numbers", without("error_members"), "error_members is missing"),
    "errors without estimates": (
        "numbers",
        lambda header, arrays: (header.update(oob_score=None), arrays.pop("oob")),
        "unknown members ['error_members', 'error_sizes', 'errors']",
    ),
    "errors of no network": (
        "numbers",
        set_array("error_members", np.zeros_like),
        "of no network",
    ),
    "classes": (
        "three classes",
        set_array("classes", lambda one: one[:2].copy()),
        "the positions of 2 classes are needed",
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
