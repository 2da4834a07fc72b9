"""Levenberg-Marquardt against its equations in NumPy, closed forms, and SciPy's least_squares."""

import copy
import warnings

import numpy as np
import pytest
from internals import DataSet, Targets
from internals import levenberg_marquardt as lm
from problems import make_classes, make_regression
from reference import ReferenceNetwork
from scipy import sparse
from scipy.optimize import least_squares
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropClassifier, BackpropRegressor, Network

N_SAMPLES = 60


def make_problem(n_features=3, n_outputs=1, hidden=(4,), *, seed=0, **settings):
    """A small smooth network, with samples that it cannot fit exactly."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_SAMPLES, n_features))
    waves = [np.sin(2 * X[:, k % n_features]) + 0.3 * X[:, 0] for k in range(n_outputs)]
    Y = np.column_stack(waves) + 0.1 * rng.standard_normal((N_SAMPLES, n_outputs))
    settings = {"activation": "tanh", "random_state": seed, **settings}
    return Network([n_features, *hidden, n_outputs], **settings), X, Y


def minimize(net, X, targets, weights=None, *, max_iter=500, tol=1e-10, after_iteration=None):
    """(what minimize returns, the losses of the iterations)"""
    losses = []

    def record(loss, damping):
        losses.append(loss)
        return after_iteration is not None and after_iteration(loss)

    if not isinstance(targets, Targets):
        targets = Targets.matrix(targets)
    data = DataSet(X, None, targets, weights)
    stop = lm.minimize(net, data, max_iter=max_iter, tol=tol, end_iteration=record)
    return stop, losses


def residuals(net, X, Y, weights):
    """params -> a vector of which half the squared norm is J, from the NumPy twin's outputs."""
    twin = ReferenceNetwork.like(net)
    n_coefs = sum(coef.size for coef in net.coefs)
    total = weights.sum() if net.reduction == "mean" else 1.0
    roots = np.sqrt(net.loss_scale * weights / total)[:, np.newaxis]

    def of(params):
        twin.params = params
        errors = roots * (twin.forward(X) - Y)
        return np.concatenate([errors.ravel(), np.sqrt(2 * net.l2) * params[:n_coefs]])

    return of


CASES = {
    "plain": {"hidden": (2,)},
    "penalty": {"l2": 1e-3},
    "two outputs": {"n_outputs": 2, "l2": 1e-3},
    "sum": {"reduction": "sum", "loss_scale": 0.3, "l2": 1e-2},
    "no intercepts": {"fit_intercept": False, "l2": 1e-3},
    "deep": {"hidden": (4, 3), "activation": ("tanh", "logistic"), "l2": 1e-3},
    "smooth": {"activation": "silu", "l2": 1e-3},
}
each_case = pytest.mark.parametrize("case", CASES)
weightings = pytest.mark.parametrize("weighted", [False, True])


def draw_weights(weighted):
    if not weighted:
        return None
    weights = np.random.default_rng(5).uniform(0.1, 3, N_SAMPLES)
    weights[:4] = 0
    return weights


@weightings
@each_case
def test_the_matrix_and_the_step_are_those_of_the_equations(build, case, weighted, monkeypatch):
    monkeypatch.setattr(lm, "BLOCK_ENTRIES", 1)
    monkeypatch.setattr(lm, "LEAST_BLOCK_ROWS", 14)  # several blocks, the last one shorter
    net, X, Y = make_problem(**CASES[case])
    weights = draw_weights(weighted)
    normal = lm._NormalEquations(net, DataSet(X, None, None, weights))
    assert 1 < normal.block < N_SAMPLES and N_SAMPLES % normal.block
    for _ in range(2):  # nothing is left over from the first time
        assert normal.assemble()
    given = np.ones(N_SAMPLES) if weights is None else weights
    scale = net.loss_scale / (given.sum() if net.reduction == "mean" else 1)
    jacobian = ReferenceNetwork.like(net).jacobian(X)
    expected = scale * np.einsum("i,ikp,ikq->pq", given, jacobian, jacobian)
    n_coefs = sum(coef.size for coef in net.coefs)
    expected[range(n_coefs), range(n_coefs)] += 2 * net.l2
    largest = np.abs(expected).max()
    np.testing.assert_allclose(
        np.tril(normal.matrix), np.tril(expected), rtol=0, atol=1e-13 * largest
    )

    grad = net.loss_gradient(X, Y, weights).flat
    damping = 0.01 * np.trace(expected) / net.n_params
    step = np.linalg.solve(expected + damping * np.eye(net.n_params), -grad)
    np.testing.assert_allclose(normal.step(grad, 0.01), step, rtol=0, atol=1e-9 * abs(step).max())


