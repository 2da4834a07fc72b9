"""A multilayer perceptron in pure NumPy: what a careful NumPy user would write.

It is the fair rival of the compiled engine: the same mini-batches, the same Adam or SGD with
Nesterov momentum, the same L2 penalty and the same loss bookkeeping as scikit-learn's MLP, so
that the same data and seed give the same numbers; but without its per-batch temporaries.

    net = fit(X, y, (100,), output="softmax", batch_size=200, max_iter=50, random_state=0)
    net.coefs, net.intercepts, net.loss_curve

With n the rows of a batch, the objective is  J = 1/n sum_i loss_i + alpha/(2n) sum ||W||^2.
Every output is paired with its canonical loss (identity: half the squared error; logistic and
softmax: log loss), which makes the output delta  (y_hat - y)/n; "squared_logistic" is a logistic
output with half the squared error, whose delta has the factor  y_hat (1 - y_hat)  more.

    forward    Z_l = A_l W_l + b_l,  A_(l+1) = g(Z_l)
    backward   D_(l-1) = (D_l W_l^T) * g'(A_l);  dW_l = A_l^T D_l + alpha/n W_l;  db_l = 1^T D_l

What is done for speed:
- next to nothing is allocated inside a step (a few values a row for the log losses): each array
  has its buffer, and every product and ufunc writes into it through `out=`;
- coefficients and intercepts are views of one flat vector, so that the optimizer is ten ufunc
  calls for the whole net, or for each cache-sized block of it where the net is large;
- batches are gathered by `take(..., mode="clip")`, which copies rows straight into the buffer,
  column sums are products with a vector of ones, relu's derivative is a multiplication: each
  measured faster than the obvious X[index], sum(axis=0) and delta[a == 0] = 0.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

# Elements of a block of the parameters: the optimizer's five arrays then fit into a 2 MB cache.
BLOCK = 32768


# --- hidden activations: z -> a in place, and delta *= g'(z) written in terms of a


def identity(z):
    pass


def relu(z):
    np.maximum(z, 0, out=z)


def logistic(z):
    # 1 / (1 + e^-z) by way of tanh, which cannot overflow
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def tanh(z):
    np.tanh(z, out=z)


def multiply_identity_derivative(a, delta, scratch):
    pass


def multiply_relu_derivative(a, delta, scratch):
    np.greater(a, 0, out=scratch)
    delta *= scratch


def multiply_logistic_derivative(a, delta, scratch):
    delta *= a
    np.subtract(1, a, out=scratch)
    delta *= scratch


def multiply_tanh_derivative(a, delta, scratch):
    np.multiply(a, a, out=scratch)
    np.subtract(1, scratch, out=scratch)
    delta *= scratch


ACTIVATIONS = {
    "identity": (identity, multiply_identity_derivative),
    "relu": (relu, multiply_relu_derivative),
    "logistic": (logistic, multiply_logistic_derivative),
    "tanh": (tanh, multiply_tanh_derivative),
}


# --- outputs: z -> y_hat in place


def subtract_row_maxima(z):
    # over the few classes of a row, a transposed copy makes the maximum three times faster
    z -= np.ascontiguousarray(z.T).max(axis=0)[:, np.newaxis]


def normalize_exponentials(z):
    """z -> e^z / sum of its row, in place; returns the sums."""
    np.exp(z, out=z)
    totals = np.dot(z, np.ones(z.shape[1], z.dtype))
    z /= totals[:, np.newaxis]
    return totals


def softmax(z):
    subtract_row_maxima(z)
    normalize_exponentials(z)


OUTPUTS = {
    "identity": identity,
    "logistic": logistic,
    "softmax": softmax,
    "squared_logistic": logistic,
}


# --- losses: z -> y_hat in place, delta = y_hat - y; return the sum of the losses, computed from
# --- z in a form that stays finite for every z


def squared_error(z, y, delta):
    np.subtract(z, y, out=delta)
    residuals = delta.ravel()
    return 0.5 * np.dot(residuals, residuals)


def squared_logistic_error(z, y, delta):
    logistic(z)
    loss = squared_error(z, y, delta)
    delta *= z
    delta *= 1 - z
    return loss


def logistic_log_loss(z, y, delta):
    # -y log p - (1 - y) log(1 - p) = log(1 + e^z) - y z
    loss = np.logaddexp(0, z).sum() - np.dot(z.ravel(), y.ravel())
    logistic(z)
    np.subtract(z, y, out=delta)
    return loss


def softmax_log_loss(z, y, delta):
    # -log p_true = log(sum of e^z) - z_true
    subtract_row_maxima(z)
    loss = -np.dot(z.ravel(), y.ravel())
    loss += np.log(normalize_exponentials(z)).sum()
    np.subtract(z, y, out=delta)
    return loss


LOSSES = {
    "identity": squared_error,
    "logistic": logistic_log_loss,
    "softmax": softmax_log_loss,
    "squared_logistic": squared_logistic_error,
}


def blocks_of(*arrays):
    """The arrays cut into blocks that stay in the cache; all blocks share one scratch block."""
    size = len(arrays[0])
    scratch = np.empty(min(size, BLOCK), arrays[0].dtype)
    blocks = []
    for start in range(0, size, BLOCK):
        pieces = [array[start : start + BLOCK] for array in arrays]
        blocks.append((*pieces, scratch[: len(pieces[0])]))
    return blocks


@dataclass
class Buffers:
    """Every array that a step over one number of rows writes, allocated once."""

    inputs: np.ndarray
    targets: np.ndarray
    activations: list  # of the hidden layers and the output
    deltas: list  # the same shapes: d(loss)/d(pre-activations)
    scratch: list
    ones: np.ndarray

    @classmethod
    def allocate(cls, n_rows, layer_sizes, dtype):
        def layer_arrays():
            return [np.empty((n_rows, size), dtype) for size in layer_sizes[1:]]

        return cls(
            np.empty((n_rows, layer_sizes[0]), dtype),
            np.empty((n_rows, layer_sizes[-1]), dtype),
            layer_arrays(),
            layer_arrays(),
            layer_arrays(),
            np.ones(n_rows, dtype),
        )


class NumpyMLP:
    """The network: one vector of parameters, one of their gradient, and views of both by layer."""

    @classmethod
    def of_shape(cls, shape, dtype, random_state):
        """The network that every library begins with (workloads.py)."""
        return cls(
            shape.layer_sizes,
            activation=shape.activation,
            output=shape.output,
            dtype=dtype,
            random_state=random_state,
        )

    def __init__(
        self,
        layer_sizes,
        *,
        activation="relu",
        output="identity",
        dtype="float64",
        random_state=None,
    ):
        self.layer_sizes = tuple(layer_sizes)
        self.activate, self.multiply_derivative = ACTIVATIONS[activation]
        self.activate_output = OUTPUTS[output]
        self.loss_and_delta = LOSSES[output]
        self.dtype = np.dtype(dtype)
        self.random_state = random_state or np.random.RandomState()
        self.n_coefs = sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.layer_sizes))
        self.params = np.empty(self.n_coefs + sum(self.layer_sizes[1:]), self.dtype)
        self.grads = np.empty_like(self.params)
        self.coefs, self.intercepts = self._views(self.params)
        self.coef_grads, self.intercept_grads = self._views(self.grads)
        self._penalty_blocks = blocks_of(self.params[: self.n_coefs], self.grads[: self.n_coefs])
        self._buffers = {}
        self._draw_params(2.0 if activation == "logistic" else 6.0)

    def _views(self, flat):
        coefs, intercepts, start = [], [], 0
        for fan_in, fan_out in pairwise(self.layer_sizes):
            coefs.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
            start += fan_in * fan_out
        for fan_out in self.layer_sizes[1:]:
            intercepts.append(flat[start : start + fan_out])
            start += fan_out
        return coefs, intercepts

    def _draw_params(self, factor):
        # Glorot's uniform draw in scikit-learn's order: layer by layer, coefs then intercepts
        for coef, intercept in zip(self.coefs, self.intercepts, strict=True):
            bound = np.sqrt(factor / sum(coef.shape))
            coef[:] = self.random_state.uniform(-bound, bound, coef.shape)
            intercept[:] = self.random_state.uniform(-bound, bound, intercept.shape)

    def buffers(self, n_rows):
        """The arrays of a step: an epoch needs two sets where its last batch is smaller."""
        if n_rows not in self._buffers:
            self._buffers[n_rows] = Buffers.allocate(n_rows, self.layer_sizes, self.dtype)
        return self._buffers[n_rows]

    def _output_pre_activations(self, X):
        activations = self.buffers(len(X)).activations
        inputs = X
        for coef, intercept, z in zip(self.coefs, self.intercepts, activations, strict=True):
            np.dot(inputs, coef, out=z)
            z += intercept
            if z is not activations[-1]:
                self.activate(z)
            inputs = z
        return inputs

    def forward(self, X):
        """The outputs (n, K), in a buffer that the next call overwrites."""
        z = self._output_pre_activations(X)
        self.activate_output(z)
        return z

    def _backward(self, X, y, scale):
        """Fill the deltas, times scale; return every layer's inputs and the sum of the losses."""
        buffers = self.buffers(len(X))
        activations, deltas = buffers.activations, buffers.deltas
        loss = self.loss_and_delta(self._output_pre_activations(X), y, deltas[-1])
        deltas[-1] *= scale
        for layer in range(len(deltas) - 1, 0, -1):
            delta, inputs = deltas[layer - 1], activations[layer - 1]
            np.dot(deltas[layer], self.coefs[layer].T, out=delta)
            self.multiply_derivative(inputs, delta, buffers.scratch[layer - 1])
        return [X, *activations[:-1]], loss

    def loss_gradient(self, X, y, alpha=0.0):
        """J of the batch, its gradient left in `grads`; y is (n, K), one-hot for softmax."""
        n_rows = len(X)
        buffers = self.buffers(n_rows)
        # the mean over the rows is taken where there is least to multiply
        inputs, loss = self._backward(X, y, scale=1 / n_rows)
        for layer, delta in enumerate(buffers.deltas):
            np.dot(inputs[layer].T, delta, out=self.coef_grads[layer])
            np.dot(buffers.ones, delta, out=self.intercept_grads[layer])
        if alpha:
            loss += self._add_penalty(alpha, n_rows)
        return loss / n_rows

    def _add_penalty(self, alpha, n_rows):
        for coefs, grads, scratch in self._penalty_blocks:
            np.multiply(coefs, alpha / n_rows, out=scratch)
            grads += scratch
        coefs = self.params[: self.n_coefs]
        return 0.5 * alpha * np.dot(coefs, coefs)

    def per_sample_gradients(self, X, y):
        """Gradient of every row's loss, without penalty: (n, n_params)."""
        inputs, _ = self._backward(X, y, scale=1)
        rows = np.empty((len(X), len(self.params)), self.dtype)
        start, intercept_start = 0, self.n_coefs
        for layer_inputs, delta in zip(inputs, self.buffers(len(X)).deltas, strict=True):
            fan_in, fan_out = layer_inputs.shape[1], delta.shape[1]
            coef_rows = rows[:, start : start + fan_in * fan_out].reshape(-1, fan_in, fan_out)
            np.multiply(layer_inputs[:, :, np.newaxis], delta[:, np.newaxis, :], out=coef_rows)
            rows[:, intercept_start : intercept_start + fan_out] = delta
            start += fan_in * fan_out
            intercept_start += fan_out
        return rows


