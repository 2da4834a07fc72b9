"""A multilayer perceptron in pure NumPy: what a careful NumPy user would write.

    run(shape, X, y, epochs) -> (coefs, intercepts)

It is a fair rival of the compiled engine: the mini-batches, Adam or SGD with Nesterov momentum,
the L2 penalty and the reported loss are those of scikit-learn's MLP, so the same data and seed
give the same numbers; but it makes no temporary arrays within a step.

With n the rows of a batch, the objective is  J = 1/n sum_i loss_i + alpha/(2n) sum ||W||^2.
The loss of an output is its canonical one (identity: half the squared error; logistic and
softmax: log loss), so that the deltas of the output are  (outputs - y)/n. "squared_logistic" is a
logistic output with half the squared error: its deltas have one more factor,
outputs (1 - outputs).

    forward    Z_l = A_l W_l + b_l,  A_(l+1) = g(Z_l)
    backward   D_(l-1) = (D_l W_l^T) * g'(A_l);  dW_l = A_l^T D_l + alpha/n W_l;  db_l = 1^T D_l

What is done for speed:
- a step allocates next to nothing (for log losses, a few values a row): each array has its
  buffer, and every product and ufunc writes into it through `out=`;
- coefficients and intercepts are views of one flat vector, so that the optimizer is ten ufunc
  calls for the whole net, or for each block of it that fits into the cache;
- batches are gathered by `take(..., mode="clip")`, which copies rows straight into the buffer;
  column sums are products with a vector of ones; the derivative of relu is a multiplication. Each
  was measured to be faster than the obvious X[index], sum(axis=0) and deltas[a == 0] = 0.
"""

from dataclasses import dataclass

import numpy as np
from instruments.workloads import SEED

BLOCK = 32768  # parameters of a block: the optimizer's five arrays of it fit into a 2 MB cache
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


# --- hidden activations: z -> a in place, and deltas *= g'(z), a function of a


def relu(z):
    np.maximum(z, 0, out=z)


def logistic(z):
    # 1 / (1 + e^-z), computed by tanh, which cannot overflow
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def tanh(z):
    np.tanh(z, out=z)


def multiply_relu_derivative(a, deltas, scratch):
    np.greater(a, 0, out=scratch)
    deltas *= scratch


def multiply_logistic_derivative(a, deltas, scratch):
    deltas *= a
    np.subtract(1, a, out=scratch)
    deltas *= scratch


def multiply_tanh_derivative(a, deltas, scratch):
    np.multiply(a, a, out=scratch)
    np.subtract(1, scratch, out=scratch)
    deltas *= scratch


ACTIVATIONS = {
    "relu": (relu, multiply_relu_derivative),
    "logistic": (logistic, multiply_logistic_derivative),
    "tanh": (tanh, multiply_tanh_derivative),
}


# --- outputs: z -> outputs in place


def identity(z):
    pass


def subtract_row_maxima(z):
    # the maximum of a row's few classes is three times faster by columns, of a transposed copy
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


OUTPUTS = {"identity": identity, "logistic": logistic, "softmax": softmax}


# --- losses: z -> outputs in place, deltas = outputs - y; returns the sum of the losses, computed
# --- from z in a form that is finite for every z


def squared_error(z, y, deltas):
    np.subtract(z, y, out=deltas)
    residuals = deltas.ravel()
    return 0.5 * np.dot(residuals, residuals)


def squared_logistic_error(z, y, deltas):
    logistic(z)
    loss = squared_error(z, y, deltas)
    deltas *= z
    deltas *= 1 - z
    return loss


def logistic_log_loss(z, y, deltas):
    # -y log p - (1 - y) log(1 - p) = log(1 + e^z) - y z
    loss = np.logaddexp(0, z).sum() - np.dot(z.ravel(), y.ravel())
    logistic(z)
    np.subtract(z, y, out=deltas)
    return loss


def softmax_log_loss(z, y, deltas):
    # -log p_true = log(sum of e^z) - z_true
    subtract_row_maxima(z)
    loss = -np.dot(z.ravel(), y.ravel())
    loss += np.log(normalize_exponentials(z)).sum()
    np.subtract(z, y, out=deltas)
    return loss


LOSSES = {
    "identity": squared_error,
    "logistic": logistic_log_loss,
    "softmax": softmax_log_loss,
    "squared_logistic": squared_logistic_error,
}


# --- the network


