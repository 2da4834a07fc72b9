"""A plain-NumPy twin of the engine: the oracle of the tests.

Written straight from the equations, in float64, to be read and not to be fast; it knows nothing
of fastbp.  X is (n, f) and dense, y is (n, K), w holds one weight a row, s is the logistic sigmoid.

    z_l = a_{l-1} W_l + b_l                       a_0 = X,  a_l = activation_l(z_l)
    J   = loss_scale * reduce_i[ w_i sum_k loss(y_ik, output(z_L)_ik) ]
          + l2 * sum_l ||W_l||^2 + l1 * sum_l |W_l|
    dJ/dW_l = a_{l-1}^T D_l + 2 l2 W_l + l1 sign(W_l)     dJ/db_l = column sums of D_l
    D_{l-1} = (D_l W_l^T) * activation'(z_{l-1})  D_L = dJ/dz_L

With a front, a_0 = f = s * (X, e), where e_jr = c_jr + sum_h V_jhr cos(2 pi (w_jh x_j + b_jh)).
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise, product
from math import prod

import numpy as np
from scipy.special import expit, log_softmax, ndtr, softmax, xlogy

LEAK = 0.01
# The fixed point of Klambauer et al. (2017): mean 0 and variance 1 are kept from layer to layer.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def softplus(z):
    """log(1 + e^z), which cannot overflow."""
    return np.logaddexp(0, z)


def exp_below(z):
    """e^z for z < 0, and 1 elsewhere, where it might overflow and is not used."""
    return np.exp(np.minimum(z, 0))


def normal_density(z):
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)


def mish_derivative(z):
    t = np.tanh(softplus(z))
    return t + z * (1 - t**2) * expit(z)


# name: (function of z, derivative as a function of z).  By convention relu'(0) is 0, and the others
# with two branches take the lower one at 0 (for elu the two agree there).
ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, LEAK * z),
        lambda z: np.where(z > 0, 1.0, LEAK),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, exp_below(z)),
    ),
    "selu": (
        lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z: SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * exp_below(z)),
    ),
    "softplus": (softplus, expit),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "gelu": (lambda z: z * ndtr(z), lambda z: ndtr(z) + z * normal_density(z)),
    "mish": (lambda z: z * np.tanh(softplus(z)), mish_derivative),
}
# Those whose first or second derivative jumps at 0.
KINKED_ACTIVATIONS = {"relu", "leaky_relu", "elu", "selu"}


def increasing(z):
    """p_0 = z_0, p_j = p_{j-1} + softplus(z_j)."""
    return np.cumsum(np.concatenate([z[:, :1], softplus(z[:, 1:])], axis=1), axis=1)


def increasing_vjp(z, g):
    """z_j moves p_j and all columns after it."""
    sums = np.cumsum(g[:, ::-1], axis=1)[:, ::-1]
    return sums * np.concatenate([np.ones_like(z[:, :1]), expit(z[:, 1:])], axis=1)


def softmax_vjp(z, g):
    """dp_k/dz_m = p_k (1[k=m] - p_m).

    The sum of p is 1, so a constant in g has no effect. The g of the largest p is subtracted, so
    that the difference below cancels exactly, and not to rounding, where g is constant.
    """
    p = softmax(z, axis=1)
    g = g - np.take_along_axis(g, p.argmax(axis=1)[:, None], axis=1)
    return p * (g - np.sum(p * g, axis=1, keepdims=True))


# name: (p as a function of z, vector-Jacobian product: from z and g = dl/dp to dl/dz).
OUTPUTS = {
    "identity": (lambda z: z, lambda z, g: g),
    "logistic": (expit, lambda z, g: g * expit(z) * expit(-z)),
    "softmax": (lambda z: softmax(z, axis=1), softmax_vjp),
    "exp": (np.exp, lambda z, g: g * np.exp(z)),
    "increasing": (increasing, increasing_vjp),
}


def huber(p, y, net):
    distance, delta = np.abs(p - y), net.huber_delta
    return np.where(distance <= delta, 0.5 * distance**2, delta * (distance - 0.5 * delta))


def quantile(p, y, net):
    """The pinball loss; one y is compared with the column of every quantile."""
    q = np.asarray(net.quantile)
    return np.where(y > p, q * (y - p), (1 - q) * (p - y))


def quantile_derivative(p, y, net):
    q = np.asarray(net.quantile)
    return np.where(y > p, -q, np.where(y < p, 1 - q, 0.0))


# Losses that every output can have.  name: (loss, derivative by p) of each row and output, as
# functions of p, y and the network, whose huber_delta and quantile they read.
ELEMENTWISE_LOSSES = {
    "squared_error": (lambda p, y, net: 0.5 * (p - y) ** 2, lambda p, y, net: p - y),
    "absolute_error": (lambda p, y, net: np.abs(p - y), lambda p, y, net: np.sign(p - y)),
    "huber": (huber, lambda p, y, net: np.clip(p - y, -net.huber_delta, net.huber_delta)),
    "quantile": (quantile, quantile_derivative),
}


# Losses with logarithms, as functions of the output pre-activations z, so that no logarithm sees a
# rounded 0 and nothing is divided by one.
LOG_OUTPUTS = {
    "exp": lambda z: z,
    "logistic": lambda z: -softplus(-z),
    "softmax": lambda z: log_softmax(z, axis=1),
}


def binary_log_loss(z, y):
    """-y log s(z) - (1-y) log s(-z) = log(1+e^z) - y z, where log(1+e^z) cannot overflow."""
    return np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))


def categorical_log_loss(z, y):
    return -y * log_softmax(z, axis=1)


def softmax_log_delta(z, y):
    """The derivative of -sum y log p; the targets of a row need not sum to one."""
    return softmax(z, axis=1) * y.sum(axis=1, keepdims=True) - y


def poisson(output, z, y):
    """Half the Poisson deviance: zero where the prediction equals y."""
    return xlogy(y, y) - y * LOG_OUTPUTS[output](z) - y + OUTPUTS[output][0](z)


def gamma(output, z, y):
    """Half the gamma deviance: zero where the prediction equals y."""
    log_p = LOG_OUTPUTS[output](z)
    return log_p - np.log(y) + y * np.exp(-log_p) - 1


LEAST_LOG_VARIANCE = -30.0


def gaussian_parts(z, y):
    """Errors of the means, log variance v, 1/variance, and how far v lies below its least value."""
    v = z[:, -1:]
    beyond = np.minimum(v - LEAST_LOG_VARIANCE, 0)
    return z[:, :-1] - y, v, np.exp(-np.maximum(v, LEAST_LOG_VARIANCE)), beyond


def gaussian(z, y):
    """-log N(y; mean, variance) without its constant; far down the tangent in the log variance."""
    error, v, precision, beyond = gaussian_parts(z, y)
    return 0.5 * (error**2 * precision * (1 - beyond) + v)


def gaussian_delta(z, y):
    error, _, precision, beyond = gaussian_parts(z, y)
    by_v = 0.5 * np.sum(1 - error**2 * precision, axis=1, keepdims=True)
    return np.concatenate([error * precision * (1 - beyond), by_v], axis=1)


def gamma_by_log_p(output, z, y):
    """dl/dlog p = 1 - y/p."""
    return 1 - y * np.exp(-LOG_OUTPUTS[output](z))


def gamma_softmax_delta(z, y):
    """dlog p_k/dz_m = 1[k=m] - p_m."""
    h = gamma_by_log_p("softmax", z, y)
    return h - softmax(z, axis=1) * h.sum(axis=1, keepdims=True)


# (output, loss): (loss, derivative by z) of each row and output, as functions of z and y.
STABLE_LOSSES = {
    ("logistic", "log_loss"): (binary_log_loss, lambda z, y: expit(z) - y),
    ("softmax", "log_loss"): (categorical_log_loss, softmax_log_delta),
    ("exp", "poisson"): (lambda z, y: poisson("exp", z, y), lambda z, y: np.exp(z) - y),
    ("logistic", "poisson"): (
        lambda z, y: poisson("logistic", z, y),
        lambda z, y: (expit(z) - y) * expit(-z),
    ),
    # The sum of a softmax is the constant 1: only -sum y log p is left to differentiate.
    ("softmax", "poisson"): (lambda z, y: poisson("softmax", z, y), softmax_log_delta),
    ("exp", "gamma"): (
        lambda z, y: gamma("exp", z, y),
        lambda z, y: gamma_by_log_p("exp", z, y),
    ),
    ("logistic", "gamma"): (
        lambda z, y: gamma("logistic", z, y),
        lambda z, y: gamma_by_log_p("logistic", z, y) * expit(-z),
    ),
    ("softmax", "gamma"): (lambda z, y: gamma("softmax", z, y), gamma_softmax_delta),
    ("identity", "gaussian"): (gaussian, gaussian_delta),
}

# Where labels can be smoothed: probabilities of classes.
SMOOTHED_OUTPUTS, SMOOTHED_LOSSES = ("logistic", "softmax"), ("log_loss", "squared_error")
SMOOTHED_PAIRS = list(product(SMOOTHED_OUTPUTS, SMOOTHED_LOSSES))

# Every (output, loss) that is defined.
OBJECTIVES = [*STABLE_LOSSES, *product(OUTPUTS, ELEMENTWISE_LOSSES)]


N_FREQUENCIES, N_COMPONENTS = 16, 3


@dataclass
class ReferenceFront:
    """What stands before the first layer; the first m inputs have periodic features."""

    s: np.ndarray  # (n_features + 3 m,)
    w: np.ndarray  # (m, 16)
    b: np.ndarray  # (m, 16)
    V: np.ndarray  # (m, 16, 3)
    c: np.ndarray  # (m, 3)

    @staticmethod
    def shapes(n_features, m):
        waves = m, N_FREQUENCIES
        components = m, N_COMPONENTS
        return (n_features + m * N_COMPONENTS,), waves, waves, (*waves, N_COMPONENTS), components

    def angles(self, X):
        return 2 * np.pi * (self.w * X[:, : len(self.w), None] + self.b)

    def unscaled(self, X):
        e = np.einsum("njh,jhr->njr", np.cos(self.angles(X)), self.V) + self.c
        return np.concatenate([X, e.reshape(len(X), -1)], axis=1)

    def forward(self, X):
        return self.s * self.unscaled(X)

    def by_angles(self, X, D):
        """The derivatives by the angles, from D = those by f."""
        by_e = (self.s * D)[:, X.shape[1] :].reshape(len(X), *self.c.shape)
        return by_e, -np.sin(self.angles(X)) * np.einsum("njr,jhr->njh", by_e, self.V)

    def by_params(self, X, D):
        """Row i: the gradient of row i by s, w, b, V, c."""
        by_e, by_angle = self.by_angles(X, D)
        by_V = np.cos(self.angles(X))[:, :, :, None] * by_e[:, :, None, :]
        by_b = 2 * np.pi * by_angle
        by_w = by_b * X[:, : len(self.w), None]
        parts = D * self.unscaled(X), by_w, by_b, by_V, by_e
        return np.concatenate([part.reshape(len(X), -1) for part in parts], axis=1)

    def by_inputs(self, X, D):
        _, by_angle = self.by_angles(X, D)
        by_x = (self.s * D)[:, : X.shape[1]]
        by_x[:, : len(self.w)] += 2 * np.pi * np.einsum("njh,jh->nj", by_angle, self.w)
        return by_x


@dataclass
class ReferenceNetwork:
    """The twin of fastbp.Network; ``params`` is flat, all coefs before all intercepts."""

    layer_sizes: tuple
    params: np.ndarray
    activation: str | tuple = "relu"
    output_activation: str = "identity"
    loss_name: str | object = "squared_error"  # an object is a user's own loss
    loss_scale: float = 1.0
    reduction: str = "mean"
    l2: float = 0.0
    fit_intercept: bool = True
    l1: float = 0.0
    label_smoothing: float = 0.0
    huber_delta: float = 1.0
    quantile: float | tuple = 0.5
    front: str | None = None
    n_periodic: int | None = None

    @classmethod
    def like(cls, net):
        """A twin of a fastbp.Network, with a float64 copy of its parameters."""
        attributes = {field.name: getattr(net, field.name) for field in fields(cls)}
        attributes["params"] = net.params.astype(np.float64)
        return cls(**attributes)

    @property
    def hidden_activations(self):
        """One name for each hidden layer."""
        if isinstance(self.activation, str):
            return (self.activation,) * (len(self.layer_sizes) - 2)
        return tuple(self.activation)

    @property
    def n_targets(self):
        """Columns of y: several quantiles are all of the same y, a log variance has none."""
        if np.ndim(self.quantile):
            return 1
        return self.layer_sizes[-1] - (self.loss_name == "gaussian")

    def unpack(self, flat):
        """Views of a flat vector as lists of coefs and intercepts."""
        width = sum(self.front_shapes()[0]) if self.front else self.layer_sizes[0]
        shapes = list(pairwise([width, *self.layer_sizes[1:]]))
        if self.fit_intercept:
            shapes += [(fan_out,) for fan_out in self.layer_sizes[1:]]
        parts, end = [], 0
        for shape in shapes:
            start, end = end, end + prod(shape)
            parts.append(flat[start:end].reshape(shape))
        n_layers = len(self.layer_sizes) - 1
        return parts[:n_layers], parts[n_layers:]

    def front_shapes(self):
        m = self.layer_sizes[0] if self.n_periodic is None else self.n_periodic
        return ReferenceFront.shapes(self.layer_sizes[0], 0 if self.front == "scale" else m)

    def unpack_front(self, flat):
        """The front as views of a flat vector, which ends with it; None without."""
        if self.front is None:
            return None
        shapes = self.front_shapes()
        ends = len(flat) - sum(map(prod, shapes)) + np.cumsum([0, *map(prod, shapes)])
        parts = [flat[start:end] for start, end in pairwise(ends)]
        return ReferenceFront(
            *(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        )

    def first_inputs(self, X):
        """What the first layer gets."""
        front = self.unpack_front(self.params)
        return X if front is None else front.forward(X)

    def propagate(self, X):
        """Pre-activations [z_1, ..., z_L] and activations [X or f, a_1, ..., output]."""
        coefs, intercepts = self.unpack(self.params)
        functions = [ACTIVATIONS[name][0] for name in self.hidden_activations]
        functions.append(OUTPUTS[self.output_activation][0])
        pre_activations, activations = [], [self.first_inputs(np.asarray(X, dtype=np.float64))]
        for layer, (coef, function) in enumerate(zip(coefs, functions, strict=True)):
            z = activations[-1] @ coef
            if self.fit_intercept:
                z = z + intercepts[layer]
            pre_activations.append(z)
            activations.append(function(z))
        return pre_activations, activations

    def forward(self, X):
        return self.propagate(X)[1][-1]

    def smooth(self, y):
        """Targets with label_smoothing spread over the classes, of which one logistic has two."""
        n_classes = self.layer_sizes[-1] if self.output_activation == "softmax" else 2
        return (1 - self.label_smoothing) * y + self.label_smoothing / n_classes

    def output_losses(self, z, y):
        """sum_k loss(y_ik, output(z)_ik) of every row i."""
        stable = STABLE_LOSSES.get((self.output_activation, self.loss_name))
        if stable is not None:
            return stable[0](z, self.smooth(y)).sum(axis=1)
        predict, _ = OUTPUTS[self.output_activation]
        if not isinstance(self.loss_name, str):
            return self.loss_name.loss(y, predict(z))
        loss, _ = ELEMENTWISE_LOSSES[self.loss_name]
        return loss(predict(z), self.smooth(y), self).sum(axis=1)

    def output_deltas(self, z, y):
        """Derivative of each row's loss by its z."""
        stable = STABLE_LOSSES.get((self.output_activation, self.loss_name))
        if stable is not None:
            return stable[1](z, self.smooth(y))
        predict, vjp = OUTPUTS[self.output_activation]
        if not isinstance(self.loss_name, str):
            return vjp(z, self.loss_name.gradient(y, predict(z)))
        _, derivative = ELEMENTWISE_LOSSES[self.loss_name]
        return vjp(z, derivative(predict(z), self.smooth(y), self))

    def sample_losses(self, X, y):
        """sum_k loss(y_ik, yhat_ik) of every row i."""
        return self.output_losses(self.propagate(X)[0][-1], y)

    def sample_factors(self, n_samples, sample_weight):
        """What each row's loss is multiplied by in J."""
        w = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, float)
        return self.loss_scale * (w / w.sum() if self.reduction == "mean" else w)

    def loss(self, X, y, sample_weight=None):
        coefs, _ = self.unpack(self.params)
        data_loss = self.sample_factors(len(X), sample_weight) @ self.sample_losses(X, y)
        return data_loss + sum(
            self.l2 * np.sum(coef**2) + self.l1 * np.sum(np.abs(coef)) for coef in coefs
        )

    def backpropagate(self, X, output_deltas):
        """Activations and the deltas [D_1, ..., D_L], where D_L = output_deltas(z_L)."""
        coefs, _ = self.unpack(self.params)
        pre_activations, activations = self.propagate(X)
        deltas = [output_deltas(pre_activations[-1])]
        for layer in range(len(coefs) - 1, 0, -1):
            _, derivative = ACTIVATIONS[self.hidden_activations[layer - 1]]
            z = pre_activations[layer - 1]
            deltas.insert(0, (deltas[0] @ coefs[layer].T) * derivative(z))
        return activations, deltas

    def backpropagate_loss(self, X, y, factors):
        """backpropagate of the loss, each row times its factor."""
        return self.backpropagate(X, lambda z: factors[:, None] * self.output_deltas(z, y))

    def backpropagate_output(self, X, k):
        """backpropagate of output k itself."""
        unit = np.eye(self.layer_sizes[-1])[k]
        _, vjp = OUTPUTS[self.output_activation]
        return self.backpropagate(X, lambda z: vjp(z, np.tile(unit, (len(z), 1))))

    def loss_gradient(self, X, y, sample_weight=None):
        """J and its gradient as a flat vector."""
        coefs, _ = self.unpack(self.params)
        factors = self.sample_factors(len(X), sample_weight)
        activations, deltas = self.backpropagate_loss(X, y, factors)
        coef_grads = [
            a.T @ delta + 2 * self.l2 * coef + self.l1 * np.sign(coef)
            for a, delta, coef in zip(activations[:-1], deltas, coefs, strict=True)
        ]
        intercept_grads = [delta.sum(axis=0) for delta in deltas] if self.fit_intercept else []
        parts = [grad.ravel() for grad in coef_grads + intercept_grads]
        if self.front:
            parts.append(self.by_front(X, deltas).sum(axis=0))
        return self.loss(X, y, sample_weight), np.concatenate(parts)

    def by_front(self, X, deltas):
        """Row i: row i's part of the gradient by the front's parameters."""
        coefs, _ = self.unpack(self.params)
        return self.unpack_front(self.params).by_params(X, deltas[0] @ coefs[0].T)

    def by_params(self, X, activations, deltas):
        """Row i: row i's part of the gradient by the parameters, which is a sum over rows."""
        # (n, fan_in, 1) * (n, 1, fan_out): the outer product of each row.
        parts = [
            a[:, :, None] * d[:, None, :] for a, d in zip(activations[:-1], deltas, strict=True)
        ]
        if self.fit_intercept:
            parts += deltas
        if self.front:
            parts.append(self.by_front(X, deltas))
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    def by_inputs(self, X, deltas):
        """The gradient by the inputs."""
        coefs, _ = self.unpack(self.params)
        by_first = deltas[0] @ coefs[0].T
        front = self.unpack_front(self.params)
        return by_first if front is None else front.by_inputs(X, by_first)

    def per_sample_gradients(self, X, y):
        """Row i: the gradient of loss_scale * (loss of row i); no penalty, reduction, weight."""
        return self.by_params(X, *self.backpropagate_loss(X, y, np.full(len(X), self.loss_scale)))

    def per_sample_gradient_norms(self, X, y):
        """The Euclidean norm of each row of per_sample_gradients."""
        return np.sqrt(np.sum(self.per_sample_gradients(X, y) ** 2, axis=1))

    def input_gradient(self, X, y):
        """Row i: the gradient of loss_scale * (loss of row i) by the row's inputs."""
        _, deltas = self.backpropagate_loss(X, y, np.full(len(X), self.loss_scale))
        return self.by_inputs(X, deltas)

    def jacobian(self, X):
        """(n, K, n_params): the outputs of each row by the parameters."""
        outputs = range(self.layer_sizes[-1])
        rows = [self.by_params(X, *self.backpropagate_output(X, k)) for k in outputs]
        return np.stack(rows, axis=1)

    def input_jacobian(self, X):
        """(n, K, n_features): the outputs of each row by the row's inputs."""
        outputs = range(self.layer_sizes[-1])
        deltas = [self.backpropagate_output(X, k)[1] for k in outputs]
        return np.stack([self.by_inputs(X, each) for each in deltas], axis=1)


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


