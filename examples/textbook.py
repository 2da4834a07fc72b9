"""The five networks that courses derive by hand, each beside its closed form.

Backpropagation is usually taught by one of five exercises, T1 to T5.  They share one objective,

    J = loss_scale * reduce_i [ w_i sum_k loss(y_ik, yhat_ik) ] + l2 * sum_l ||W_l||^2,

so each is a ``fastbp.Network`` with its own arguments.  Here every exercise is solved as on paper,
in plain NumPy.  ``python examples/textbook.py`` prints how far the network's gradient is from that
solution, and how J falls when an estimator is trained by gradient descent until it converges.

The estimators follow scikit-learn: they descend the *mean* over the samples of 1/2 (yhat - y)^2 or
of the log loss, plus alpha/(2n) sum_l ||W_l||^2 for a batch of n samples.  Where an exercise has
another factor, it moves into ``learning_rate_init`` or ``alpha``; the comments say how.

In the closed forms, s is the logistic sigmoid, N the number of samples, and D2 and D1 are the
derivatives of J by the pre-activations of the output layer and of the hidden layer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fastbp


class Exercise(NamedTuple):
    """A network that starts where its estimator will, its closed form, and data made for it."""

    name: str
    net: fastbp.Network
    closed_form: Callable  # of coefs, intercepts, X, y: J, its coef_grads, its intercept_grads
    X: np.ndarray
    y: np.ndarray
    step: float  # a in the exercise's own w <- w - a dJ/dw
    estimator: fastbp.BackpropClassifier | fastbp.BackpropRegressor

    def load(self, trained):
        """Give the network the weights of an estimator's network."""
        self.net.params[:] = trained.params


def gradient_descent(**arguments: Any) -> dict[str, Any]:
    """Parameters of an estimator that does plain gradient descent until J stops falling."""
    plain: dict[str, Any] = dict(
        solver="sgd", momentum=0.0, alpha=0.0, shuffle=False, random_state=0
    )
    return plain | dict(max_iter=50_000, tol=1e-7) | arguments


def sigmoid(z):
    """s(z) = 1/(1 + e^-z).  Its derivative is s(z) (1 - s(z)), with no minus in front."""
    return 1 / (1 + np.exp(-z))


# T1: a regressor with one input and h sigmoid units.  J = 1/(2N) sum (y - yhat)^2.
def t1_closed_form(coefs, intercepts, X, y):
    (W1, W2), (b1, b2) = coefs, intercepts
    N = len(X)
    Z = sigmoid(X @ W1 + b1)
    e = y - (Z @ W2 + b2)
    hidden = (e @ W2.T) * Z * (1 - Z)
    J = np.sum(e**2) / (2 * N)
    return J, [-X.T @ hidden / N, -Z.T @ e / N], [-hidden.sum(axis=0) / N, -e.sum(axis=0) / N]


def t1():
    N, h, step = 100, 8, 0.25
    X = np.linspace(-3, 3, N)[:, None]
    y = np.sin(X)
    net = fastbp.Network([1, h, 1], activation="logistic", random_state=0)
    estimator = fastbp.BackpropRegressor(
        (h,), activation="logistic", **gradient_descent(batch_size=N, learning_rate_init=step)
    )
    return Exercise("T1", net, t1_closed_form, X, y, step, estimator)


# T2: a classifier.  J = -1/N sum log p_true + lambda (||W1||^2 + ||W2||^2), in mini-batches.
PENALTY = 1e-3  # lambda


def t2_closed_form(coefs, intercepts, X, labels):
    """relu'(0) is 0 here and in fastbp, 1 in some courses: it matters only exactly at 0."""
    (W1, W2), (b1, b2) = coefs, intercepts
    N = len(X)
    z1 = X @ W1 + b1
    A1 = np.maximum(z1, 0)
    p = np.exp(A1 @ W2 + b2)
    p /= p.sum(axis=1, keepdims=True)
    D2 = (p - np.eye(p.shape[1])[labels]) / N
    D1 = (D2 @ W2.T) * (z1 > 0)
    J = -np.mean(np.log(p[np.arange(N), labels])) + PENALTY * (np.sum(W1**2) + np.sum(W2**2))
    coef_grads = [X.T @ D1 + 2 * PENALTY * W1, A1.T @ D2 + 2 * PENALTY * W2]
    return J, coef_grads, [D1.sum(axis=0), D2.sum(axis=0)]