@dataclass
class Buffers:
    """Every array that a step writes, for one number of rows; allocated once."""

    inputs: np.ndarray
    targets: np.ndarray
    activations: list  # of the hidden layers and the output
    deltas: list  # dJ/dz, of the same shapes
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
    """A vector of parameters, one of their gradient, and views of both by layer."""

    def __init__(self, shape, dtype, rng):
        self.shape, self.dtype = shape, dtype
        self.activate, self.multiply_derivative = ACTIVATIONS[shape.activation]
        self.loss_and_deltas = LOSSES[shape.output]
        self.params = shape.initial_params(dtype, rng)
        self.grads = np.empty_like(self.params)
        self.coefs, self.intercepts = shape.layer_views(self.params)
        self.coef_grads, self.intercept_grads = shape.layer_views(self.grads)
        self.alpha, self.n_coefs = shape.alpha, shape.n_coefs
        self._penalty_blocks = blocks_of(self.params[: self.n_coefs], self.grads[: self.n_coefs])
        self._buffers = {}

    def buffers(self, n_rows):
        """The arrays of a step: an epoch needs two sets where its last batch is smaller."""
        if n_rows not in self._buffers:
            sizes = self.shape.layer_sizes
            self._buffers[n_rows] = Buffers.allocate(n_rows, sizes, self.dtype)
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
        """The outputs, in a buffer that the next call overwrites."""
        outputs = self._output_pre_activations(X)
        OUTPUTS[self.shape.output](outputs)
        return outputs

    def _backward(self, X, y, scale):
        """Fill the deltas, times scale; returns each layer's inputs and the sum of the losses."""
        buffers = self.buffers(len(X))
        activations, deltas = buffers.activations, buffers.deltas
        loss = self.loss_and_deltas(self._output_pre_activations(X), y, deltas[-1])
        deltas[-1] *= scale
        for layer in range(len(deltas) - 1, 0, -1):
            inputs, below = activations[layer - 1], deltas[layer - 1]
            np.dot(deltas[layer], self.coefs[layer].T, out=below)
            self.multiply_derivative(inputs, below, buffers.scratch[layer - 1])
        return [X, *activations[:-1]], loss

    def loss_gradient(self, X, y):
        """J of the batch; its gradient goes to `grads`. y is one-hot for softmax."""
        n_rows = len(X)
        buffers = self.buffers(n_rows)
        # the mean over the rows is taken where there is least to multiply
        inputs, loss = self._backward(X, y, scale=1 / n_rows)
        for layer, deltas in enumerate(buffers.deltas):
            np.dot(inputs[layer].T, deltas, out=self.coef_grads[layer])
            np.dot(buffers.ones, deltas, out=self.intercept_grads[layer])
        if self.alpha:
            loss += self._add_penalty(n_rows)
        return loss / n_rows

    def _add_penalty(self, n_rows):
        for coefs, grads, scratch in self._penalty_blocks:
            np.multiply(coefs, self.alpha / n_rows, out=scratch)
            grads += scratch
        coefs = self.params[: self.n_coefs]
        return 0.5 * self.alpha * np.dot(coefs, coefs)

    def per_sample_gradients(self, X, y):
        """The gradient of every row's loss, without penalty: (n, n_params)."""
        inputs, _ = self._backward(X, y, scale=1)
        rows = np.empty((len(X), self.shape.n_params), self.dtype)
        coef_rows, intercept_rows = self.shape.layer_views(rows)
        for layer, deltas in enumerate(self.buffers(len(X)).deltas):
            below = inputs[layer][:, :, np.newaxis]
            np.multiply(below, deltas[:, np.newaxis, :], out=coef_rows[layer])
            intercept_rows[layer][:] = deltas
        return rows


# --- optimizers


def blocks_of(*arrays):
    """The arrays cut into blocks that fit into the cache, each with the same block of scratch."""
    size = len(arrays[0])
    scratch = np.empty(min(size, BLOCK), arrays[0].dtype)
    blocks = []
    for start in range(0, size, BLOCK):
        pieces = [array[start : start + BLOCK] for array in arrays]
        blocks.append((*pieces, scratch[: len(pieces[0])]))
    return blocks


class Adam:
    """Kingma and Ba's Adam, https://arxiv.org/abs/1412.6980, in scikit-learn's form.

    The moments are kept without their factors 1 - beta, which go into the scalars of the step:
    that saves two passes over the parameters.
    """

    def __init__(self, shape, params, grads):
        self.learning_rate, self.n_steps = shape.learning_rate, 0
        self.blocks = blocks_of(params, grads, np.zeros_like(params), np.zeros_like(params))

    def step(self):
        self.n_steps += 1
        root = (1 - BETA_2) ** 0.5
        rate = self.learning_rate * (1 - BETA_2**self.n_steps) ** 0.5 / (1 - BETA_1**self.n_steps)
        factor, epsilon = rate * (1 - BETA_1) / root, EPSILON / root
        for params, grads, m, v, scratch in self.blocks:
            m *= BETA_1
            m += grads
            v *= BETA_2
            np.multiply(grads, grads, out=scratch)
            v += scratch
            np.sqrt(v, out=scratch)
            scratch += epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= factor
            params -= scratch


class SGD:
    """Gradient descent, plain or with Nesterov momentum, at a constant learning rate."""

    def __init__(self, shape, params, grads):
        self.learning_rate, self.momentum = shape.learning_rate, shape.momentum
        self.blocks = blocks_of(params, grads, np.zeros_like(params))

    def step(self):
        for params, grads, velocity, scratch in self.blocks:
            np.multiply(grads, self.learning_rate, out=scratch)
            if self.momentum == 0:
                params -= scratch
                continue
            velocity *= self.momentum
            velocity -= scratch
            params -= scratch
            np.multiply(velocity, self.momentum, out=scratch)
            params += scratch


# --- training


def run(shape, X, y, epochs):
    rng = np.random.RandomState(SEED)
    net = NumpyMLP(shape, X.dtype, rng)
    optimizer = {"adam": Adam, "sgd": SGD}[shape.solver](shape, net.params, net.grads)
    targets, losses = shape.target_matrix(y, X.dtype), []
    for order in shape.orders(epochs, rng):
        losses.append(train_epoch(net, optimizer, X, targets, order))
    return net.coefs, net.intercepts


def train_epoch(net, optimizer, X, targets, order):
    """One pass over the rows in the given order; returns the mean of the batches' losses."""
    loss, batch_size = 0.0, net.shape.batch_size
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        buffers = net.buffers(len(rows))
        X.take(rows, 0, buffers.inputs, "clip")
        targets.take(rows, 0, buffers.targets, "clip")
        loss += len(rows) * net.loss_gradient(buffers.inputs, buffers.targets)
        optimizer.step()
    return loss / len(order)
