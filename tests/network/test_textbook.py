"""The five textbook systems: each a Network with the closed form's gradient, and an estimator.

The closed forms, the data and the estimators' parameters are those of examples/textbook.py.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
from internals import ACTIVATIONS
from sklearn.exceptions import ConvergenceWarning

import fastbp

EXAMPLE = Path(__file__).parents[2] / "examples" / "textbook.py"
spec = importlib.util.spec_from_file_location("textbook_example", EXAMPLE)
textbook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(textbook)

TOLERANCE = 1e-10
each_exercise = pytest.mark.parametrize("name", textbook.EXERCISES)


def closed_form(exercise, X=None, y=None):
    """The closed form at the network's weights: J, coef_grads, intercept_grads."""
    X, y = (exercise.X, exercise.y) if X is None else (X, y)
    return exercise.closed_form(exercise.net.coefs, exercise.net.intercepts, X, y)


def redraw(exercise, seed):
    """Other weights; the output weights of T4b stay 1."""
    net = exercise.net
    net.params[:] = np.random.default_rng(seed).normal(size=net.n_params)
    if exercise.name == "T4b":
        net.coefs[1][:] = 1


@each_exercise
def test_the_gradient_is_the_closed_form(build, name):
    exercise = textbook.EXERCISES[name]()
    for seed in range(10):
        loss, coef_grads, intercept_grads = closed_form(exercise)
        gradient = exercise.net.loss_gradient(exercise.X, exercise.y)
        assert gradient.loss == pytest.approx(loss, rel=TOLERANCE)
        assert len(gradient.intercepts) == len(intercept_grads)
        expected = [*coef_grads, *intercept_grads]
        actual = [*gradient.coefs[: len(coef_grads)], *gradient.intercepts]
        for ours, by_hand in zip(actual, expected, strict=True):
            np.testing.assert_allclose(ours, by_hand, rtol=0, atol=TOLERANCE)
        redraw(exercise, seed)


@each_exercise
def test_the_closed_form_is_the_derivative_of_its_loss(name):
    """The oracle's own check, by central differences along random directions."""
    exercise = textbook.EXERCISES[name]()
    net, step, rng = exercise.net, 1e-6, np.random.default_rng(0)
    _, coef_grads, intercept_grads = closed_form(exercise)
    gradients = [*coef_grads, *intercept_grads]
    for _ in range(5):
        directions = [rng.normal(size=gradient.shape) for gradient in gradients]
        losses = []
        for sign in (1, -1):
            moved = [p.copy() for p in (*net.coefs, *net.intercepts)]
            for parameters, direction in zip(moved, directions, strict=False):
                parameters += sign * step * direction
            coefs, intercepts = moved[: len(net.coefs)], moved[len(net.coefs) :]
            losses.append(exercise.closed_form(coefs, intercepts, exercise.X, exercise.y)[0])
        slope = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def descend_by_hand(exercise, n_epochs, batch_size):
    """w <- w - step dJ/dw for every weight and bias, with the gradients of the closed form."""
    net = exercise.net
    for _ in range(n_epochs):
        for start in range(0, len(exercise.X), batch_size):
            rows = slice(start, start + batch_size)
            _, coef_grads, intercept_grads = closed_form(
                exercise, exercise.X[rows], exercise.y[rows]
            )
            for parameters, gradient in zip(net.coefs, coef_grads, strict=False):
                parameters -= exercise.step * gradient
            for parameters, gradient in zip(net.intercepts, intercept_grads, strict=True):
                parameters -= exercise.step * gradient
    return net.params.copy()


BY_HAND = 400  # epochs, of up to some thousands: what is the same in so many is the same in more


def assert_estimator_equals_descent_by_hand(exercise, batch_size):
    """From the same start; and run to convergence."""
    estimator = exercise.estimator
    before, after = textbook.train(exercise)
    n_epochs = estimator.n_iter_
    assert n_epochs < estimator.max_iter
    by_hand = textbook.EXERCISES[exercise.name]()
    assert by_hand.net.loss(exercise.X, exercise.y) == before
    shorter = textbook.EXERCISES[exercise.name]()
    shorter.estimator.set_params(**estimator.get_params())
    shorter.estimator.set_params(max_iter=min(n_epochs, BY_HAND))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        textbook.train(shorter)
    expected = descend_by_hand(by_hand, shorter.estimator.n_iter_, batch_size)
    np.testing.assert_allclose(shorter.net.params, expected, rtol=0, atol=1e-8)
    return before, after


# How far the loss must fall, and what of J the estimator reports as its loss.
GOALS = {"T1": 0.01, "T2": 0.05, "T3": 0.01, "T4a": 0.5, "T4b": 1e-9, "T5": 0.2}
SHARE_OF_J = {"T1": 1, "T2": 1, "T3": 1 / 2, "T4a": 1 / 200, "T4b": 1 / 2, "T5": 1}