def t2():
    N, h, batch_size, step = 150, 10, 30, 0.1
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], N // 3)
    centres = np.array([[0, 1.5], [1.5, -1], [-1.5, -1]])
    X = rng.normal(scale=0.6, size=(N, 2)) + centres[labels]
    net = fastbp.Network(
        [2, h, 3],
        activation="relu",
        output_activation="softmax",
        loss="log_loss",
        l2=PENALTY,
        random_state=0,
    )
    # alpha/(2 batch_size) is lambda.
    arguments = gradient_descent(batch_size=batch_size, alpha=2 * PENALTY * batch_size)
    arguments |= dict(learning_rate_init=step)
    estimator = fastbp.BackpropClassifier((h,), activation="relu", **arguments)
    return Exercise("T2", net, t2_closed_form, X, labels, step, estimator)


# T3: a regressor with f inputs, gradient descent until it converges.  J = 1/N sum (y - yhat)^2.
def t3_closed_form(coefs, intercepts, X, y):
    (W1, W2), (b1, b2) = coefs, intercepts
    A1 = sigmoid(X @ W1 + b1)
    yhat = A1 @ W2 + b2
    D2 = 2 * (yhat - y) / len(X)
    D1 = (D2 @ W2.T) * A1 * (1 - A1)
    J = np.mean((y - yhat) ** 2)
    return J, [X.T @ D1, A1.T @ D2], [D1.sum(axis=0), D2.sum(axis=0)]


def t3():
    N, f, h, step = 100, 3, 8, 0.25
    X = np.random.default_rng(0).uniform(-1, 1, size=(N, f))
    y = np.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:]
    net = fastbp.Network([f, h, 1], activation="logistic", loss_scale=2.0, random_state=0)
    # The estimator's loss is half of J, so its step is twice as long.
    arguments = gradient_descent(batch_size=N, learning_rate_init=2 * step)
    estimator = fastbp.BackpropRegressor((h,), activation="logistic", **arguments)
    return Exercise("T3", net, t3_closed_form, X, y, step, estimator)


# T4a: any network f with a sigmoid on top, p = s(f(x)); here f has one layer of tanh units.
# J = -sum [y log p + (1-y) log(1-p)], so dJ/dw = sum_i df(x_i)/dw (p_i - y_i).
def t4a_closed_form(coefs, intercepts, X, y):
    (W1, W2), (b1, b2) = coefs, intercepts
    A1 = np.tanh(X @ W1 + b1)
    p = sigmoid(A1 @ W2 + b2)
    D2 = p - y
    D1 = (D2 @ W2.T) * (1 - A1**2)
    J = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    return J, [X.T @ D1, A1.T @ D2], [D1.sum(axis=0), D2.sum(axis=0)]


def t4a():
    N, h, step = 200, 5, 0.0025
    X = np.random.default_rng(0).normal(size=(N, 2))
    noise = np.random.default_rng(1).normal(scale=0.7, size=(N, 1))
    y = (np.sum(X**2, axis=1, keepdims=True) + noise < 1.2).astype(float)
    net = fastbp.Network(
        [2, h, 1],
        activation="tanh",
        output_activation="logistic",
        loss="log_loss",
        reduction="sum",
        random_state=0,
    )
    # The estimator's loss is the mean, N times less than J.
    arguments = gradient_descent(batch_size=N, learning_rate_init=N * step, tol=1e-6)
    estimator = fastbp.BackpropClassifier((h,), activation="tanh", **arguments)
    return Exercise("T4a", net, t4a_closed_form, X, y, step, estimator)


# T4b: m linear units z_j added up, and a sigmoid on top; one example.  J = (s(sum_j z_j) - y)^2.
def t4b_closed_form(coefs, intercepts, X, y):
    """The same gradient for every unit j.  The output weights stay 1 and have no gradient here."""
    W1 = coefs[0]
    s = sigmoid((X @ W1).sum())
    gradient = 2 * X.T * s * (1 - s) * (s - y)
    return float(((s - y) ** 2).item()), [np.repeat(gradient, W1.shape[1], axis=1)], []


