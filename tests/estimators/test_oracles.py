"""Estimators against other people's solutions of the same problem, and against the NumPy twin.

Without hidden layers they are generalised linear models, whose minimum scikit-learn, SciPy or a
linear program knows: Ridge, Lasso, ElasticNet, LogisticRegression, PoissonRegressor, GammaRegressor
and QuantileRegressor, and objectives written out here. A mean loss with the penalty
alpha (1 - r) / (2 n) ||W||^2 + alpha r / n sum |W| is theirs with alpha / n for alpha. With hidden
layers: the conditions of a minimum under an l1 penalty, the twin's training step by step, and what
must be the same thing said in another way: class weights and sample weights, a user's own loss and
the one of that name.
"""

import itertools

import numpy as np
import pytest
from covering import grid
from internals import LOSS_RECORDS, OPTIMIZERS
from own_losses import LogCosh, SquaredError
from problems import CUT_SHORT
from reference import TWIN_OPTIMIZERS, ReferenceNetwork, train
from scipy.optimize import least_squares, minimize
from scipy.special import expit, log_softmax
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.metrics import mean_gamma_deviance, mean_pinball_loss
from sklearn.utils.class_weight import compute_class_weight

from fastbp import BackpropClassifier, BackpropRegressor

N, N_FEATURES = 80, 5
# SciPy's L-BFGS stops at a relative decrease of 2e-9; that leaves 1e-4 in the weights.
ATOL = 1e-4
LINEAR = dict(hidden_layer_sizes=(), solver="lbfgs", max_iter=10_000, tol=1e-9, random_state=0)


def features(n=N, seed=0):
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def weights_of_rows(seed=1):
    return np.random.default_rng(seed).uniform(0.1, 3, size=N)


def real_targets(seed=2):
    """Two of the features have no effect."""
    X = features()
    noise = np.random.default_rng(seed).normal(size=N)
    return X, X @ [1.5, -1.0, 0.5, 0.0, 0.0] + 1.0 + 0.5 * noise


def positive_targets(seed=3):
    X = features()
    mean = np.exp(0.5 * X[:, 0] - 0.3 * X[:, 1] + 0.5)
    return X, np.random.default_rng(seed).gamma(2.0, mean / 2)


def classes(n_classes, seed=4):
    X = features()
    scores = X[:, :n_classes] + np.random.default_rng(seed).normal(size=(N, n_classes))
    return X, scores.argmax(axis=1)


def linear_part(estimator):
    """Weights and intercepts in scikit-learn's layout, for one output."""
    return estimator.coefs_[0].ravel(), estimator.intercepts_[0][0]


def written_out(objective, n_params):
    """The minimum of a smooth convex function of a flat vector, by SciPy, to full precision."""
    found = minimize(objective, np.zeros(n_params), method="BFGS", options={"gtol": 1e-7})
    assert np.abs(found.jac).max() < 1e-5
    return found.x


# --- generalised linear models ---


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["gamma", "poisson"])
def test_deviances_are_those_of_scikit_learn(loss, weighted):
    X, y = positive_targets()
    w = weights_of_rows() if weighted else None
    sum_w = w.sum() if weighted else N
    ours = BackpropRegressor(loss=loss, alpha=3.0, **LINEAR).fit(X, y, sample_weight=w)
    assert ours.out_activation_ == "exp"
    model = GammaRegressor if loss == "gamma" else PoissonRegressor
    theirs = model(alpha=3.0 / sum_w, solver="newton-cholesky", tol=1e-10)
    theirs.fit(X, y, sample_weight=w)
    coef, intercept = linear_part(ours)
    np.testing.assert_allclose(coef, theirs.coef_, atol=ATOL)
    assert intercept == pytest.approx(theirs.intercept_, abs=ATOL)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=10 * ATOL)


@CUT_SHORT
@pytest.mark.parametrize("hidden_layer_sizes", [(), (4,)])
def test_the_gamma_loss_is_half_the_deviance(hidden_layer_sizes):
    X, y = positive_targets()
    arguments = LINEAR | dict(hidden_layer_sizes=hidden_layer_sizes, max_iter=100)
    ours = BackpropRegressor(loss="gamma", alpha=0.0, activation="silu", **arguments).fit(X, y)
    expected = 0.5 * mean_gamma_deviance(y, ours.predict(X))
    assert ours.loss_ == pytest.approx(expected, rel=1e-10)


