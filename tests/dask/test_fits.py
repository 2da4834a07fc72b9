"""Fits over partitions beside fits of the same samples in one piece; without a cluster."""

import pickle

import numpy as np
import pytest
from covering import grid
from internals import SOLVER_RECORDS
from problems import (
    CUT_SHORT,
    assert_same_bits,
    make_classes,
    make_multilabel,
    make_named_classes,
    make_regression,
    make_weights,
)
from scipy import sparse
from sklearn.base import clone

from fastbp import BackpropClassifier, BackpropRegressor

da = pytest.importorskip("dask.array")
fits = pytest.importorskip("fastbp.dask.fits")
DaskBackpropClassifier = pytest.importorskip("fastbp.dask").DaskBackpropClassifier
DaskBackpropRegressor = pytest.importorskip("fastbp.dask").DaskBackpropRegressor

pytestmark = CUT_SHORT

PLAIN = {
    DaskBackpropClassifier: BackpropClassifier,
    DaskBackpropRegressor: BackpropRegressor,
}
BOTH = pytest.mark.parametrize("cls", list(PLAIN))
# unequal, some of them empty, one a single row; the sum is N_SAMPLES
UNEQUAL = (0, 17, 1, 0, 20, 7, 3, 0)
N = sum(UNEQUAL)

# Parameters with which a round is J and its gradient.
EXACT = {
    **{
        solver: {"solver": solver}
        for solver, record in SOLVER_RECORDS.items()
        if record.is_full_batch and not record.needs_every_row
    },
    "lbfgs, l1": {"solver": "lbfgs", "l1_ratio": 0.5},
    "rprop": {"solver": "rprop"},
    "sgd": {"solver": "sgd", "batch_size": N},
    "sgd, clipped": {"solver": "sgd", "batch_size": N, "max_grad_norm": 0.01, "l1_ratio": 0.5},
    "sgd, decay": {
        "solver": "sgd",
        "batch_size": N,
        "weight_decay": 0.1,
        "learning_rate": "cosine",
    },
    "adam": {"solver": "adam", "batch_size": N},
    "adam, small data": {"solver": "adam"},
    "adam, groups": {"solver": "adam", "learning_rate_factors": {"coefs": "fan_in"}},
    "adam, adaptive steps": {"solver": "adam", "learning_rate": "exponential", "warmup_epochs": 3},
}
LOCAL = {
    "adam, local": {"solver": "adam", "batch_size": 5},
    "sgd, local": {"solver": "sgd", "batch_size": 5, "learning_rate": "one_cycle"},
    "dropout": {"solver": "adam", "batch_size": 5, "dropout": 0.2, "input_dropout": 0.1},
}


def make(cls, **parameters):
    defaults = {"hidden_layer_sizes": (5,), "max_iter": 4, "alpha": 0.1, "random_state": 0}
    return cls(**(defaults | parameters))


def task_of(cls):
    return make_named_classes() if cls in (DaskBackpropClassifier,) else make_regression()


def divide(array, sizes=UNEQUAL):
    if array is None:
        return None
    return da.from_array(array, chunks=(tuple(sizes), *array.shape[1:]))


def fit_both(cls, X, y, sample_weight=None, sizes=UNEQUAL, **parameters):
    plain = make(PLAIN[cls], shuffle=False, **parameters).fit(X, y, sample_weight)
    collections = [divide(array, sizes) for array in (X, y, sample_weight)]
    return plain, make(cls, shuffle=False, **parameters).fit(*collections)


def assert_close(plain, shared, dtype="f8"):
    bound = {"f8": 1e-9, "f4": 1e-4}[dtype]
    scale = np.abs(plain.network_.params).max()
    np.testing.assert_allclose(shared.network_.params, plain.network_.params, atol=bound * scale)
    np.testing.assert_allclose(shared.loss_curve_, plain.loss_curve_, rtol=10 * bound)


@BOTH
@pytest.mark.parametrize("name", EXACT)
def test_one_partition_gives_the_bits_of_fit(cls, name):
    plain, shared = fit_both(cls, *task_of(cls), sizes=[N], **EXACT[name])
    np.testing.assert_array_equal(shared.network_.params, plain.network_.params)
    np.testing.assert_allclose(shared.loss_curve_, plain.loss_curve_, rtol=1e-14)
    assert shared.n_iter_ == plain.n_iter_ and shared.t_ == plain.t_


