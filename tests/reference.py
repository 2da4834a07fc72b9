"""A plain-NumPy twin of the engine: the oracle of the tests.

Written straight from the equations, in float64, to be read and not to be fast; it knows nothing
of fastbp.  X is (n, f) and dense, y is (n, K), w holds one weight a row, s is the logistic sigmoid.

    z_l = a_{l-1} W_l + b_l                       a_0 = X,  a_l = activation(z_l)
    J   = loss_scale * reduce_i[ w_i sum_k loss(y_ik, output(z_L)_ik) ] + l2 * sum_l ||W_l||^2
    dJ/dW_l = a_{l-1}^T D_l + 2 l2 W_l            dJ/db_l = column sums of D_l
    D_{l-1} = (D_l W_l^T) * activation'(z_{l-1})  D_L = dJ/dz_L
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy

# name: (function of z, derivative as a function of z).  relu'(0) is 0 by convention.
ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
}

OUTPUTS = {
    "identity": lambda z: z,
    "logistic": expit,
    "softmax": lambda z: softmax(z, axis=1),
    "exp": np.exp,
}


# Losses as functions of the output pre-activations z, so that no logarithm sees a rounded 0.
def squared_error(output, z, y):
    return 0.5 * (OUTPUTS[output](z) - y) ** 2


def binary_log_loss(z, y):
    """-y log s(z) - (1-y) log s(-z) = log(1+e^z) - y z, where log(1+e^z) cannot overflow."""
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))


def categorical_log_loss(z, y):
    return -y * log_softmax(z, axis=1)


def poisson(output, z, y):
    """Half the Poisson deviance: zero where the prediction equals y."""
    log_prediction = {
        "exp": lambda z: z,
        "logistic": lambda z: np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z))),
        "softmax": lambda z: log_softmax(z, axis=1),
    }[output]
    return xlogy(y, y) - y * log_prediction(z) - y + OUTPUTS[output](z)


def squared_error_softmax_delta(z, y):
    """dp_k/dz_m = p_k (1[k=m] - p_m), applied to p - y."""
    p = softmax(z, axis=1)
    return p * ((p - y) - np.sum(p * (p - y), axis=1, keepdims=True))


def softmax_log_delta(z, y):
    """The derivative of -sum y log p; the targets of a row need not sum to one."""
    return softmax(z, axis=1) * y.sum(axis=1, keepdims=True) - y


# (output, loss): (loss, derivative by z) of each row and output, as functions of z and y.
LOSSES = {
    ("identity", "squared_error"): (
        lambda z, y: squared_error("identity", z, y),
        lambda z, y: z - y,
    ),
    ("logistic", "squared_error"): (
        lambda z, y: squared_error("logistic", z, y),
        lambda z, y: (expit(z) - y) * expit(z) * expit(-z),
    ),
    ("softmax", "squared_error"): (
        lambda z, y: squared_error("softmax", z, y),
        squared_error_softmax_delta,
    ),
    ("exp", "squared_error"): (
        lambda z, y: squared_error("exp", z, y),
        lambda z, y: (np.exp(z) - y) * np.exp(z),
    ),
    ("logistic", "log_loss"): (binary_log_loss, lambda z, y: expit(z) - y),
    ("softmax", "log_loss"): (categorical_log_loss, softmax_log_delta),
    ("exp", "poisson"): (lambda z, y: poisson("exp", z, y), lambda z, y: np.exp(z) - y),
    ("logistic", "poisson"): (
        lambda z, y: poisson("logistic", z, y),
        lambda z, y: (expit(z) - y) * expit(-z),
    ),
    # The sum of a softmax is the constant 1: only -sum y log p is left to differentiate.
    ("softmax", "poisson"): (lambda z, y: poisson("softmax", z, y), softmax_log_delta),
}


@dataclass
class ReferenceNetwork:
    """The twin of fastbp.Network; ``params`` is flat, all coefs before all intercepts."""

    layer_sizes: tuple
    params: np.ndarray
    activation: str = "relu"
    output_activation: str = "identity"
    loss_name: str = "squared_error"
    loss_scale: float = 1.0
    reduction: str = "mean"
    l2: float = 0.0
    fit_intercept: bool = True

    @classmethod
    def like(cls, net):
        """A twin of a fastbp.Network, with a float64 copy of its parameters."""
        attributes = {field.name: getattr(net, field.name) for field in fields(cls)}
        attributes["params"] = net.params.astype(np.float64)
        return cls(**attributes)

    def unpack(self, flat):
        """Views of a flat vector as lists of coefs and intercepts."""
        shapes = list(pairwise(self.layer_sizes))
        if self.fit_intercept:
            shapes += [(fan_out,) for fan_out in self.layer_sizes[1:]]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        pieces = np.split(flat, ends[:-1])
        parts = [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]
        n_layers = len(self.layer_sizes) - 1
        return parts[:n_layers], parts[n_layers:]

    def propagate(self, X):
        """Pre-activations [z_1, ..., z_L] and activations [X, a_1, ..., output]."""
        coefs, intercepts = self.unpack(self.params)
        activate, _ = ACTIVATIONS[self.activation]
        pre_activations, activations = [], [np.asarray(X, dtype=np.float64)]
        for layer, coef in enumerate(coefs):
            z = activations[-1] @ coef
            if self.fit_intercept:
                z = z + intercepts[layer]
            pre_activations.append(z)
            last = layer == len(coefs) - 1
            activations.append(OUTPUTS[self.output_activation](z) if last else activate(z))
        return pre_activations, activations

    def forward(self, X):
        return self.propagate(X)[1][-1]

    def sample_losses(self, X, y):
        """sum_k loss(y_ik, yhat_ik) of every row i."""
        loss, _ = LOSSES[self.output_activation, self.loss_name]
        return loss(self.propagate(X)[0][-1], y).sum(axis=1)

    def sample_factors(self, n_samples, sample_weight):
        """What each row's loss is multiplied by in J."""
        w = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, float)
        return self.loss_scale * (w / w.sum() if self.reduction == "mean" else w)

    def loss(self, X, y, sample_weight=None):
        coefs, _ = self.unpack(self.params)
        data_loss = self.sample_factors(len(X), sample_weight) @ self.sample_losses(X, y)
        return data_loss + self.l2 * sum(np.sum(coef**2) for coef in coefs)

    def backpropagate(self, X, y, factors):
        """Activations and the deltas [D_1, ..., D_L], each row times its factor."""
        coefs, _ = self.unpack(self.params)
        pre_activations, activations = self.propagate(X)
        _, derivative = ACTIVATIONS[self.activation]
        _, output_delta = LOSSES[self.output_activation, self.loss_name]
        deltas = [factors[:, None] * output_delta(pre_activations[-1], y)]
        for coef, z in zip(coefs[:0:-1], pre_activations[-2::-1], strict=True):
            deltas.insert(0, (deltas[0] @ coef.T) * derivative(z))
        return activations, deltas

    def loss_gradient(self, X, y, sample_weight=None):
        """J and its gradient as a flat vector."""
        coefs, _ = self.unpack(self.params)
        factors = self.sample_factors(len(X), sample_weight)
        activations, deltas = self.backpropagate(X, y, factors)
        coef_grads = [
            a.T @ delta + 2 * self.l2 * coef
            for a, delta, coef in zip(activations[:-1], deltas, coefs, strict=True)
        ]
        intercept_grads = [delta.sum(axis=0) for delta in deltas] if self.fit_intercept else []
        gradient = np.concatenate([grad.ravel() for grad in coef_grads + intercept_grads])
        return self.loss(X, y, sample_weight), gradient

    def per_sample_gradients(self, X, y):
        """Row i: the gradient of loss_scale * (loss of row i); no penalty, reduction, weight."""
        factors = np.full(len(X), self.loss_scale)
        activations, deltas = self.backpropagate(X, y, factors)
        # (n, fan_in, 1) * (n, 1, fan_out): the outer product of each row.
        parts = [a[:, :, None] * d[:, None, :] for a, d in zip(activations, deltas, strict=False)]
        if self.fit_intercept:
            parts += deltas
        return np.concatenate([part.reshape(len(X), -1) for part in parts], axis=1)