class SummedUnits(Exercise):
    """A sum of m linear units is one linear unit: each has 1/m of the estimator's weights."""

    def load(self, trained):
        self.net.coefs[0][:] = trained.coefs[0] / self.net.layer_sizes[1]
        self.net.coefs[1][:] = 1


def t4b():
    d, m, step = 4, 3, 0.5
    X, y = np.array([[1.0, -0.5, 0.25, 2.0]]), np.array([[0.8]])
    objective: dict[str, Any] = dict(output_activation="logistic", fit_intercept=False)
    net = fastbp.Network(
        [d, m, 1], activation="identity", loss_scale=2.0, reduction="sum", **objective
    )
    # One unit that moves as far as m together, and a loss that is half of J.
    arguments = gradient_descent(learning_rate_init=2 * m * step, tol=1e-12)
    estimator = fastbp.BackpropRegressor((), **objective, **arguments)
    exercise = SummedUnits("T4b", net, t4b_closed_form, X, y, step, estimator)
    exercise.load(fastbp.Network([d, 1], **objective, random_state=0))
    return exercise


# T5: a sigmoid on both layers, no biases, targets in [0, 1].  J = 1/(2N) sum (yhat - y)^2.
def t5_closed_form(coefs, intercepts, X, y):
    W1, W2 = coefs
    N = len(X)
    Z = sigmoid(X @ W1)
    yhat = sigmoid(Z @ W2)
    D2 = (yhat - y) * yhat * (1 - yhat) / N
    D1 = (D2 @ W2.T) * Z * (1 - Z)
    return np.sum((yhat - y) ** 2) / (2 * N), [X.T @ D1, Z.T @ D2], []


def t5():
    N, f, h, step = 100, 3, 8, 2.0
    X = np.random.default_rng(0).normal(size=(N, f))
    y = sigmoid(2 * np.sin(X[:, :1]) - X[:, 1:2] * X[:, 2:])
    arguments: dict[str, Any] = dict(
        activation="logistic", output_activation="logistic", fit_intercept=False
    )
    net = fastbp.Network([f, h, 1], **arguments, random_state=0)
    arguments |= gradient_descent(batch_size=N, learning_rate_init=step)
    estimator = fastbp.BackpropRegressor((h,), **arguments)
    return Exercise("T5", net, t5_closed_form, X, y, step, estimator)


EXERCISES = {"T1": t1, "T2": t2, "T3": t3, "T4a": t4a, "T4b": t4b, "T5": t5}


def gradient_difference(exercise):
    """The largest difference between the network's gradient and the closed form."""
    net = exercise.net
    gradient = net.loss_gradient(exercise.X, exercise.y)
    _, coef_grads, intercept_grads = exercise.closed_form(
        net.coefs, net.intercepts, exercise.X, exercise.y
    )
    # T4b has no gradient by its output weights.
    ours = [*gradient.coefs[: len(coef_grads)], *gradient.intercepts]
    by_hand = [*coef_grads, *intercept_grads]
    return max(np.max(np.abs(a - b)) for a, b in zip(ours, by_hand, strict=True))


def train(exercise):
    """Fit the estimator and load the network with its weights; return J before and after."""
    net, X, y = exercise.net, exercise.X, exercise.y
    before = net.loss(X, y)
    exercise.estimator.fit(X, y.ravel())
    exercise.load(exercise.estimator.network_)
    return before, net.loss(X, y)


def main():
    print(f"{'':<5}{'network':<26}{'gradient':<11}{'J at the':<11}{'J after':<11}")
    print(f"{'':<5}{'':<26}{'difference':<11}{'start':<11}{'training':<11}epochs")
    for make in EXERCISES.values():
        exercise = make()
        net = exercise.net
        network = f"{'-'.join(map(str, net.layer_sizes))} {net.activation}-{net.output_activation}"
        difference = gradient_difference(exercise)
        before, after = train(exercise)
        print(
            f"{exercise.name:<5}{network:<26}{difference:<11.1e}{before:<11.4g}{after:<11.4g}"
            f"{exercise.estimator.n_iter_}"
        )


if __name__ == "__main__":
    main()