@grid(cls=list(PLAIN), name=list(EXACT), dtype=["f8", "f4"])
def test_exact_rounds_over_many_partitions_are_fit(cls, name, dtype):
    X, y = task_of(cls)
    plain, shared = fit_both(cls, X.astype(dtype), y, make_weights(), **EXACT[name])
    assert shared.network_.dtype == dtype
    assert_close(plain, shared, dtype)


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "poisson"},
        {"loss": "gaussian"},
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
        {"loss": "huber", "huber_delta": 0.5},
        {"front": "periodic"},
        {"front": "scale", "fit_intercept": False},
        {"hidden_layer_sizes": (4, 3), "activation": ["tanh", "relu"]},
        {"hidden_layer_sizes": ()},
    ],
    ids=str,
)
def test_every_kind_of_network(parameters):
    X, y = make_regression()
    y = np.abs(y) if parameters.get("loss") == "poisson" else y
    assert_close(*fit_both(DaskBackpropRegressor, X, y, solver="lbfgs", **parameters))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5}},
        {"class_weight": {0: 0.0}},
        {"label_smoothing": 0.1},
        {"output_activation": "logistic"},
        {"loss": "squared_error"},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_kind_of_classes(n_classes, parameters):
    X, y = make_classes(n_classes)
    order = np.argsort(y, kind="stable")  # most partitions hold one class only
    X, y = X[order], y[order]
    plain, shared = fit_both(DaskBackpropClassifier, X, y, solver="rprop", **parameters)
    assert_close(plain, shared)
    np.testing.assert_array_equal(shared.classes_, plain.classes_)
    np.testing.assert_array_equal(shared.predict(divide(X)).compute(), plain.predict(X))
    assert shared.score(divide(X), divide(y)) == plain.score(X, y)


@pytest.mark.parametrize(
    "class_weight", [None, "balanced", [{0: 1, 1: 2}, {0: 1, 1: 1}, {0: 0.5, 1: 3}]]
)
def test_several_labels(class_weight):
    X, y = make_multilabel()
    y[17:18] = 0  # a partition without any label
    plain, shared = fit_both(
        DaskBackpropClassifier, X, y, solver="lbfgs", class_weight=class_weight
    )
    assert_close(plain, shared)
    np.testing.assert_array_equal(shared.predict(divide(X)).compute(), plain.predict(X))


def test_several_outputs():
    X, y = make_regression(2)
    plain, shared = fit_both(DaskBackpropRegressor, X, y, make_weights(), solver="lbfgs")
    assert_close(plain, shared)
    outputs = shared.predict(divide(X))
    assert outputs.shape == (N, 2)
    # how a row is rounded depends on how many there are
    np.testing.assert_allclose(outputs.compute(), shared.to_local().predict(X), atol=1e-13)
    assert shared.score(divide(X), divide(y)) == pytest.approx(plain.score(X, y))


def test_sparse_blocks():
    X, y = make_classes()
    X = X * (np.abs(X) > 0.5)
    plain = make(BackpropClassifier, solver="lbfgs").fit(sparse.csr_matrix(X), y)
    blocks = divide(X).map_blocks(sparse.csr_matrix)
    shared = make(DaskBackpropClassifier, solver="lbfgs").fit(blocks, divide(y))
    assert_close(plain, shared)


def test_samples_and_partitions_without_weight_do_not_count():
    X, y = make_classes()
    weights = make_weights()
    weights[:17] = 0
    plain, shared = fit_both(DaskBackpropClassifier, X, y, weights, solver="rprop")
    assert_close(plain, shared)
    model = make(DaskBackpropClassifier, batch_size=4)
    with_them = clone(model).fit(divide(X), divide(y), divide(weights))
    X[:17] = 7
    assert_same_bits(with_them, clone(model).fit(divide(X), divide(y), divide(weights)))


@BOTH
@pytest.mark.parametrize("n_local_epochs", [1, 3])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_local_epochs_of_one_partition_are_epochs_of_fit(cls, solver, n_local_epochs):
    X, y = task_of(cls)
    how = {"solver": solver, "batch_size": 7, "shuffle": False, "tol": 0.0, "max_grad_norm": 0.5}
    plain = make(PLAIN[cls], **how, max_iter=4 * n_local_epochs).fit(X, y)
    shared = make(cls, **how, max_iter=4, n_local_epochs=n_local_epochs).fit(
        divide(X, [N]), divide(y, [N])
    )
    np.testing.assert_array_equal(shared.network_.params, plain.network_.params)
    assert shared.loss_curve_ == plain.loss_curve_[n_local_epochs - 1 :: n_local_epochs]
    assert (shared.n_iter_, shared.n_rounds_, shared.t_) == (4, 4, plain.t_)