# make check takes the two of which nothing is slow; the gradients of all are compared above.
SLOW = pytest.mark.grid


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=SLOW if name in ("T1", "T2", "T4a", "T5") else []) for name in GOALS],
)
def test_the_estimator_converges_as_descent_by_hand(name):
    """T2 in its mini-batches, the others in full batches."""
    exercise = textbook.EXERCISES[name]()
    batch_size = exercise.estimator.batch_size if name == "T2" else len(exercise.X)
    before, after = assert_estimator_equals_descent_by_hand(exercise, batch_size)
    assert after < GOALS[name] * before
    first_reported = exercise.estimator.loss_curve_[0]
    if name != "T2":  # there the first epoch's loss is a mean over changing weights
        assert first_reported == pytest.approx(SHARE_OF_J[name] * before, rel=1e-12)


@pytest.mark.slow
def test_t2_in_full_batches():
    """alpha = 2 lambda batch_size holds for every batch size."""
    exercise = textbook.t2()
    n_samples = len(exercise.X)
    exercise.estimator.set_params(batch_size=n_samples, alpha=2 * textbook.PENALTY * n_samples)
    before, after = assert_estimator_equals_descent_by_hand(exercise, n_samples)
    assert after < GOALS["T2"] * before
    assert exercise.estimator.loss_curve_[0] == pytest.approx(before, rel=1e-12)
    assert exercise.estimator.loss_ == pytest.approx(after, rel=1e-4)


def test_t2_and_t4a_classify_what_they_were_trained_on():
    for make, accuracy in (textbook.t2, 0.97), (textbook.t4a, 0.85):
        exercise = make()
        estimator = exercise.estimator.fit(exercise.X, exercise.y.ravel())
        assert estimator.score(exercise.X, exercise.y.ravel()) >= accuracy
        outputs = exercise.net.layer_sizes[-1]
        exercise.load(estimator.network_)
        np.testing.assert_allclose(
            exercise.net.forward(exercise.X),
            estimator.predict_proba(exercise.X)[:, -outputs:],
            rtol=1e-12,
        )


def test_t2_takes_the_derivative_of_relu_at_zero_as_zero():
    exercise = textbook.t2()
    net = exercise.net
    X, labels = exercise.X[:1], exercise.y[:1]
    net.coefs[0][:] = 0
    net.intercepts[0][:] = 0
    gradient = net.loss_gradient(X, labels)
    np.testing.assert_array_equal(gradient.coefs[0], 0)
    np.testing.assert_array_equal(gradient.intercepts[0], 0)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (5,), (5, 4), (5, 4, 3)], ids=str)
def test_t4a_holds_for_any_network_below_the_sigmoid(build, hidden_layer_sizes):
    for activation in ACTIVATIONS:
        assert_t4a_holds(hidden_layer_sizes, activation)


def assert_t4a_holds(hidden_layer_sizes, activation):
    """dH/dw = sum_i df(x_i)/dw (p_i - y_i), whatever f is.

    df(x_i)/dw comes from the network f alone: the squared error's gradient where f - y is 1.
    """
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.integers(2, size=(20, 1)).astype(float)
    arguments = dict(layer_sizes=[3, *hidden_layer_sizes, 1], activation=activation, random_state=0)
    below = fastbp.Network(**arguments)
    net = fastbp.Network(
        **arguments, output_activation="logistic", loss="log_loss", reduction="sum"
    )
    f = below.forward(X)
    derivatives = below.per_sample_gradients(X, f - 1)
    p = textbook.sigmoid(f)
    gradient = net.loss_gradient(X, y)
    expected = derivatives.T @ (p - y)
    np.testing.assert_allclose(
        gradient.flat, expected.ravel(), rtol=0, atol=TOLERANCE, err_msg=activation
    )
    loss = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert gradient.loss == pytest.approx(loss, rel=TOLERANCE), activation


def test_t4b_has_the_same_gradient_for_every_unit():
    exercise = textbook.t4b()
    redraw(exercise, 0)
    gradient = exercise.net.loss_gradient(exercise.X, exercise.y).coefs[0]
    s = textbook.sigmoid(np.sum(exercise.X @ exercise.net.coefs[0]))
    target = exercise.y[0, 0]
    for unit in range(gradient.shape[1]):
        for i, x in enumerate(exercise.X[0]):
            by_hand = 2 * x * s * (1 - s) * (s - target)
            assert gradient[i, unit] == pytest.approx(by_hand, rel=0, abs=TOLERANCE)


@pytest.mark.slow
def test_the_example_runs_and_prints_the_five_systems(capsys):
    textbook.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[0] for line in lines] == list(textbook.EXERCISES)
    for name, _, _, difference, before, after, _ in lines:
        assert float(difference) <= TOLERANCE
        assert float(after) < GOALS[name] * float(before)
