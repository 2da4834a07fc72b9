"""A multilayer perceptron in Numba: what a good Numba user would write, one njit call an epoch.

    run(shape, X, y, epochs) -> (coefs, intercepts)

The numbers are those of numpy_mlp.py (its docstring has the equations), computed in loops that
LLVM turns into vector code: fastmath, no temporaries, scalars of the arrays' own type (a Python
number would promote float32 to float64), one flat vector each for parameters and gradients.
Matrix products are np.dot, that is SciPy's BLAS. For a batch of one row, loops were measured to be
faster, with a loop for each of the three products: one that serves all of them is 3 to 12 % slower.

Compiling takes seconds for a dtype; it happens in compare.py's warm-up, outside the timing.
"""

import numpy as np
from instruments.workloads import SEED
from numba import njit

ACTIVATIONS = {"relu": 0, "logistic": 1, "tanh": 2}
OUTPUTS = {"identity": 0, "logistic": 1, "softmax": 2, "squared_logistic": 3}
SOLVERS = {"adam": 0, "sgd": 1}
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def run(shape, X, y, epochs):
    rng = np.random.RandomState(SEED)
    params = shape.initial_params(X.dtype, rng)
    grads, m, v = (np.zeros_like(params) for _ in range(3))
    targets, sizes = shape.target_matrix(y, X.dtype), np.array(shape.layer_sizes)
    n_units = shape.batch_size * sizes[1:].sum()
    activations, deltas = np.empty(n_units, X.dtype), np.empty(n_units, X.dtype)
    n_steps, losses = 0, []
    for order in shape.orders(epochs, rng):
        loss = train_epoch(
            X,
            targets,
            order,
            sizes,
            (ACTIVATIONS[shape.activation], OUTPUTS[shape.output], SOLVERS[shape.solver]),
            (shape.learning_rate, shape.momentum, shape.alpha),
            shape.batch_size,
            n_steps,
            (params, grads, m, v),
            activations,
            deltas,
        )
        n_steps += shape.n_steps(1)
        losses.append(loss)
    return shape.layer_views(params)


@njit(fastmath=True)
def train_epoch(
    X, targets, order, sizes, kinds, factors, batch_size, n_steps, vectors, activations, deltas
):
    """One pass over the rows in the given order; returns the mean of the batches' losses."""
    activation, output, solver = kinds
    learning_rate, momentum, alpha = factors
    params, grads, m, v = vectors
    n_coefs = np.sum(sizes[:-1] * sizes[1:])
    batch_X = np.empty((batch_size, sizes[0]), X.dtype)
    batch_y = np.empty((batch_size, sizes[-1]), X.dtype)
    total = 0.0
    for start in range(0, len(order), batch_size):
        n = min(batch_size, len(order) - start)
        for i in range(n):
            batch_X[i] = X[order[start + i]]
            batch_y[i] = targets[order[start + i]]
        loss = loss_gradient(
            batch_X[:n],
            batch_y[:n],
            sizes,
            activation,
            output,
            alpha,
            n_coefs,
            params,
            grads,
            activations,
            deltas,
        )
        total += n * loss
        n_steps += 1
        if solver == 0:
            adam_step(params, grads, m, v, learning_rate, n_steps)
        else:
            sgd_step(params, grads, m, learning_rate, momentum)
    return total / len(order)


@njit(fastmath=True)
def loss_gradient(
    X, y, sizes, activation, output, alpha, n_coefs, params, grads, activations, deltas
):
    """J of the batch; its gradient goes to grads."""
    n, n_layers = len(X), len(sizes) - 1
    unit, coef, intercept = 0, 0, n_coefs
    inputs = X
    for layer in range(n_layers):
        fan_in, fan_out = sizes[layer], sizes[layer + 1]
        W = params[coef : coef + fan_in * fan_out].reshape(fan_in, fan_out)
        Z = activations[unit : unit + n * fan_out].reshape(n, fan_out)
        multiply(inputs, W, Z)
        add_intercepts(Z, params[intercept : intercept + fan_out])
        if layer < n_layers - 1:
            activate(Z, activation)
            unit += n * fan_out
            coef += fan_in * fan_out
            intercept += fan_out
        inputs = Z
    D = deltas[unit : unit + inputs.size].reshape(inputs.shape)
    loss = output_deltas(inputs, y, output, D)
    for layer in range(n_layers - 1, -1, -1):
        fan_in, fan_out = sizes[layer], sizes[layer + 1]
        W = params[coef : coef + fan_in * fan_out].reshape(fan_in, fan_out)
        dW = grads[coef : coef + fan_in * fan_out].reshape(fan_in, fan_out)
        sum_rows(D, grads[intercept : intercept + fan_out])
        if layer == 0:
            multiply_first_transposed(X, D, dW)
            break
        unit -= n * fan_in
        A = activations[unit : unit + n * fan_in].reshape(n, fan_in)
        multiply_first_transposed(A, D, dW)
        below = deltas[unit : unit + n * fan_in].reshape(n, fan_in)
        multiply_second_transposed(D, W, below)
        multiply_derivative(A, below, activation)
        D = below
        coef -= sizes[layer - 1] * fan_in
        intercept -= fan_in
    return (loss + add_penalty(params[:n_coefs], grads[:n_coefs], alpha, n)) / n