@weightings
@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] if c == "deep" else []) for c in CASES]
)
def test_least_squares_of_scipy_stays_where_it_ends(case, weighted):
    """SciPy takes the Jacobian from differences of the NumPy twin: none of our code is in it."""
    net, X, Y = make_problem(**CASES[case])
    weights = draw_weights(weighted)
    stop, losses = minimize(net, X, Y, weights, tol=0, max_iter=5000)
    assert stop.loss == losses[-1] == net.loss(X, Y, weights)
    given = np.ones(N_SAMPLES) if weights is None else weights
    with np.errstate(invalid="ignore"):  # SciPy divides by a step that is zero
        found = least_squares(
            residuals(net, X, Y, given),
            net.params.copy(),
            "3-point",
            gtol=1e-9,
            xtol=1e-15,
            ftol=1e-15,
        )
    assert found.cost == pytest.approx(stop.loss, rel=1e-8)


@weightings
def test_scipy_finds_the_same_minimum_from_the_same_start(weighted):
    """A small network with a penalty, and a start from which no other minimum is near.

    From farther away the two may end in different minima, SciPy's old and new releases too.
    """
    net, X, Y = make_problem(n_features=1, hidden=(2,), l2=0.01)
    weights = draw_weights(weighted)
    minimize(net, X, Y, weights, tol=1e-7)
    net.params += 0.1 * np.random.default_rng(0).normal(size=net.n_params)
    given = np.ones(N_SAMPLES) if weights is None else weights
    of = residuals(net, X, Y, given)
    found = least_squares(of, net.params.copy(), method="lm", xtol=1e-14, ftol=1e-14)
    stop, _ = minimize(net, X, Y, weights, tol=1e-7)
    assert stop.converged and stop.message == ""
    assert found.cost == pytest.approx(stop.loss, rel=1e-8)
    # not the parameters: a unit and its mirror image do the same
    errors, expected = of(net.params)[:N_SAMPLES], of(found.x)[:N_SAMPLES]
    np.testing.assert_allclose(errors, expected, rtol=0, atol=1e-5)


