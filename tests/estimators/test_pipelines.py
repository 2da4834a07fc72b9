"""Inside scikit-learn's machinery: pipelines, searches over threads and processes, copies."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from covering import grid
from problems import CUT_SHORT, ESTIMATORS
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT

CLASSES = [BackpropClassifier, BackpropRegressor]
BACKEND = pytest.mark.parametrize(
    "backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)]
)


def make_data(cls):
    load = load_breast_cancer if cls is BackpropClassifier else load_diabetes
    X, y = load(return_X_y=True)
    return X[:150], (y if cls is BackpropClassifier else y / 100)[:150]


def make_model(cls, **params):
    defaults = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0, "batch_size": 20}
    return make_pipeline(StandardScaler(), cls(**{**defaults, **params}))


def step_name(cls):
    return f"{cls.__name__.lower()}"


# --- one process ---


@ESTIMATORS
def test_pipeline_is_its_steps(cls):
    X, y = make_data(cls)
    model = make_model(cls).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    alone = clone(model[-1]).fit(scaled, y)
    np.testing.assert_array_equal(model.predict(X), alone.predict(scaled))
    assert model.score(X, y) == alone.score(scaled, y)
    np.testing.assert_array_equal(model[-1].network_.params, alone.network_.params)


@ESTIMATORS
def test_nested_parameters(cls):
    X, y = make_data(cls)
    model = make_model(cls)
    name = step_name(cls)
    model.set_params(**{f"{name}__alpha": 3.0, f"{name}__hidden_layer_sizes": (4, 4)})
    assert model.fit(X, y)[-1].network_.layer_sizes[1:3] == (4, 4)
    assert model.get_params()[f"{name}__alpha"] == 3.0


@ESTIMATORS
def test_data_frames_with_categories(cls):
    X, y = make_data(cls)
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    frame["kind"] = np.where(X[:, 3] > np.median(X[:, 3]), "high", "low")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b", "c"]), ("kinds", OneHotEncoder(), ["kind"])]
    )
    model = make_pipeline(columns, make_model(cls)[-1]).fit(frame, pd.Series(y))
    assert model[-1].n_features_in_ == 5
    np.testing.assert_array_equal(model.predict(frame.iloc[:9]), model.predict(frame)[:9])


@ESTIMATORS
def test_sparse_transformers(cls):
    """One-hot codes stay sparse on their way in."""
    X, y = make_data(cls)
    codes = np.digitize(X[:, :4], np.quantile(X[:, :4], [0.2, 0.4, 0.6, 0.8]))
    encoder = OneHotEncoder(handle_unknown="ignore")
    estimator = make_model(cls)[-1]
    model = make_pipeline(encoder, estimator).fit(codes, y)
    encoded = encoder.transform(codes)
    assert sparse.issparse(encoded)
    dense = clone(estimator).fit(encoded.toarray(), y)
    np.testing.assert_allclose(model[-1].network_.params, dense.network_.params, atol=1e-10)


@ESTIMATORS
def test_clone_is_unfitted_with_equal_parameters(cls):
    X, y = make_data(cls)
    estimator = make_model(cls, alpha=0.3)[-1].fit(X, y)
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params()
    assert vars(twin) == twin.get_params()


@ESTIMATORS
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(cls, protocol):
    X, y = make_data(cls)
    model = make_model(cls).fit(X, y)
    again = pickle.loads(pickle.dumps(model, protocol=protocol))
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    np.testing.assert_array_equal(model[-1].network_.params, again[-1].network_.params)
    assert again[-1].loss_curve_ == model[-1].loss_curve_


@ESTIMATORS
@pytest.mark.parametrize("compress", [0, 3])
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_joblib(cls, compress, mmap_mode, tmp_path):
    """A memory-mapped model predicts; joblib maps uncompressed files only."""
    if compress and mmap_mode:
        mmap_mode = None
    X, y = make_data(cls)
    model = make_model(cls).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib", compress=compress)
    again = joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


@ESTIMATORS
def test_a_memory_mapped_model_goes_on_training(cls, tmp_path):
    """Its parameters are read-only; partial_fit trains a copy."""
    X, y = make_data(cls)
    estimator = make_model(cls)[-1].fit(X, y)
    joblib.dump(estimator, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for one in (estimator, mapped):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(estimator.network_.params, mapped.network_.params)


# --- several at a time: the numbers do not depend on n_jobs or the backend ---


@ESTIMATORS
@BACKEND
def test_cross_val_score(cls, backend):
    X, y = make_data(cls)
    alone = cross_val_score(make_model(cls), X, y, cv=3)
    with joblib.parallel_backend(backend, n_jobs=2):
        together = cross_val_score(make_model(cls), X, y, cv=3, n_jobs=2)
    assert np.isfinite(alone).all()
    np.testing.assert_array_equal(alone, together)


@ESTIMATORS
@BACKEND
def test_cross_validate_with_estimators(cls, backend):
    X, y = make_data(cls)
    options = {"cv": 3, "return_estimator": True, "return_train_score": True}
    alone = cross_validate(make_model(cls), X, y, **options)
    with joblib.parallel_backend(backend, n_jobs=2):
        together = cross_validate(make_model(cls), X, y, n_jobs=2, **options)
    np.testing.assert_array_equal(alone["train_score"], together["train_score"])
    for one, other in zip(alone["estimator"], together["estimator"], strict=True):
        np.testing.assert_array_equal(one[-1].network_.params, other[-1].network_.params)


@BACKEND
@grid(1, cls=CLASSES, solver=["adam", "lbfgs"])
def test_grid_search(cls, backend, solver):
    X, y = make_data(cls)
    name = step_name(cls)
    grid = {f"{name}__alpha": [0.01, 10.0], f"{name}__activation": ["tanh", "relu"]}

    def search(n_jobs):
        return GridSearchCV(make_model(cls, solver=solver), grid, cv=3, n_jobs=n_jobs).fit(X, y)

    alone = search(1)
    with joblib.parallel_backend(backend, n_jobs=2):
        together = search(2)
    assert alone.best_params_ == together.best_params_
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(alone.predict(X), together.predict(X))


@ESTIMATORS
@BACKEND
def test_cross_val_predict(cls, backend):
    X, y = make_data(cls)
    alone = cross_val_predict(make_model(cls), X, y, cv=3)
    with joblib.parallel_backend(backend, n_jobs=2):
        np.testing.assert_array_equal(
            alone, cross_val_predict(make_model(cls), X, y, cv=3, n_jobs=2)
        )


@pytest.mark.slow
def test_large_data_reaches_worker_processes_as_memory_maps():
    """joblib hands arrays of more than a megabyte to its workers as read-only memory maps.

    The limit is the usual one, so that the processes are those of the tests before.
    """
    X, y = (np.concatenate(100 * [array]) for array in make_data(BackpropRegressor))
    assert X.nbytes > 2**20
    estimator = make_model(BackpropRegressor, batch_size=500, max_iter=1)[-1]
    alone = clone(estimator).fit(X, y)
    with joblib.parallel_backend("loky", n_jobs=2):
        fitted = joblib.Parallel()(joblib.delayed(clone(estimator).fit)(X, y) for _ in range(2))
    for other in fitted:
        np.testing.assert_array_equal(alone.network_.params, other.network_.params)


# --- threads ---


def run_at_once(functions):
    """All functions start together; their results in order."""
    barrier = threading.Barrier(len(functions))

    def start(function):
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(start, one) for one in functions]]


@ESTIMATORS
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_fits_in_threads(cls, solver):
    """Separate estimators share nothing but the data."""
    X, y = make_data(cls)
    X = StandardScaler().fit_transform(X)
    estimators = [
        make_model(cls, solver=solver, random_state=seed, max_iter=30)[-1] for seed in range(8)
    ]
    alone = [clone(one).fit(X, y) for one in estimators]
    together = run_at_once([lambda one=one: one.fit(X, y) for one in estimators])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.network_.params, other.network_.params)


@ESTIMATORS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
def test_predictions_in_threads(cls, container):
    """Many threads can use one estimator."""
    X, y = make_data(cls)
    X = StandardScaler().fit_transform(X)
    estimator = make_model(cls)[-1].fit(X, y)
    parts = [container(X[start :: 8 + start]) for start in range(8)]
    alone = [estimator.predict(part) for part in parts]

    def predict_often(part):
        return [estimator.predict(part) for _ in range(20)]

    together = run_at_once([lambda part=part: predict_often(part) for part in parts])
    for expected, predictions in zip(alone, together, strict=True):
        for prediction in predictions:
            np.testing.assert_array_equal(expected, prediction)


@ESTIMATORS
def test_gradients_in_threads(cls):
    """Many threads can use one Network."""
    X, y = make_data(cls)
    X = StandardScaler().fit_transform(X)
    network = make_model(cls)[-1].fit(X, y).network_
    alone = network.loss_gradient(X, y).flat
    many = run_at_once([lambda: [network.loss_gradient(X, y).flat for _ in range(20)]] * 6)
    for gradients in many:
        for gradient in gradients:
            np.testing.assert_array_equal(alone, gradient)


@ESTIMATORS
def test_fit_and_predict_of_different_estimators_at_once(cls):
    X, y = make_data(cls)
    X = StandardScaler().fit_transform(X)
    fitted = make_model(cls)[-1].fit(X, y)
    expected = fitted.predict(X)
    others = [make_model(cls, max_iter=40)[-1] for _ in range(3)]
    jobs = [lambda one=one: one.fit(X, y).predict(X) for one in others]
    jobs += [lambda: fitted.predict(X)] * 3
    results = run_at_once(jobs)
    for prediction in results[3:]:
        np.testing.assert_array_equal(prediction, expected)
    for prediction in results[1:3]:
        np.testing.assert_array_equal(prediction, results[0])


def test_deepcopy_while_training_in_another_thread():
    """partial_fit replaces the whole network: a reader sees the old one or the new one."""
    X, y = make_data(BackpropRegressor)
    X = StandardScaler().fit_transform(X)
    estimator = make_model(BackpropRegressor)[-1]
    states = [estimator.partial_fit(X, y).network_.params.copy()]
    reference = copy.deepcopy(estimator)
    states += [reference.partial_fit(X, y).network_.params.copy() for _ in range(30)]
    seen = []

    def train():
        for _ in range(30):
            estimator.partial_fit(X, y)

    def read():
        for _ in range(60):
            seen.append(copy.deepcopy(estimator.network_).params)

    run_at_once([train, read])
    known = {state.tobytes() for state in states}
    assert all(params.tobytes() in known for params in seen)
