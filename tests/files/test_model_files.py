"""save_model and load_model: the same estimator again, or one error that says what is wrong."""

import dataclasses
import json
import os
import pickle
import stat
import warnings
from pathlib import Path

import numpy as np
import pytest
from problems import CUT_SHORT, assert_same_bits
from scipy import sparse
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    ModelFileError,
    TabularClassifier,
    __version__,
    archives,
    load_model,
    network_files,
    save_model,
)
from fastbp.training import saved_state
from fastbp.training.state import TrainingState

pytestmark = CUT_SHORT

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
CLASSES = np.arange(40) % 3
NUMBERS = np.sin(X)


class OwnLoss:
    def loss(self, y, outputs):
        return ((outputs - y) ** 2).sum(axis=1)

    def gradient(self, y, outputs):
        return 2 * (outputs - y)


def fitted(cls, y, X=X, **parameters):
    parameters = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | parameters
    return cls(**parameters).fit(X, y)


# What a model can be: (class, y, parameters).
MODELS = {
    "classes": (BackpropClassifier, CLASSES, {}),
    "two classes": (BackpropClassifier, CLASSES > 0, {}),
    "one class": (BackpropClassifier, np.zeros(40, int), {}),
    "strings": (BackpropClassifier, np.array(["a", "bc", "d"])[CLASSES], {}),
    "objects": (BackpropClassifier, np.array(["a", "bc", "d"], dtype=object)[CLASSES], {}),
    "one-vs-rest": (BackpropClassifier, CLASSES, {"output_activation": "logistic"}),
    "labels": (BackpropClassifier, np.eye(3, dtype=int)[CLASSES], {}),
    "sparse labels": (BackpropClassifier, sparse.csr_matrix(np.eye(3, dtype=int)[CLASSES]), {}),
    "class weights": (BackpropClassifier, CLASSES, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "early stopping": (BackpropClassifier, CLASSES, {"early_stopping": True}),
    "numbers": (BackpropRegressor, NUMBERS[:, 0], {}),
    "several numbers": (BackpropRegressor, NUMBERS, {"solver": "sgd"}),
    "lbfgs": (BackpropRegressor, NUMBERS, {"solver": "lbfgs"}),
    "rprop": (BackpropRegressor, NUMBERS, {"solver": "rprop"}),
    "quantiles": (BackpropRegressor, NUMBERS[:, 0], {"loss": "quantile", "quantile": [0.1, 0.9]}),
    "no layers": (BackpropRegressor, NUMBERS, {"hidden_layer_sizes": ()}),
    "no intercepts": (BackpropRegressor, NUMBERS, {"fit_intercept": False, "dropout": 0.1}),
    "activations": (
        BackpropRegressor,
        NUMBERS,
        {"hidden_layer_sizes": np.array([4, 2]), "activation": ["tanh", "gelu"]},
    ),
    "a front": (BackpropRegressor, NUMBERS, {"front": "scale"}),
    "a periodic front": (BackpropClassifier, CLASSES, {"front": "periodic"}),
    "some periodic features": (
        BackpropRegressor,
        NUMBERS,
        {"front": "periodic", "n_periodic": 1, "learning_rate_factors": {"coefs": "fan_in"}},
    ),
    "no periodic features": (BackpropRegressor, NUMBERS, {"front": "periodic", "n_periodic": 0}),
    "mean and variance": (BackpropRegressor, NUMBERS[:, 0], {"loss": "gaussian"}),
    "NumPy's numbers": (BackpropRegressor, NUMBERS, {"alpha": np.float32(0.1)}),
    "infinity": (BackpropRegressor, NUMBERS, {"n_iter_no_change": np.inf}),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", list(MODELS))
def test_the_same_estimator_again(model, dtype, tmp_path):
    cls, y, parameters = MODELS[model]
    estimator = fitted(cls, y, X.astype(dtype), **parameters)
    save_model(estimator, tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert type(again) is cls
    assert_same_bits(estimator, again)
    assert set(vars(again)) == set(vars(estimator))
    for name, value in estimator.get_params().items():
        np.testing.assert_array_equal(again.get_params()[name], value)
    expected, got = estimator.predict(X), again.predict(X)
    assert type(got) is type(expected) and got.dtype == expected.dtype
    assert (got != expected).sum() == 0
    if cls is BackpropClassifier:
        assert again.classes_.dtype == estimator.classes_.dtype
    if hasattr(estimator, "partial_fit") and not estimator.early_stopping:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_same_bits(estimator.partial_fit(X, y), again.partial_fit(X, y))


def test_the_path_of_a_checkpoint_is_not_saved(tmp_path):
    path = tmp_path / "model.npz"
    estimator = fitted(BackpropRegressor, NUMBERS, checkpoint=tmp_path / "run.npz")
    save_model(estimator, path)
    again = load_model(path)
    assert again.checkpoint is None
    assert_same_bits(again, estimator)
    header, arrays = archives.read_archive(path)
    header["parameters"]["checkpoint"] = "/tmp/anything"
    archives.write_archive(path, header, arrays)
    with pytest.raises(ModelFileError, match="must not have"):
        load_model(path)


def test_feature_names(tmp_path):
    pandas = pytest.importorskip("pandas", reason="an extra")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    estimator = fitted(BackpropRegressor, NUMBERS, frame)
    save_model(estimator, tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert list(again.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[["b", "a", "c"]])


def test_numpy_alone_shows_the_arrays(tmp_path):
    estimator = fitted(BackpropClassifier, CLASSES)
    save_model(estimator, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        for layer, coef in enumerate(estimator.coefs_):
            np.testing.assert_array_equal(arrays[f"coefs_{layer}"], coef)
            np.testing.assert_array_equal(
                arrays[f"intercepts_{layer}"], estimator.intercepts_[layer]
            )
        header = json.loads(str(arrays["header"]))
    assert (header["format"], header["class"]) == (1, "BackpropClassifier")


def test_files_without_a_front_are_as_earlier_releases_know_them(tmp_path):
    save_model(fitted(BackpropRegressor, NUMBERS), tmp_path / "model.npz")
    header, arrays = archives.read_archive(tmp_path / "model.npz")
    expected = "format kind fastbp class parameters omitted n_features feature_names network state"
    assert list(header) == expected.split()
    assert not {"front", "n_periodic"} & set(header["network"])
    assert not [name for name in arrays if name.startswith(("front", "network"))]


# Each is a change of the header's "network" and of the arrays, and what is said of it.
FRONT_DEFECTS = {
    "no scale": ({}, {"front_scale": None}, "front_scale is missing"),
    "no phases": ({}, {"front_phases": None}, "front_phases is missing"),
    "a longer scale": ({}, {"front_scale": np.ones(10)}, r"front_scale has shape \(10,\)"),
    "another precision": ({}, {"front_scale": np.ones(9, "f4")}, "dtype float32; .* float64"),
    "NaN": ({}, {"front_scale": np.full(9, np.nan)}, "front_scale has numbers that are not finite"),
    "flat weights": ({}, {"front_weights": np.ones(96)}, r"front_weights has shape \(96,\)"),
    "more periodic inputs": ({"n_periodic": 3}, {}, "coefs_0 has 9 rows for 12 inputs"),
    "fewer periodic inputs": ({"n_periodic": 1}, {}, "coefs_0 has 9 rows for 6 inputs"),
    "more than there are": ({"n_periodic": 4}, {}, "n_periodic=4 is more than the 3 inputs"),
    "less than none": ({"n_periodic": -1}, {}, "n_periodic"),
    "no number": ({"n_periodic": "2"}, {}, "n_periodic"),
    "a huge number": ({"n_periodic": 2**70}, {}, "n_periodic"),
    "another front": ({"front": "scale"}, {}, "coefs_0 has 9 rows for 3 inputs"),
    "an unknown front": ({"front": "wavelets"}, {}, "front"),
    "no front": ({"front": None}, {}, "coefs_0 has 9 rows for 3 inputs"),
    "an array more": ({}, {"front_waves": np.ones(2)}, r"unknown members \['front_waves'\]"),
}


@pytest.mark.parametrize("defect", FRONT_DEFECTS)
def test_defects_of_a_front_are_named(defect, tmp_path):
    settings, new, words = FRONT_DEFECTS[defect]
    path = tmp_path / "model.npz"
    save_model(fitted(BackpropRegressor, NUMBERS, front="periodic", n_periodic=2), path)
    header, arrays = archives.read_archive(path)
    header["network"] |= settings
    arrays = {name: one for name, one in {**arrays, **new}.items() if one is not None}
    archives.write_archive(path, header, arrays)
    with pytest.raises(ModelFileError, match=words):
        load_model(path)


def test_equal_models_make_equal_files(tmp_path):
    for name in "ab":
        save_model(fitted(BackpropRegressor, NUMBERS), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- what only pickle could save ------------------------------------------------------------------


def constant(epoch):
    return 0.01


def score(estimator, X, y):
    return 1.0


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("loss", OwnLoss(), {}),
        ("learning_rate", constant, {}),
        ("scoring", score, {"early_stopping": True}),
        ("random_state", np.random.RandomState(0), {}),
    ],
)
def test_an_object_is_refused_or_omitted(name, value, others, tmp_path):
    path = tmp_path / "model.npz"
    estimator = fitted(BackpropRegressor, NUMBERS[:, 0], **{name: value}, **others)
    with pytest.raises(ValueError, match=rf"{name}=.* cannot be saved.*omit=\['{name}'\]"):
        save_model(estimator, path)
    assert os.listdir(tmp_path) == []
    save_model(estimator, path, omit=[name])
    with pytest.raises(ValueError, match=rf"\['{name}'\] were omitted.*given \[\]"):
        load_model(path)
    again = load_model(path, **{name: value})
    assert getattr(again, name) is value
    assert_same_bits(estimator, again)
    if name == "loss":
        assert again.network_.loss_name is value


def test_what_cannot_be_saved_at_all(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(NotFittedError):
        save_model(BackpropRegressor(), path)
    with pytest.raises(TypeError, match="got OwnLoss"):
        save_model(OwnLoss(), path)

    class Special(BackpropRegressor):
        pass

    with pytest.raises(TypeError, match="got Special"):
        save_model(fitted(Special, NUMBERS), path)
    with pytest.raises(ValueError, match="no parameter 'aleph'"):
        save_model(fitted(BackpropRegressor, NUMBERS), path, omit="aleph")
    labels = np.array([(1, 2), None, "c"], dtype=object)[CLASSES]
    estimator = fitted(BackpropClassifier, CLASSES)
    estimator._classes = type(estimator._classes)(labels[:3])
    with pytest.raises(ValueError, match="objects other than strings"):
        save_model(estimator, path)
    assert os.listdir(tmp_path) == []


# --- the file -------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.npz"
    save_model(fitted(BackpropClassifier, CLASSES), path)
    return path


def test_an_old_file_keeps_its_permissions_and_a_link_its_place(saved, tmp_path):
    os.chmod(saved, 0o640)
    link = tmp_path / "link.npz"
    link.symlink_to(saved)
    estimator = fitted(BackpropRegressor, NUMBERS)
    save_model(estimator, link)
    assert link.is_symlink()
    assert stat.S_IMODE(os.stat(saved).st_mode) == 0o640
    assert_same_bits(load_model(saved), estimator)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(failing, saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        save_model(fitted(BackpropRegressor, NUMBERS), saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="none'$"):
        save_model(fitted(BackpropRegressor, NUMBERS), tmp_path / "none" / "model.npz")


def test_paths_that_are_folders_or_bytes(tmp_path):
    model = fitted(BackpropRegressor, NUMBERS)
    for folder in str(tmp_path), "":
        with pytest.raises(IsADirectoryError, match=f"Is a directory: '{folder}'$"):
            save_model(model, folder)
    assert os.listdir(tmp_path) == []
    save_model(model, os.fsencode(tmp_path / "model"))
    assert type(load_model(os.fsencode(tmp_path / "model"))) is BackpropRegressor


def test_format_1_is_read():
    """Files of the release that introduced the format; every later one must read them."""
    folder = Path(__file__).parents[1] / "data" / "format_1"
    files = sorted(folder.glob("*.npz"))
    assert len(files) == 6
    for file in files:
        estimator = load_model(file)
        with np.load(folder / "outputs" / file.name) as expected:
            np.testing.assert_allclose(
                outputs_of(estimator, expected), expected["outputs"], rtol=1e-5, atol=1e-6
            )


def test_a_file_from_before_a_solver_is_read(saved):
    header, arrays = archives.read_archive(saved)
    for name in saved_state.OF_ONE_SOLVER:
        assert header["state"].pop(name) is None
    archives.write_archive(saved, header, arrays)
    assert_same_bits(load_model(saved), fitted(BackpropClassifier, CLASSES))


def outputs_of(estimator, inputs):
    if "T" not in inputs:
        return estimator._outputs(inputs["X"])
    text = inputs["T"].astype(object)
    text[text == ""] = None
    table = np.hstack([inputs["X"].astype(object), text])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that an array lacks
        if isinstance(estimator, TabularClassifier):
            return estimator.predict_proba(table)
        return estimator.predict_interval(table, 0.7)


def test_a_pickle_of_another_version_warns():
    estimator = fitted(BackpropRegressor, NUMBERS)
    state = estimator.__getstate__()
    assert state["_fastbp_version"] == __version__
    again = BackpropRegressor.__new__(BackpropRegressor)
    with pytest.warns(InconsistentVersionWarning, match="from version 9.9 of fastbp"):
        again.__setstate__({**state, "_fastbp_version": "9.9"})
    assert_same_bits(again, estimator)
    assert vars(pickle.loads(pickle.dumps(estimator))).keys() == vars(estimator).keys()


def test_nothing_that_a_model_has_is_forgotten():
    """A new field of the state, or setting of a network, needs a place in the file."""
    fields = {field.name for field in dataclasses.fields(TrainingState)}
    of_a_run = {"random_state", "order"}
    arrays = {"moments", "best_params", *saved_state.CURVES}
    assert fields == {*saved_state.NUMBERS, *arrays, *of_a_run}
    network = fitted(BackpropRegressor, NUMBERS).network_
    settings = set(network.__getstate__()) - {"layer_sizes", "dtype", "_params"}
    known = {*network_files.NETWORK, *network_files.OF_FRONTS}
    assert settings - {"hidden_activations"} == known