class SGD:
    """Momentum and Nesterov's momentum as scikit-learn's SGDOptimizer does them."""

    def __init__(self, learning_rate, momentum=0.9, nesterov=True):
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self.velocity = 0.0

    def step(self, params, gradient):
        self.velocity = self.momentum * self.velocity - self.learning_rate * gradient
        if self.nesterov:
            params += self.momentum * self.velocity - self.learning_rate * gradient
        else:
            params += self.velocity


class Adam:
    """Adam as scikit-learn's AdamOptimizer does it: epsilon is added to the uncorrected root."""

    def __init__(self, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.t, self.m, self.v = 0, 0.0, 0.0

    def step(self, params, gradient):
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * gradient**2
        correction = np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        params -= self.learning_rate * correction * self.m / (np.sqrt(self.v) + self.epsilon)


def train(
    net, optimizer, X, y, row_orders, batch_size, *, alpha=0.0, sample_weight=None, schedule=None
):
    """Train ``net.params`` in place, one epoch for each of ``row_orders``; return the losses.

    The objective of a batch is the weighted mean loss + alpha / (2 * its weight) * sum ||W||^2;
    an epoch's loss is the mean of its batches' losses, each counted by its number of rows.
    ``schedule`` maps the number of rows seen so far to the next epoch's learning rate.
    """
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    losses, rows_seen = [], 0
    for order in row_orders:
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch_net = replace(net, reduction="mean", l2=alpha / (2 * w[rows].sum()))
            loss, gradient = batch_net.loss_gradient(X[rows], y[rows], w[rows])
            optimizer.step(net.params, gradient)
            total += loss * len(rows)
        losses.append(total / len(order))
        rows_seen += len(order)
        if schedule is not None:
            optimizer.learning_rate = schedule(rows_seen)
    return losses


# Random problems for the tests that compare something with the twin.
def random_params(rng, twin):
    """Parameters that keep the pre-activations of standard normal inputs of order one."""
    params = np.empty(len(twin.params))
    coefs, intercepts = twin.unpack(params)
    for coef in coefs:
        coef[:] = rng.normal(scale=1 / np.sqrt(coef.shape[0]), size=coef.shape)
    for intercept in intercepts:
        intercept[:] = rng.normal(scale=0.5, size=intercept.shape)
    return params


def random_targets(rng, n_samples, n_outputs, output, loss):
    """Targets that the loss can take, the awkward ones (0, 1, soft, not summing to 1) included."""
    shape = n_samples, n_outputs
    if loss == "poisson":
        return rng.poisson(1.0, size=shape).astype(float)
    if loss == "log_loss" and output == "softmax":
        one_hot = np.eye(n_outputs)[rng.integers(n_outputs, size=n_samples)]
        return np.where(np.arange(n_samples)[:, None] % 3 == 2, rng.random(shape), one_hot)
    if loss == "log_loss":
        return np.where(rng.random(shape) < 0.3, rng.random(shape), rng.integers(2, size=shape))
    return rng.normal(size=shape) if output == "identity" else rng.random(shape)


def random_inputs(rng, n_samples, n_features, *, density=1.0):
    X = rng.normal(size=(n_samples, n_features))
    return np.where(rng.random(X.shape) < density, X, 0.0)


def redraw_near_kinks(twin, X, margin, draw):
    """Replace, by rows of ``draw(n_rows)``, the rows with a relu pre-activation near its kink.

    Exactly 0 may stay: without intercepts it is what a unit gets that has only silent inputs, and
    then no small change of the parameters moves it.
    """
    if twin.activation != "relu":
        return X
    for _ in range(1000):
        hidden = [np.abs(z) for z in twin.propagate(X)[0][:-1]]
        near = np.zeros(len(X), dtype=bool)
        for z in hidden:
            near |= np.any((z > 0) & (z < margin), axis=1)
        if not near.any():
            return X
        X[near] = draw(np.count_nonzero(near))
    raise AssertionError(f"no data farther than {margin} from the kinks of this network")