# --- the three products: by BLAS, or by a loop for a batch of one row


@njit(fastmath=True)
def multiply(A, B, out):
    """out = A B"""
    if len(A) > 1:
        np.dot(A, B, out)
        return
    out[:] = 0
    for j in range(B.shape[0]):
        a = A[0, j]
        for k in range(B.shape[1]):
            out[0, k] += a * B[j, k]


@njit(fastmath=True)
def multiply_first_transposed(A, B, out):
    """out = A^T B"""
    if len(A) > 1:
        np.dot(A.T, B, out)
        return
    for j in range(A.shape[1]):
        a = A[0, j]
        for k in range(B.shape[1]):
            out[j, k] = a * B[0, k]


@njit(fastmath=True)
def multiply_second_transposed(A, B, out):
    """out = A B^T"""
    if len(A) > 1:
        np.dot(A, B.T, out)
        return
    for j in range(B.shape[0]):
        total = A.dtype.type(0)
        for k in range(B.shape[1]):
            total += A[0, k] * B[j, k]
        out[0, j] = total


@njit(fastmath=True)
def add_intercepts(Z, b):
    for i in range(Z.shape[0]):
        for k in range(Z.shape[1]):
            Z[i, k] += b[k]


@njit(fastmath=True)
def sum_rows(D, out):
    out[:] = 0
    for i in range(D.shape[0]):
        for k in range(D.shape[1]):
            out[k] += D[i, k]


# --- activations and losses, in place; branches are outside the loops


@njit(fastmath=True)
def activate(Z, activation):
    one = Z.dtype.type(1)
    z = Z.ravel()
    if activation == 0:
        for i in range(z.size):
            z[i] = max(z[i], Z.dtype.type(0))
    elif activation == 1:
        for i in range(z.size):
            z[i] = one / (one + np.exp(-z[i]))
    elif activation == 2:
        for i in range(z.size):
            z[i] = np.tanh(z[i])


@njit(fastmath=True)
def multiply_derivative(A, D, activation):
    one, zero = A.dtype.type(1), A.dtype.type(0)
    a, d = A.ravel(), D.ravel()
    if activation == 0:
        for i in range(a.size):
            d[i] = d[i] if a[i] > zero else zero
    elif activation == 1:
        for i in range(a.size):
            d[i] *= a[i] * (one - a[i])
    elif activation == 2:
        for i in range(a.size):
            d[i] *= one - a[i] * a[i]


@njit(fastmath=True)
def output_deltas(Z, targets, output, D):
    """D = d(mean loss)/dZ; returns the sum of the losses."""
    n, n_outputs = Z.shape
    one = Z.dtype.type(1)
    scale = one / Z.dtype.type(n)
    loss = 0.0
    for i in range(n):
        if output == 2:
            loss += softmax_row(Z[i], targets[i], D[i])
        for k in range(n_outputs):
            z, y = Z[i, k], targets[i, k]
            if output == 0:
                D[i, k] = z - y
                loss += (z - y) * (z - y) / 2
            elif output == 1:
                D[i, k] = one / (one + np.exp(-z)) - y
                loss += max(z, Z.dtype.type(0)) + np.log1p(np.exp(-abs(z))) - y * z
            elif output == 3:
                p = one / (one + np.exp(-z))
                D[i, k] = (p - y) * p * (one - p)
                loss += (p - y) * (p - y) / 2
            D[i, k] *= scale
    return loss


@njit(fastmath=True)
def softmax_row(z, y, d):
    largest = z.max()
    total = z.dtype.type(0)
    for k in range(z.size):
        d[k] = np.exp(z[k] - largest)
        total += d[k]
    loss = np.log(total)
    for k in range(z.size):
        loss -= y[k] * (z[k] - largest)
        d[k] = d[k] / total - y[k]
    return loss


@njit(fastmath=True)
def add_penalty(coefs, grads, alpha, n):
    if alpha == 0:
        return 0.0
    factor = coefs.dtype.type(alpha / n)
    total = coefs.dtype.type(0)
    for i in range(coefs.size):
        grads[i] += factor * coefs[i]
        total += coefs[i] * coefs[i]
    return 0.5 * alpha * total


# --- optimizers


@njit(fastmath=True)
def adam_step(params, grads, m, v, learning_rate, t):
    cast = params.dtype.type
    rate = cast(learning_rate * (1 - BETA_2**t) ** 0.5 / (1 - BETA_1**t))
    beta_1, beta_2, epsilon = cast(BETA_1), cast(BETA_2), cast(EPSILON)
    rest_1, rest_2 = cast(1 - BETA_1), cast(1 - BETA_2)
    for i in range(params.size):
        m[i] = beta_1 * m[i] + rest_1 * grads[i]
        v[i] = beta_2 * v[i] + rest_2 * grads[i] * grads[i]
        params[i] -= rate * m[i] / (np.sqrt(v[i]) + epsilon)


@njit(fastmath=True)
def sgd_step(params, grads, velocity, learning_rate, momentum):
    rate, factor = params.dtype.type(learning_rate), params.dtype.type(momentum)
    if momentum == 0:
        for i in range(params.size):
            params[i] -= rate * grads[i]
        return
    for i in range(params.size):
        step = rate * grads[i]
        velocity[i] = factor * velocity[i] - step
        params[i] += factor * velocity[i] - step