@CUT_SHORT
@grid(1, quantile=[0.1, 0.5, 0.8], alpha=[0.0, 2.0])
def test_quantile_regression(quantile, alpha):
    """The linear program finds the true minimum: ours is close to it, and not below."""
    X, y = real_targets()
    theirs = QuantileRegressor(quantile=quantile, alpha=alpha / N).fit(X, y)
    ours = BackpropRegressor(
        (),
        loss="quantile",
        quantile=quantile,
        alpha=alpha,
        l1_ratio=1.0,
        learning_rate="cosine",
        learning_rate_init=0.05,
        max_iter=3000,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y)
    penalty = alpha / N * np.abs(theirs.coef_).sum()
    lowest = mean_pinball_loss(y, theirs.predict(X), alpha=quantile) + penalty
    loss = ours.network_.loss(X, y)
    penalty = alpha / N * np.abs(ours.coefs_[0]).sum()
    expected = mean_pinball_loss(y, ours.predict(X), alpha=quantile) + penalty
    assert loss == pytest.approx(expected, rel=1e-12)
    assert lowest * (1 - 1e-9) <= loss <= lowest * 1.0001
    assert np.mean(y <= ours.predict(X)) == pytest.approx(quantile, abs=0.1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("delta", [0.1, 0.5, 3.0])
def test_huber_regression(delta, weighted):
    """The scale is fixed, while HuberRegressor fits it. Outliers are on the linear part."""
    X, y = real_targets()
    y[::7] += 20
    w = weights_of_rows() if weighted else np.ones(N)

    def objective(params):
        distance = np.abs(X @ params[:-1] + params[-1] - y)
        losses = np.where(distance <= delta, distance**2 / 2, delta * (distance - delta / 2))
        return (w @ losses + params[:-1] @ params[:-1]) / w.sum()

    expected = written_out(objective, N_FEATURES + 1)
    ours = BackpropRegressor(loss="huber", huber_delta=delta, alpha=2.0, **LINEAR)
    ours.fit(X, y, sample_weight=w if weighted else None)
    coef, intercept = linear_part(ours)
    np.testing.assert_allclose(coef, expected[:-1], atol=ATOL)
    assert intercept == pytest.approx(expected[-1], abs=ATOL)
    assert ours.loss_ == pytest.approx(objective(expected), rel=1e-8)


@pytest.mark.parametrize("solver, atol", [("lbfgs", ATOL), ("levenberg_marquardt", 1e-9)])
@pytest.mark.parametrize("weighted", [False, True])
def test_squared_error_is_ridge(solver, atol, weighted):
    X, y = real_targets()
    y = np.column_stack([y, X[:, 3] - y])
    w = weights_of_rows() if weighted else None
    ours = BackpropRegressor(alpha=3.0, **(LINEAR | dict(solver=solver)))
    ours.fit(X, y, sample_weight=w)
    ridge = Ridge(alpha=3.0).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.coefs_[0].T, ridge.coef_, atol=atol)
    np.testing.assert_allclose(ours.intercepts_[0], ridge.intercept_, atol=atol)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 3.0, 2: 1.0}])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_loss_is_logistic_regression(n_classes, class_weight):
    X, y = classes(n_classes)
    X, y = X[y != 0], y[y != 0]  # the classes are not as many as features, nor balanced
    X, y = np.r_[X, features(9, seed=5)], np.r_[y, np.zeros(9, int)]
    if isinstance(class_weight, dict):
        class_weight = {label: class_weight[label] for label in range(n_classes)}
    ours = BackpropClassifier(alpha=5.0, class_weight=class_weight, **LINEAR).fit(X, y)
    theirs = LogisticRegression(C=1 / 5.0, class_weight=class_weight, tol=1e-9, max_iter=10_000)
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, atol=ATOL)
    # The common part of a softmax's intercepts is free.
    free = 0 if n_classes == 2 else np.mean(ours.intercepts_[0] - theirs.intercept_)
    np.testing.assert_allclose(ours.intercepts_[0] - free, theirs.intercept_, atol=5 * ATOL)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=5 * ATOL)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_smoothing_is_the_objective_written_out(n_classes):
    X, y = classes(n_classes)
    e, alpha = 0.2, 1.0
    n_outputs = 1 if n_classes == 2 else n_classes

    def objective(params):
        coef = params[: N_FEATURES * n_outputs].reshape(N_FEATURES, n_outputs)
        z = X @ coef + params[N_FEATURES * n_outputs :]
        if n_classes == 2:
            # The two classes get e/2 each.
            t = np.where(y == 1, 1 - e / 2, e / 2)
            losses = -t * np.log(expit(z[:, 0])) - (1 - t) * np.log(expit(-z[:, 0]))
        else:
            log_p = log_softmax(z, axis=1)
            losses = -(1 - e) * log_p[np.arange(N), y] - e * log_p.mean(axis=1)
        return losses.mean() + alpha / (2 * N) * np.sum(coef**2)

    ours = BackpropClassifier(label_smoothing=e, alpha=alpha, **LINEAR).fit(X, y)
    expected = written_out(objective, (N_FEATURES + 1) * n_outputs)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), expected[:-n_outputs], atol=ATOL)
    assert objective(ours.network_.params) == pytest.approx(ours.loss_, rel=1e-12)
    assert ours.loss_ == pytest.approx(objective(expected), rel=1e-8)
    plain = BackpropClassifier(alpha=alpha, **LINEAR).fit(X, y)
    assert ours.predict_proba(X).max() < plain.predict_proba(X).max()