class Rprop:
    """iRprop- (Igel and Huesken 2000) as torch.optim.Rprop does it.

    A step size for each parameter: x1.2 where its gradient kept its sign, x0.5 where it changed.
    Where it changed no step is made, and the gradient is remembered as 0.
    """

    def __init__(self, learning_rate, shrink=0.5, grow=1.2, smallest=1e-6, largest=50.0):
        self.step_sizes = learning_rate
        self.shrink, self.grow, self.smallest, self.largest = shrink, grow, smallest, largest
        self.previous = 0.0

    def step(self, params, gradient):
        agreement = np.sign(gradient) * np.sign(self.previous)
        factors = np.select([agreement > 0, agreement < 0], [self.grow, self.shrink], 1.0)
        self.step_sizes = np.clip(self.step_sizes * factors, self.smallest, self.largest)
        self.previous = np.where(agreement < 0, 0.0, gradient)
        params -= np.sign(self.previous) * self.step_sizes


TWIN_OPTIMIZERS = {"sgd": SGD, "adam": Adam, "rprop": Rprop}


def clip_norm(gradient, max_norm):
    """The gradient, scaled down to this Euclidean norm if it is longer."""
    norm = np.linalg.norm(gradient)
    return gradient * (max_norm / norm) if norm > max_norm else gradient