class Adam:
    """Kingma and Ba's Adam, https://arxiv.org/abs/1412.6980, in scikit-learn's form of it.

    The moments are kept without their factors 1 - beta, which go into the scalars of the step:
    two passes over the parameters less.
    """

    def __init__(
        self, params, grads, learning_rate_init=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8
    ):
        self.learning_rate_init, self.epsilon = learning_rate_init, epsilon
        self.beta_1, self.beta_2, self.n_steps = beta_1, beta_2, 0
        moments = np.zeros_like(params), np.zeros_like(params)
        self.blocks = blocks_of(params, grads, *moments)

    def step(self):
        self.n_steps += 1
        beta_1, beta_2, t = self.beta_1, self.beta_2, self.n_steps
        root = (1 - beta_2) ** 0.5
        learning_rate = self.learning_rate_init * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
        factor, epsilon = learning_rate * (1 - beta_1) / root, self.epsilon / root
        for params, grads, m, v, scratch in self.blocks:
            m *= beta_1
            m += grads
            v *= beta_2
            np.multiply(grads, grads, out=scratch)
            v += scratch
            np.sqrt(v, out=scratch)
            scratch += epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= factor
            params -= scratch


class SGD:
    """Gradient descent, plain or with Nesterov momentum, constant learning rate."""

    def __init__(self, params, grads, learning_rate_init=1e-3, momentum=0.9):
        self.learning_rate_init, self.momentum = learning_rate_init, momentum
        self.blocks = blocks_of(params, grads, np.zeros_like(params))

    def step(self):
        for params, grads, velocity, scratch in self.blocks:
            np.multiply(grads, self.learning_rate_init, out=scratch)
            if self.momentum == 0:
                params -= scratch
                continue
            velocity *= self.momentum
            velocity -= scratch
            params -= scratch
            np.multiply(velocity, self.momentum, out=scratch)
            params += scratch


