"""Models pickled by fastbp 0.1.0 load, compute what they computed then, and go on training.

tests/data/before_run/make.py made the pickles, and says how. Where the last bits come from the
same build and compiler as the stored numbers, they must be the same; any other compiler, processor
or debug build rounds differently, and there the numbers agree to rounding.
"""

import pickle
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from fastbp import Network

TESTS = next(folder for folder in Path(__file__).parents if folder.name == "tests")
FOLDER = TESTS / "data" / "before_run"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
NAMES = sorted(path.stem for path in FOLDER.glob("*.pkl"))
EVERY_MODEL = pytest.mark.parametrize("name", NAMES)
ROUNDING = {"float64": 1e-12, "float32": 1e-5}  # relative to an array's largest entry


@pytest.fixture
def samples():
    return dict(np.load(FOLDER / "samples.npz"))


def load(name):
    with warnings.catch_warnings():
        # StandardScaler and Pipeline are scikit-learn's own, of the version that pickled them
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return MAKE["load_model"](name)


def estimator_of(model):
    """The last step of a pipeline; any other model is its own."""
    return model[-1] if hasattr(model, "steps") else model


def network_of(model):
    return model if isinstance(model, Network) else estimator_of(model).network_


def stored_arrays(name, build, like):
    """The numbers of that build, or of the baseline, by name; and whether bits must agree."""
    stored = np.load(FOLDER / "outputs.npz")
    if f"{build}/{name}" not in stored:
        build = "baseline"
    ends = np.cumsum([array.size for array in like.values()])
    parts = np.split(stored[f"{build}/{name}"], ends)
    assert parts.pop().size == 0
    same_arithmetic = MAKE["arithmetic"]() == (build, str(stored[f"{build}/compiler"]))
    return dict(zip(like, parts, strict=True)), same_arithmetic


def assert_as_before(arrays, name, build, dtype):
    before, same_arithmetic = stored_arrays(name, build, arrays)
    for what, array in arrays.items():
        # SciPy's releases differ in the rounding of L-BFGS
        exact = same_arithmetic and not (what.startswith("trained") and "lbfgs" in name)
        rounding = 0 if exact else ROUNDING[dtype] * np.max(np.abs(before[what]))
        np.testing.assert_allclose(
            array.ravel(), before[what], rtol=0, atol=rounding, err_msg=f"{name}: {what}"
        )


def test_every_model_has_its_pickle_and_outputs():
    stored = np.load(FOLDER / "outputs.npz")
    assert {f"{build}/{name}" for name in NAMES for build in ("baseline", "avx2", "avx512")} == {
        key for key in stored if not key.endswith("compiler")
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(NAMES) == set(MAKE["make_models"](MAKE["make_samples"]()))


@EVERY_MODEL
def test_computes_and_trains_on_as_before(build, name, samples):
    model = load(name)
    dtype = network_of(model).dtype.name
    assert_as_before(MAKE["compute_all"](name, model, samples), name, build, dtype)


@EVERY_MODEL
def test_a_new_pickle_of_an_old_model(build, name, samples):
    model = pickle.loads(pickle.dumps(load(name)))
    dtype = network_of(model).dtype.name
    assert_as_before(MAKE["compute_all"](name, model, samples), name, build, dtype)


@EVERY_MODEL
def test_computes_what_a_new_network_with_its_weights_does(build, name, samples):
    """The same bits whatever the build and compiler: nothing but arrays and names is kept."""
    old = network_of(load(name))
    new = Network(
        old.layer_sizes,
        activation=old.activation,
        output_activation=old.output_activation,
        loss=old.loss_name,
        l2=old.l2,
        l1=old.l1,
        label_smoothing=old.label_smoothing,
        quantile=old.quantile,
        dtype=old.dtype,
    )
    for layer, (coefs, intercepts) in enumerate(zip(old.coefs, old.intercepts, strict=True)):
        new.coefs[layer][...], new.intercepts[layer][...] = coefs, intercepts
    assert repr(old) == repr(new)
    np.testing.assert_array_equal(old.params, new.params)
    np.testing.assert_array_equal(old.forward(samples["X"]), new.forward(samples["X"]))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "network"])
def test_is_fitted_as_it_was(name):
    estimator = estimator_of(load(name))
    n_epochs = 3 if "partial_fit" in name else 6
    assert len(estimator.loss_curve_) == n_epochs and np.isfinite(estimator.loss_curve_).all()
    assert estimator.loss_ == estimator.loss_curve_[-1]
    assert estimator.n_features_in_ == 4
    assert estimator.get_params()["random_state"] == 0
    if "early_stopping" in name:
        assert estimator.best_validation_score_ == max(estimator.validation_scores_)
        assert len(estimator.validation_loss_curve_) == n_epochs
    else:
        assert estimator.validation_scores_ is None
    if hasattr(estimator, "classes_"):
        classes = [0, 1, 2] if "multilabel" in name else ["ant", "bee", "cat"]
        assert list(estimator.classes_) == classes