def train(
    net,
    optimizer,
    X,
    y,
    row_orders,
    batch_size,
    *,
    alpha=0.0,
    l1_ratio=0.0,
    sample_weight=None,
    schedule=None,
    max_grad_norm=np.inf,
    weight_decay=0.0,
):
    """Train ``net.params`` in place, one epoch for each of ``row_orders``; return the losses.

    The objective of a batch is the weighted mean loss + the penalty
    alpha / (2 * its weight) * (1 - l1_ratio) sum ||W||^2 + alpha / its weight * l1_ratio sum |W|;
    an epoch's loss is the mean of its batches' losses, each counted by its number of rows.
    Its gradient is scaled down to ``max_grad_norm``. Before a step the coefs (not the intercepts)
    lose ``learning_rate * weight_decay`` of themselves: decoupled decay, as in AdamW.
    ``schedule`` maps the number of rows seen so far to the next epoch's learning rate.
    """
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    losses, rows_seen = [], 0
    for order in row_orders:
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            strength = alpha / w[rows].sum()
            l2, l1 = 0.5 * strength * (1 - l1_ratio), strength * l1_ratio
            batch_net = replace(net, reduction="mean", l2=l2, l1=l1)
            loss, gradient = batch_net.loss_gradient(X[rows], y[rows], w[rows])
            gradient = clip_norm(gradient, max_grad_norm)
            if weight_decay:
                for coef in net.unpack(net.params)[0]:
                    coef *= 1 - optimizer.learning_rate * weight_decay
            optimizer.step(net.params, gradient)
            total += loss * len(rows)
        losses.append(total / len(order))
        rows_seen += len(order)
        if schedule is not None:
            optimizer.learning_rate = schedule(rows_seen)
    return losses