def target_matrix(y, output, dtype):
    """(n, K): one-hot rows for softmax, whose y holds labels 0 ... K-1; else y as columns."""
    if output == "softmax":
        return np.eye(y.max() + 1, dtype=dtype)[y]
    return np.ascontiguousarray(y.reshape(len(y), -1), dtype)


def fit(
    X,
    y,
    hidden_layer_sizes,
    *,
    activation="relu",
    output="identity",
    solver="adam",
    alpha=1e-4,
    batch_size=200,
    learning_rate_init=1e-3,
    momentum=0.9,
    max_iter=200,
    shuffle=True,
    random_state=None,
):
    """Train for max_iter epochs; returns the network, with its loss_curve."""
    Y = target_matrix(y, output, X.dtype)
    net = NumpyMLP(
        (X.shape[1], *hidden_layer_sizes, Y.shape[1]),
        activation=activation,
        output=output,
        dtype=X.dtype,
        random_state=np.random.RandomState(random_state),
    )
    optimizer = {"adam": Adam, "sgd": partial(SGD, momentum=momentum)}[solver](
        net.params, net.grads, learning_rate_init
    )
    order = np.arange(len(X))
    net.loss_curve = []
    for _ in range(max_iter):
        if shuffle:
            # scikit-learn shuffles the order that it shuffled before
            order = order[net.random_state.permutation(len(X))]
        net.loss_curve.append(train_epoch(net, optimizer, X, Y, order, batch_size, alpha))
    return net


def train_epoch(net, optimizer, X, Y, order, batch_size, alpha):
    """One pass over the rows in the given order; returns the mean of the batches' losses."""
    loss = 0.0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        buffers = net.buffers(len(rows))
        X.take(rows, 0, buffers.inputs, "clip")
        Y.take(rows, 0, buffers.targets, "clip")
        loss += len(rows) * net.loss_gradient(buffers.inputs, buffers.targets, alpha)
        optimizer.step()
    return loss / len(order)
