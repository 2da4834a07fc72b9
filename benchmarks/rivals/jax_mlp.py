"""A multilayer perceptron in JAX: what a JAX user would write, with one jitted call an epoch.

    run(shape, X, y, epochs) -> (coefs, intercepts)

An epoch is a lax.scan over the batches, whose rows are gathered in the epoch's order, then one
more step for the rows left over. Gradients come from jax.value_and_grad of the loss with the L2
penalty; XLA fuses the rest. Data and parameters stay on the device, and parameters are donated.

float64 needs jax_enable_x64. The number of threads cannot change once JAX runs: XLA reads it from
NPROC, which compare.py sets when it starts (and checks by the CPU time spent). Compiling takes
about a second for a shape and dtype; it happens in compare.py's warm-up, outside the timing.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from instruments.workloads import SEED
from jax import lax, nn

jax.config.update("jax_enable_x64", True)

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
ACTIVATIONS = {"relu": nn.relu, "logistic": nn.sigmoid, "tanh": jnp.tanh}


def half_squared_error(outputs, y):
    return 0.5 * jnp.sum((outputs - y) ** 2)


LOSSES = {
    "identity": half_squared_error,
    "squared_logistic": lambda z, y: half_squared_error(nn.sigmoid(z), y),
    "logistic": lambda z, y: jnp.sum(jnp.logaddexp(0, z) - y * z),
    "softmax": lambda z, y: -jnp.sum(y * nn.log_softmax(z)),
}


def run(shape, X, y, epochs):
    rng = np.random.RandomState(SEED)
    coefs, intercepts = shape.layer_views(shape.initial_params(X.dtype, rng))
    # copies, because the arrays are donated
    params = [jnp.array(param, copy=True) for param in (*coefs, *intercepts)]
    moments = [[jnp.zeros_like(p) for p in params] for _ in range(2)]
    state = params, *moments, jnp.zeros((), X.dtype)
    inputs, targets = jnp.asarray(X), jnp.asarray(shape.target_matrix(y, X.dtype))
    train_epoch, losses = epoch_function(shape), []
    for order in shape.orders(epochs, rng):
        state, loss = train_epoch(state, inputs, targets, order)
        losses.append(float(loss))
    params = [np.asarray(p) for p in state[0]]
    return params[: len(coefs)], params[len(coefs) :]


@cache
def epoch_function(shape):
    n_layers = len(shape.layer_sizes) - 1
    activate, loss_sum = ACTIVATIONS[shape.activation], LOSSES[shape.output]
    update = {"adam": adam, "sgd": sgd}[shape.solver]

    def objective(params, X, y):
        coefs, intercepts = params[:n_layers], params[n_layers:]
        a = X
        for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
            a = activate(a @ coef + intercept)
        loss = loss_sum(a @ coefs[-1] + intercepts[-1], y)
        if shape.alpha:
            loss += 0.5 * shape.alpha * sum(jnp.vdot(coef, coef) for coef in coefs)
        return loss / len(X)

    @partial(jax.jit, donate_argnums=0)
    def train_epoch(state, X, targets, order):
        def step(state, rows):
            # without XLA's check of the indices
            batch = (array.at[rows].get(mode="promise_in_bounds") for array in (X, targets))
            loss, grads = jax.value_and_grad(objective)(state[0], *batch)
            return update(shape, state, grads), loss * len(rows)

        whole = len(X) - len(X) % shape.batch_size
        state, losses = lax.scan(step, state, order[:whole].reshape(-1, shape.batch_size))
        total = losses.sum()
        if whole < len(X):
            state, loss = step(state, order[whole:])
            total += loss
        return state, total / len(X)

    return train_epoch


def adam(shape, state, grads):
    params, ms, vs, t = state
    t = t + 1
    rate = shape.learning_rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    ms = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(ms, grads, strict=True)]
    vs = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(vs, grads, strict=True)]
    params = [
        p - rate * m / (jnp.sqrt(v) + EPSILON) for p, m, v in zip(params, ms, vs, strict=True)
    ]
    return params, ms, vs, t


def sgd(shape, state, grads):
    params, velocities, unused, t = state
    if shape.momentum == 0:
        params = [p - shape.learning_rate * g for p, g in zip(params, grads, strict=True)]
        return params, velocities, unused, t
    steps = [shape.learning_rate * g for g in grads]
    velocities = [shape.momentum * v - s for v, s in zip(velocities, steps, strict=True)]
    params = [p + shape.momentum * v - s for p, v, s in zip(params, velocities, steps, strict=True)]
    return params, velocities, unused, t