# Random problems for the tests that compare something with the twin.
REDRAWS = 200


def random_params(rng, twin):
    """Parameters that keep the pre-activations of standard normal inputs of order one."""
    params = np.empty(len(twin.params))
    coefs, intercepts = twin.unpack(params)
    for coef in coefs:
        coef[:] = rng.normal(scale=1 / np.sqrt(coef.shape[0]), size=coef.shape)
        if twin.l1:  # |w| has a kink at 0: keep away from it
            coef += np.copysign(0.01, coef)
    for intercept in intercepts:
        intercept[:] = rng.normal(scale=0.5, size=intercept.shape)
    front = twin.unpack_front(params)
    if front is not None:
        for part, scale in zip(
            (front.s, front.w, front.b, front.V, front.c), (0.7, 0.3, 0.3, 0.25, 0.3), strict=True
        ):
            part[...] = rng.normal(scale=scale, size=part.shape)
    return params


def random_targets(rng, n_samples, n_outputs, output, loss):
    """Targets that the loss allows, with the awkward ones: 0, 1, soft, not summing to 1."""
    shape = n_samples, n_outputs
    if loss == "poisson":
        return rng.poisson(1.0, size=shape).astype(float)
    if loss == "gamma":
        return rng.uniform(0.01, 1, size=shape) if output != "exp" else rng.gamma(2.0, size=shape)
    if loss == "log_loss" and output == "softmax":
        one_hot = np.eye(n_outputs)[rng.integers(n_outputs, size=n_samples)]
        return np.where(np.arange(n_samples)[:, None] % 3 == 2, rng.random(shape), one_hot)
    if loss == "log_loss":
        return np.where(rng.random(shape) < 0.3, rng.random(shape), rng.integers(2, size=shape))
    unbounded = output in ("identity", "increasing")
    return rng.normal(size=shape) if unbounded else rng.random(shape)