@weightings
def test_a_linear_network_gets_the_ridge_solution_in_a_few_steps(weighted):
    net, X, Y = make_problem(hidden=(), n_outputs=2, l2=0.05)
    weights = draw_weights(weighted)
    stop, losses = minimize(net, X, Y, weights, tol=1e-13)
    assert stop.converged and len(losses) < 10
    given = np.ones(N_SAMPLES) if weights is None else weights
    ones = np.column_stack([X, np.ones(N_SAMPLES)])
    penalty = np.diag([0.1, 0.1, 0.1, 0]) * given.sum()
    expected = np.linalg.solve(
        ones.T @ (given[:, None] * ones) + penalty, ones.T @ (given[:, None] * Y)
    )
    np.testing.assert_allclose(net.coefs[0], expected[:-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.intercepts[0], expected[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("output", ["logistic", "softmax", "exp"])
def test_other_outputs_and_labels(output):
    """An output's derivative belongs to the Jacobian; labels are one-hot rows, smoothed or not."""
    X, labels = make_classes(3, noise=0.2)
    smoothing = 0.0 if output == "exp" else 0.1
    settings = {"l2": 1e-3, "activation": "tanh", "output_activation": output, "random_state": 0}
    net = Network([4, 4, 3], label_smoothing=smoothing, **settings)
    twin = Network([4, 4, 3], label_smoothing=smoothing, **settings)
    stop, _ = minimize(net, X, Targets(None, labels.astype(np.intp), 3), tol=1e-9)
    assert stop.converged
    assert np.abs(net.loss_gradient(X, np.eye(3)[labels]).flat).max() <= 1e-9
    again, _ = minimize(twin, X, np.eye(3)[labels], tol=1e-9)
    assert again.loss == pytest.approx(stop.loss, rel=1e-12)


def test_csr_is_what_dense_is():
    net, X, Y = make_problem(l2=1e-3)
    X[np.abs(X) < 0.7] = 0
    twin = copy.deepcopy(net)
    dense, dense_losses = minimize(net, X, Y, max_iter=20)
    found, losses = minimize(twin, sparse.csr_matrix(X), Y, max_iter=20)
    np.testing.assert_allclose(losses, dense_losses, rtol=1e-7)


def test_weights_count_samples_and_their_scale_is_none():
    """Copies of the samples or scaled weights do not change the path."""
    net, X, Y = make_problem()
    runs = [
        (X, Y, None),
        (np.repeat(X, 3, axis=0), np.repeat(Y, 3, axis=0), None),
        (X, Y, np.full(N_SAMPLES, 1e4)),
        (X, Y, np.full(N_SAMPLES, 1e-200)),
    ]
    curves = [minimize(copy.deepcopy(net), *run, max_iter=10)[1] for run in runs]
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0], rtol=1e-7)


def test_the_loss_falls_at_every_iteration_and_the_parameters_are_those_of_the_last():
    net, X, Y = make_problem(l2=1e-4)
    seen = [net.loss(X, Y)]

    def compare(loss):
        assert loss == net.loss(X, Y)
        assert loss < seen[-1] * (1 + 1e-15)
        seen.append(loss)

    views = net.coefs, net.params
    assert minimize(net, X, Y, after_iteration=compare)[0].converged
    assert len(seen) > 5
    assert net.coefs is views[0] and net.params is views[1]


def test_it_stops_where_the_gradient_is_small_enough():
    net, X, Y = make_problem(l2=1e-3)
    start = net.params.copy()
    steepest = np.abs(net.loss_gradient(X, Y).flat).max()
    stop, losses = minimize(net, X, Y, tol=steepest)
    assert stop.converged and losses == []
    assert stop.loss == net.loss(X, Y)
    np.testing.assert_array_equal(net.params, start)
    for tol in 1e-3, 1e-6:
        steeper = []

        def look(loss, steeper=steeper):
            steeper.append(np.abs(net.loss_gradient(X, Y).flat).max())

        assert minimize(net, X, Y, tol=tol, after_iteration=look)[0].converged
        assert steeper[-1] <= tol and all(entry > tol for entry in steeper[:-1])


def test_max_iter():
    net, X, Y = make_problem()
    stop, losses = minimize(net, X, Y, max_iter=3)
    assert not stop.converged and len(losses) == 3 and stop.loss == losses[-1]
    assert "Increase max_iter=3" in stop.message


def test_after_iteration_ends_the_run():
    net, X, Y = make_problem()
    seen = []
    stop, losses = minimize(
        net, X, Y, after_iteration=lambda loss: seen.append(loss) or len(seen) == 4
    )
    assert stop.converged and len(losses) == 4 and stop.loss == net.loss(X, Y)


def test_an_exception_leaves_the_network_of_the_last_iteration():
    net, X, Y = make_problem()
    losses = []

    def interrupt(loss):
        losses.append(loss)
        if len(losses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(net, X, Y, after_iteration=interrupt)
    assert net.loss(X, Y) == losses[-1]


def test_an_exception_during_a_step_leaves_the_network_of_the_iteration_before(monkeypatch):
    net, X, Y = make_problem()
    losses = []
    solve = lm.cho_solve

    def interrupt(*args, **kwargs):
        if len(losses) == 3:
            raise KeyboardInterrupt
        return solve(*args, **kwargs)

    monkeypatch.setattr(lm, "cho_solve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        minimize(net, X, Y, after_iteration=losses.append)
    assert net.loss(X, Y) == losses[-1]


def test_it_stops_where_no_step_lowers_the_loss():
    """There the gradient is zero to rounding, far below what the rounded loss could show."""
    net, X, Y = make_problem(hidden=(2,), l2=0.01)
    stop, losses = minimize(net, X, Y, tol=0, max_iter=100_000)
    assert not stop.converged and stop.loss == net.loss(X, Y)
    assert "No step lowers the loss" in stop.message
    assert np.abs(net.loss_gradient(X, Y).flat).max() < 1e-14


def test_a_matrix_that_is_singular_is_damped_until_it_is_not():
    """Units without effect and features that are the same twice, without a penalty."""
    net, X, Y = make_problem(n_features=4, hidden=(6,), activation="relu")
    X[:, 3] = X[:, 2]
    net.intercepts[0][:3] = -1e3
    before = net.loss(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stop, losses = minimize(net, X, Y, tol=1e-6)
    assert losses[-1] < 0.8 * before and np.isfinite(net.params).all()
    np.testing.assert_array_equal(net.intercepts[0][:3], -1e3)


def test_a_failing_factorization_is_tried_again_with_more_damping(monkeypatch):
    net, X, Y = make_problem()
    factor, dampings = lm._NormalEquations.step, []

    def step(self, grad, damping):
        dampings.append(damping)
        return factor(self, grad, damping) if len(dampings) > 3 else None

    monkeypatch.setattr(lm._NormalEquations, "step", step)
    _, losses = minimize(net, X, Y, max_iter=1)
    np.testing.assert_allclose(dampings[:4], [1e-3, 1e-2, 1e-1, 1], rtol=1e-14)
    assert len(losses) == 1
    monkeypatch.undo()

    normal = lm._NormalEquations(net, DataSet(X, None, None))
    normal.assemble()
    normal.matrix[...] = -normal.matrix
    normal.diagonal = -normal.diagonal
    assert normal.step(np.ones(net.n_params), -2.0) is None


@pytest.mark.parametrize("found, y", [("loss", 1e200), ("derivatives", 0.0)])
def test_what_is_not_finite_is_an_error(found, y):
    net, X, Y = make_problem(hidden=(), output_activation="exp", reduction="sum")
    start = net.params.copy()
    if found == "derivatives":
        net.intercepts[0][:] = 150
        X *= 1e160
        X[...] = -np.abs(X)
        net.coefs[0][...] = 1e-165
        start = net.params.copy()
    with pytest.raises(ValueError, match=rf"non-finite {found}\. .* in iteration . of levenberg"):
        minimize(net, X, np.full_like(Y, y))
    np.testing.assert_array_equal(net.params, start)


def test_too_many_parameters_are_refused_before_memory_is_asked_for():
    lm.check_size(11_000, 1)
    with pytest.raises(ValueError, match="30000 parameters .* 13.4 GiB .*'lbfgs' or 'adam'"):
        lm.check_size(30_000, 1)
    with pytest.raises(ValueError, match="GiB"):
        lm.check_size(11_000, 5_000)
    net = Network([1000, 1000, 1])
    with pytest.raises(ValueError, match="1002001 parameters"):
        minimize(net, np.zeros((1, 1000)), np.zeros((1, 1)))


def fitted(cls=BackpropRegressor, **params):
    X, y = make_regression(noise=0.0) if cls is BackpropRegressor else make_classes(3, noise=0.2)
    defaults = {"activation": "tanh", "hidden_layer_sizes": (6,), "random_state": 0, "alpha": 1e-2}
    model = cls(solver="levenberg_marquardt", **{**defaults, **params})
    return model.fit(X, y), X, y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_regressor_reaches_its_tol_where_lbfgs_needs_more_iterations(dtype):
    X, y = make_regression(noise=0.0)
    X = X.astype(dtype)
    params = {"activation": "tanh", "hidden_layer_sizes": (6,), "random_state": 0, "alpha": 1e-2}
    model = BackpropRegressor(solver="levenberg_marquardt", max_iter=300, **params).fit(X, y)
    other = BackpropRegressor(solver="lbfgs", max_iter=10_000, max_fun=10**6, **params).fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) < other.n_iter_
    assert model.network_.dtype == dtype and model.predict(X).dtype == dtype
    assert model.loss_ == pytest.approx(model.network_.loss(X, y), rel=1e-5)
    assert np.abs(model.network_.loss_gradient(X, y).flat).max() < 2e-4
    assert model.score(X, y) > 0.99


def test_the_classifier_with_squared_error():
    model, X, y = fitted(BackpropClassifier, loss="squared_error", alpha=1.0, max_iter=500)
    assert model.score(X, y) > 0.95
    assert np.abs(model.network_.loss_gradient(X, np.eye(3)[y]).flat).max() < 1e-4


def test_max_iter_warns():
    with pytest.warns(ConvergenceWarning, match="levenberg_marquardt failed to converge after 2"):
        model, _, _ = fitted(max_iter=2)
    assert model.n_iter_ == 2


@pytest.mark.parametrize(
    "params, match",
    [
        ({"loss": "huber"}, "squared_error"),
        ({"l1_ratio": 0.5}, "l1_ratio"),
        ({"hidden_layer_sizes": (5000, 5000)}, "lbfgs"),
    ],
)
def test_what_it_cannot_minimise_is_refused(params, match):
    with pytest.raises(ValueError, match=match):
        fitted(**params)


def test_sample_weights_count_samples():
    X, y = make_regression(noise=0.0)
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    params = {"activation": "tanh", "hidden_layer_sizes": (4,), "random_state": 0, "alpha": 0.1}
    params |= {"solver": "levenberg_marquardt", "tol": 1e-9, "max_iter": 2000}
    weighted = BackpropRegressor(**params).fit(X, y, counts)
    repeated = BackpropRegressor(**params).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=0, atol=1e-5)