# --- l1 ---


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha, l1_ratio", [(14.0, 1.0), (30.0, 1.0), (20.0, 0.6), (20.0, 0.1)])
def test_l1_is_lasso_and_elastic_net(alpha, l1_ratio, weighted):
    X, y = real_targets()
    w = weights_of_rows() if weighted else None
    sum_w = w.sum() if weighted else N
    ours = BackpropRegressor(alpha=alpha, l1_ratio=l1_ratio, **LINEAR).fit(X, y, sample_weight=w)
    shared = dict(alpha=alpha / sum_w, tol=1e-12, max_iter=100_000)
    theirs = Lasso(**shared) if l1_ratio == 1 else ElasticNet(l1_ratio=l1_ratio, **shared)
    theirs.fit(X, y, sample_weight=w)
    coef, intercept = linear_part(ours)
    np.testing.assert_allclose(coef, theirs.coef_, atol=ATOL)
    assert intercept == pytest.approx(theirs.intercept_, abs=ATOL)
    # Weights that the penalty drives to zero are exactly zero.
    np.testing.assert_array_equal(coef == 0, theirs.coef_ == 0)
    assert np.count_nonzero(coef) in (range(1, N_FEATURES) if l1_ratio > 0.5 else (4, 5))


def l1_violation(estimator, X, y):
    """How far the gradient is from the conditions of a minimum of f(W) + l1 sum |W|.

    f'(w) = -l1 sign(w) where w is not 0, |f'(w)| <= l1 where it is, f'(b) = 0 for intercepts.
    """
    net = estimator.network_
    twin = ReferenceNetwork.like(net)
    twin.l1 = 0.0
    _, smooth = twin.loss_gradient(X, y)
    n_coefs = sum(coef.size for coef in net.coefs)
    w, g = net.params[:n_coefs], smooth[:n_coefs]
    of_coefs = np.where(w == 0, np.maximum(np.abs(g) - net.l1, 0), np.abs(g + net.l1 * np.sign(w)))
    return max(of_coefs.max(), np.abs(smooth[n_coefs:]).max())


@grid(1, hidden_layer_sizes=[(), (6,), (6, 5)], l1_ratio=[0.5, 1.0])
def test_l1_with_lbfgs_ends_where_a_minimum_can_be(hidden_layer_sizes, l1_ratio):
    X, y = classes(3)
    ours = BackpropClassifier(
        activation="softplus",
        alpha=0.8,
        l1_ratio=l1_ratio,
        **(LINEAR | dict(hidden_layer_sizes=hidden_layer_sizes)),
    ).fit(X, y)
    # The size of f' itself is l1 = 0.005 or 0.01.
    assert l1_violation(ours, X, np.eye(3)[y]) < 1e-3
    assert any(np.any(coef == 0) for coef in ours.coefs_)
    assert all(np.any(coef != 0) for coef in ours.coefs_)


# --- several quantiles ---