def random_inputs(rng, n_samples, n_features, *, density=1.0):
    X = rng.normal(size=(n_samples, n_features))
    return np.where(rng.random(X.shape) < density, X, 0.0)


class KinksEverywhereError(AssertionError):
    """Whatever data are drawn, this network has a kink nearby: take another network."""


def redraw_near_kinks(twin, X, margin, draw):
    """Replace, by rows of ``draw(n_rows)``, the rows with a hidden pre-activation near a kink.

    A kink is where the activation's first or second derivative jumps. Exactly 0 may stay: without
    intercepts it is what a unit gets that has only silent inputs, and then no small change of the
    parameters moves it.
    """
    kinked = [name in KINKED_ACTIVATIONS for name in twin.hidden_activations]
    for _ in range(REDRAWS):
        near = np.zeros(len(X), dtype=bool)
        for z, has_kink in zip(twin.propagate(X)[0][:-1], kinked, strict=True):
            if has_kink:
                near |= np.any((z != 0) & (np.abs(z) < margin), axis=1)
        if not near.any():
            return X
        X[near] = draw(np.count_nonzero(near))
    raise KinksEverywhereError(f"no data farther than {margin} from the kinks of this network")


def targets_off_kinks(rng, twin, X, margin):
    """random_targets for the twin's predictions of X, none of them near a kink of the loss.

    Those are p = y for absolute_error and quantile and |p - y| = huber_delta for huber. Near means
    relative to the prediction where that is large: it then moves the more.
    """
    predictions = twin.forward(X)
    kink = {"absolute_error": 0.0, "quantile": 0.0, "huber": twin.huber_delta}.get(twin.loss_name)
    arguments = twin.n_targets, twin.output_activation, twin.loss_name
    y = random_targets(rng, len(X), *arguments)
    if kink is None:
        return y
    for _ in range(REDRAWS):
        distance = np.abs(np.abs(predictions - y) - kink)
        near = np.any(distance < margin * np.maximum(1, np.abs(predictions)), axis=1)
        if not near.any():
            return y
        y[near] = random_targets(rng, np.count_nonzero(near), *arguments)
    raise KinksEverywhereError(f"no targets farther than {margin} from the kinks of this loss")