def test_what_partitions_end_with_is_averaged_by_weights():
    X, y = make_classes()
    weights = make_weights()
    model = make(DaskBackpropClassifier, batch_size=5, shuffle=False, max_iter=1)
    halves = [slice(0, 20), slice(20, N)]
    sizes = [20, N - 20]
    shared = clone(model).fit(*(divide(array, sizes) for array in (X, y, weights)))
    alone = [
        clone(model).fit(*(divide(a[half], [len(a[half])]) for a in (X, y, weights)))
        for half in halves
    ]
    shares = [weights[half].sum() / weights.sum() for half in halves]
    expected = sum(s * one.network_.params for s, one in zip(shares, alone, strict=True))
    np.testing.assert_allclose(shared.network_.params, expected, rtol=1e-13)
    moments = sum(
        s * one._local._training_state.moments for s, one in zip(shares, alone, strict=True)
    )
    np.testing.assert_allclose(shared._local._training_state.moments, moments, rtol=1e-13)
    assert shared.loss_ == pytest.approx(
        sum(s * one.loss_ for s, one in zip(shares, alone, strict=True))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lbfgs, l1", "sgd, clipped", "adam", *LOCAL])
def test_bits_depend_on_the_partitions_alone(name, monkeypatch):
    """Not on how many shards the partitions are grouped into, for one worker or many."""
    X, y = make_classes()
    model = make(DaskBackpropClassifier, **(EXACT | LOCAL)[name])
    first = clone(model).fit(divide(X), divide(y))
    for n_shards in 1, 3, 100:
        monkeypatch.setattr(fits, "SHARDS_PER_THREAD", n_shards)
        assert_same_bits(clone(model).fit(divide(X), divide(y)), first)
    again = clone(model).set_params(random_state=1).fit(divide(X), divide(y))
    assert (again.network_.params != first.network_.params).any()


def test_partitions_are_shuffled_by_seed_round_and_number():
    """The same rows twice: another order in each partition, and in each round."""
    X, y = make_classes()
    model = make(DaskBackpropClassifier, batch_size=7, max_iter=1)
    sizes = [N, N]
    twice = divide(np.vstack([X, X]), sizes), divide(np.hstack([y, y]), sizes)
    once = clone(model).fit(divide(X, [N]), divide(y, [N]))
    both = clone(model).fit(*twice)
    assert (once.network_.params != both.network_.params).any()
    unshuffled = clone(model).set_params(shuffle=False)
    np.testing.assert_allclose(
        clone(unshuffled).fit(*twice).network_.params,
        clone(unshuffled).fit(divide(X, [N]), divide(y, [N])).network_.params,
        rtol=1e-13,
    )


@pytest.mark.parametrize("parameters", [{"solver": "rprop"}, {"batch_size": 5}], ids=str)
def test_warm_start(parameters):
    X, y = make_classes()
    model = make(DaskBackpropClassifier, warm_start=True, **parameters)
    collections = divide(X), divide(y)
    model.fit(*collections)
    before = model.network_.params.copy()
    local = model.to_local()
    model.fit(*collections)
    assert (model.network_.params != before).any()
    np.testing.assert_array_equal(local.network_.params, before)
    with pytest.raises(ValueError, match="same classes"):
        model.fit(divide(X), divide(y % 2))


@pytest.mark.parametrize("solver", ["lbfgs", "rprop", "adam"])
def test_validation_samples_and_early_stopping(solver):
    X, y = make_classes()
    how = {"solver": solver, "max_iter": 30, "shuffle": False}
    validation = {"X_val": X[:20], "y_val": y[:20], "sample_weight_val": make_weights()[:20]}
    plain = make(BackpropClassifier, **how).fit(X, y, **validation)
    lazily = {name: da.from_array(array) for name, array in validation.items()}
    shared = make(DaskBackpropClassifier, **how).fit(divide(X), divide(y), **lazily)
    np.testing.assert_allclose(shared.validation_loss_curve_, plain.validation_loss_curve_, 1e-9)
    assert shared.validation_scores_ == plain.validation_scores_
    early = make(DaskBackpropClassifier, **how, early_stopping=True, n_iter_no_change=2)
    with pytest.raises(ValueError, match="early_stopping=True needs X_val"):
        early.fit(divide(X), divide(y))
    early.fit(divide(X), divide(y), **lazily)
    if solver != "lbfgs":
        assert early.best_validation_score_ == max(early.validation_scores_)


@pytest.mark.parametrize("parameters", [{"solver": "rprop"}, *LOCAL.values()], ids=str)
def test_a_checkpoint_goes_on_to_the_same_bits(parameters, tmp_path):
    X, y = make_classes()
    path = tmp_path / "run.npz"
    model = make(DaskBackpropClassifier, max_iter=6, tol=0.0, **parameters)
    expected = clone(model).fit(divide(X), divide(y))
    model.set_params(checkpoint=path, checkpoint_interval=0)

    class CutError(Exception):
        pass

    def cut(estimator, X, y):
        cut.n_calls += 1
        if cut.n_calls == 4:
            raise CutError
        return 0.0

    cut.n_calls = 0
    # the scorer is part of the run; it has no effect without early stopping
    model.set_params(scoring=cut)
    with pytest.raises(CutError):
        model.fit(divide(X), divide(y), X_val=X, y_val=y)
    assert vars(model) == model.get_params()
    model.fit(divide(X), divide(y), X_val=X, y_val=y)
    np.testing.assert_array_equal(model.network_.params, expected.network_.params)
    assert model.loss_curve_ == expected.loss_curve_
    assert cut.n_calls == 7  # 3 epochs, the one that was cut off, and the last 3
    # other partitions of the same samples are another run
    with pytest.raises(ValueError, match="how they are divided"):
        clone(model).fit(divide(X, [20, N - 20]), divide(y, [20, N - 20]), X_val=X, y_val=y)
    with pytest.raises(ValueError, match="n_local_epochs=1, now 2"):
        clone(model).set_params(n_local_epochs=2).fit(divide(X), divide(y), X_val=X, y_val=y)


def test_all_classes_may_be_named():
    X, y = make_classes()
    model = make(DaskBackpropClassifier, solver="lbfgs")
    model.fit(divide(X), divide(y), classes=[0, 1, 2, 5])
    np.testing.assert_array_equal(model.classes_, [0, 1, 2, 5])
    assert model.predict_proba(divide(X)).compute().shape == (N, 4)
    with pytest.raises(ValueError, match=r"classes \[2\], which are not among classes"):
        model.fit(divide(X), divide(y), classes=[0, 1])


def test_a_fit_that_diverges_leaves_the_estimator_as_it_was():
    X, y = make_regression()
    model = make(DaskBackpropRegressor, solver="sgd", batch_size=5, learning_rate_init=1e9)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(divide(X * 1e150), divide(y))
    assert vars(model) == model.get_params()


def test_why_a_fit_has_not_converged_and_what_to_scale():
    X, y = make_regression()
    model = make(DaskBackpropRegressor, solver="rprop", max_iter=2)
    X[:, 2] *= 1000
    with pytest.warns(match=r"Maximum iterations \(2\) .* Column 2 of X has a root mean square"):
        model.fit(divide(X), divide(y))


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("solver", ["lbfgs", "rprop", "sgd"])
def test_targets_too_large_to_be_squared_get_the_advice_of_fit(solver, n_outputs):
    X, y = make_regression(n_outputs)
    said = []
    for cls, form in (BackpropRegressor, np.asarray), (DaskBackpropRegressor, divide):
        with pytest.raises(ValueError, match="non-finite loss.* Scale X .*, y") as error:
            make(cls, solver=solver).fit(form(X), form(1e300 * y))
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_size_of_extreme_targets_is_told(size):
    X, y = make_regression()
    how = {"solver": "rprop", "loss": "absolute_error"}
    expected = f"y has a root mean square of {size * np.sqrt(np.mean(y**2)):.3g}: scale it"
    for cls, form in (BackpropRegressor, np.asarray), (DaskBackpropRegressor, divide):
        with pytest.warns(match=expected.replace("+", r"\+")):
            make(cls, **how).fit(form(X), form(size * y))


def test_positive_targets_are_no_zeros_however_small():
    X, y = make_regression()
    fit_both(DaskBackpropRegressor, X, 1e-200 * (1 + np.abs(y)), solver="rprop", loss="gamma")


def test_to_local_and_pickles():
    X, y = make_named_classes()
    model = make(DaskBackpropClassifier, solver="rprop").fit(divide(X), divide(y))
    local = model.to_local()
    assert type(local) is BackpropClassifier
    np.testing.assert_array_equal(local.predict_proba(X), model.predict_proba(X))
    local.coefs_[0][:] = 0
    assert model.coefs_[0].any() and model.intercepts_[0].any()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(divide(X)).compute(), model.predict(X))
    assert_same_bits(again, model)


@BOTH
def test_a_parameter_that_there_is_not_gets_a_hint(cls):
    with pytest.raises(ValueError, match=r"\]\. Did you mean 'learning_rate_init'\?$"):
        cls().set_params(lr=0.1)


@BOTH
def test_parameters_are_those_of_the_plain_estimator(cls):
    parameters = PLAIN[cls]().get_params()
    assert cls().get_params() == {**parameters, "n_local_epochs": 1}
    model = cls((3,), alpha=0.5, n_local_epochs=2)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(TypeError, match="unknown"):
        cls(unknown=1)
    for name, value in ("n_local_epochs", 0), ("alpha", -1):
        with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__}"):
            cls(**{name: value}).fit(None, None)
    with pytest.raises(AttributeError, match="not fitted"):
        _ = model.coefs_


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"solver": "levenberg_marquardt"}, "not available with Dask"),
        ({"solver": "adam", "dropout": 0.1}, "dropout needs batches"),
    ],
    ids=str,
)
def test_what_partitions_do_not_allow(parameters, words):
    X, y = make_classes()
    with pytest.raises(ValueError, match=words):
        make(DaskBackpropClassifier, **parameters).fit(divide(X), divide(y))