def skewed(n=600, seed=6):
    """Noise that grows with the first feature."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, N_FEATURES))
    return X, np.sin(3 * X[:, 1]) + (1.2 + X[:, 0]) * rng.exponential(size=n)


@CUT_SHORT
@pytest.mark.parametrize(
    "solver",
    ["adam", "lbfgs", *(pytest.param(one, marks=pytest.mark.grid) for one in ("sgd", "rprop"))],
)
def test_several_quantiles_do_not_cross(solver):
    X, y = skewed()
    quantiles = [0.05, 0.1, 0.5, 0.9, 0.95]
    ours = BackpropRegressor(
        (20,), loss="quantile", quantile=quantiles, solver=solver, activation="tanh",
        learning_rate_init=0.01, max_iter=300, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert ours.out_activation_ == "increasing"
    predictions = ours.predict(X)
    assert predictions.shape == (len(X), 5)
    assert (np.diff(predictions, axis=1) >= 0).all()
    # Far from the data, and for untrained networks, too.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        far = rng.normal(scale=10.0 ** rng.integers(0, 4), size=(200, N_FEATURES))
        assert (np.diff(ours.predict(far), axis=1) >= 0).all()
        wild = clone(ours).set_params(random_state=seed).initialize(X, y)
        wild.network_.params *= 10
        assert (np.diff(wild.predict(far), axis=1) >= 0).all()
    covered = np.mean(y[:, None] <= predictions, axis=0)
    np.testing.assert_allclose(covered, quantiles, atol=0.06)
    # The spread follows the noise.
    spread = predictions[:, -1] - predictions[:, 0]
    assert spread[X[:, 0] > 0.5].mean() > 1.5 * spread[X[:, 0] < -0.5].mean()


def test_the_loss_of_several_quantiles_is_the_sum():
    X, y = skewed()
    quantiles = [0.2, 0.5, 0.7]
    ours = BackpropRegressor((4,), loss="quantile", quantile=quantiles, alpha=0.0, random_state=0)
    ours.initialize(X, y)
    predictions = ours.predict(X)
    expected = sum(
        mean_pinball_loss(y, predictions[:, k], alpha=q) for k, q in enumerate(quantiles)
    )
    assert ours.network_.loss(X, y) == pytest.approx(expected, rel=1e-12)


# --- two ways to say the same thing ---


def briefly(cls, solver, **arguments):
    defaults = dict(hidden_layer_sizes=(6, 5), activation=["gelu", "elu"], solver=solver, alpha=0.5)
    defaults |= dict(max_iter=6, batch_size=16, learning_rate_init=0.01, random_state=7)
    return cls(**(defaults | arguments))


SOLVERS = ["sgd", "adam", "rprop", "lbfgs"]


@CUT_SHORT
@grid(kind=["dict", "balanced"], n_classes=[2, 3], weighted=[False, True], solver=SOLVERS)
def test_class_weights_are_sample_weights(kind, n_classes, weighted, solver):
    X, y = classes(n_classes)
    y = np.array(["a", "b", "c"])[y]
    w = weights_of_rows() if weighted else None
    if kind == "dict":
        class_weight = {"a": 0.25, "b": 3.0} | ({"c": 1.7} if n_classes == 3 else {})
        of_class = class_weight
    else:
        class_weight, labels = "balanced", np.unique(y)
        balanced = compute_class_weight("balanced", classes=labels, y=y)
        of_class = dict(zip(labels, balanced, strict=True))
    of_rows = np.array([of_class[label] for label in y])
    arguments = dict(early_stopping=solver != "lbfgs", validation_fraction=0.2)
    by_class = briefly(BackpropClassifier, solver, class_weight=class_weight, **arguments)
    by_class.fit(X, y, sample_weight=w)
    by_row = briefly(BackpropClassifier, solver, **arguments)
    by_row.fit(X, y, sample_weight=of_rows if w is None else w * of_rows)
    np.testing.assert_array_equal(by_class.network_.params, by_row.network_.params)
    assert by_class.loss_curve_ == by_row.loss_curve_
    assert by_class.validation_scores_ == by_row.validation_scores_
    plain = briefly(BackpropClassifier, solver, **arguments).fit(X, y, sample_weight=w)
    assert not np.array_equal(plain.network_.params, by_class.network_.params)


@CUT_SHORT
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_class_weights_in_partial_fit_are_sample_weights(solver):
    X, y = classes(3)
    of_class = np.array([0.25, 3.0, 1.7])
    by_class = briefly(BackpropClassifier, solver, class_weight=dict(enumerate(of_class)))
    by_row = briefly(BackpropClassifier, solver)
    for rows in np.split(np.argsort(y, kind="stable"), 4):  # not every class in each
        by_class.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        by_row.partial_fit(X[rows], y[rows], sample_weight=of_class[y[rows]], classes=[0, 1, 2])
        np.testing.assert_array_equal(by_class.network_.params, by_row.network_.params)


@CUT_SHORT
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_a_users_loss_trains_as_the_built_in_one(cls, solver):
    X, y = classes(3) if cls is BackpropClassifier else real_targets()
    w = weights_of_rows()
    built_in = briefly(cls, solver, loss="squared_error").fit(X, y, sample_weight=w)
    own = briefly(cls, solver, loss=SquaredError()).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(own.loss_curve_, built_in.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(own.network_.params, built_in.network_.params, atol=1e-9)


def test_a_users_loss_is_the_objective_written_out():
    X, y = real_targets()

    def objective(params):
        residuals = X @ params[:-1] + params[-1] - y
        return np.mean(np.log(np.cosh(residuals))) + params[:-1] @ params[:-1] / N

    ours = BackpropRegressor(loss=LogCosh(), alpha=2.0, **LINEAR).fit(X, y)
    expected = written_out(objective, N_FEATURES + 1)
    np.testing.assert_allclose(ours.network_.params, expected, atol=ATOL)


# --- hidden layers ---


def test_levenberg_marquardt_ends_where_scipys_stays():
    """Its gradient is zero there, and SciPy's own, started there, finds nothing lower."""
    X, y = real_targets()
    y = np.tanh(y) + 0.1 * X[:, 3]
    arguments = dict(solver="levenberg_marquardt", max_iter=1000, tol=1e-8, random_state=1)
    ours = BackpropRegressor((3,), activation="tanh", alpha=0.5, **arguments).fit(X, y)
    twin = ReferenceNetwork.like(ours.network_)
    is_coef = np.arange(len(twin.params)) < 3 * (N_FEATURES + 1)

    def residuals(params):
        """Half their squares is J."""
        twin.params = params
        penalised = np.sqrt(0.5 / N) * params[is_coef]
        return np.concatenate([(twin.forward(X)[:, 0] - y) / np.sqrt(N), penalised])

    params = ours.network_.params
    assert ours.loss_ == pytest.approx(0.5 * np.sum(residuals(params) ** 2), rel=1e-12)
    assert np.abs(ours.network_.loss_gradient(X, y).flat).max() <= 1e-8
    found = least_squares(residuals, params.copy(), method="lm", xtol=1e-13, ftol=1e-14)
    assert ours.loss_ == pytest.approx(found.cost, rel=1e-9)
    np.testing.assert_allclose(params, found.x, atol=1e-5)
    # Training has lowered the loss to get there.
    assert ours.loss_ < 0.3 * ours.loss_curve_[0]


OPTIONS = {
    "plain": {},
    "l1": dict(l1_ratio=1.0),
    "elastic": dict(l1_ratio=0.3),
    "decay": dict(weight_decay=1.5),
    "clip": dict(max_grad_norm=0.3),
    "all": dict(l1_ratio=0.3, weight_decay=1.5, max_grad_norm=0.3),
}
OF_LOSSES = {"huber": dict(huber_delta=0.4), "quantile": dict(quantile=[0.2, 0.7])}
LOSSES_OF_NUMBERS = [name for name, record in LOSS_RECORDS.items() if record.of_numbers]


@CUT_SHORT
@grid(1, loss=LOSSES_OF_NUMBERS, options=OPTIONS)
def test_training_is_the_twins(loss, options):
    for solver, weighted in itertools.product(OPTIMIZERS, [False, True]):
        assert_training_is_the_twins(loss, solver, OPTIONS[options], weighted)


def assert_training_is_the_twins(loss, solver, options, weighted):
    X, y = positive_targets()
    w = weights_of_rows() if weighted else None
    ours = briefly(
        BackpropRegressor, solver, loss=loss, shuffle=False, max_iter=5, tol=0.0,
        n_iter_no_change=100, **OF_LOSSES.get(loss, {}), **options,
    )  # fmt: skip
    twin = ReferenceNetwork.like(clone(ours).initialize(X, y).network_)
    optimizer = TWIN_OPTIMIZERS[solver](0.01)
    batch_size = N if solver == "rprop" else 16
    if solver == "rprop":
        options = {name: value for name, value in options.items() if name != "weight_decay"}
    losses = train(
        twin, optimizer, X, y[:, None], [np.arange(N)] * 5, batch_size,
        alpha=0.5, sample_weight=w, **options,
    )  # fmt: skip
    ours.fit(X, y, sample_weight=w)
    what = f"{solver}, weighted={weighted}"
    np.testing.assert_allclose(ours.loss_curve_, losses, rtol=1e-9, err_msg=what)
    params = ours.network_.params
    np.testing.assert_allclose(params, twin.params, rtol=0, atol=1e-9, err_msg=what)
