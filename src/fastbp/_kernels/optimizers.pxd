"""Optimizer steps: one loop each over the flat parameter vector.

    SGD    v <- momentum v - rate g;    w <- w + v, or w + momentum v - rate g (Nesterov)
    Adam   m <- beta_1 m + (1 - beta_1) g;    v <- beta_2 v + (1 - beta_2) g^2
           w <- w - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

Adam is Kingma and Ba, "Adam: a method for stochastic optimization" (2015), in the form of the
end of its section 2 (as in scikit-learn): epsilon stands beside the uncorrected sqrt(v).
`moments` holds one row per moment: v, or m then v.
"""
from libc.math cimport pow, sqrt, sqrtf

from .types cimport ADAM, Step, floating


cdef inline floating square_root(floating x) noexcept nogil:
    if floating is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef inline void sgd_step(
    const Step* step, floating* params, const floating* grad, floating* velocity, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating rate = <floating> step.learning_rate, momentum = <floating> step.momentum
    if step.nesterov:
        for i in range(n):
            velocity[i] = momentum * velocity[i] - rate * grad[i]
            params[i] += momentum * velocity[i] - rate * grad[i]
    else:
        for i in range(n):
            velocity[i] = momentum * velocity[i] - rate * grad[i]
            params[i] += velocity[i]


cdef inline void adam_step(
    const Step* step, floating* params, const floating* grad, floating* first,
    floating* second, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating beta_1 = <floating> step.beta_1, beta_2 = <floating> step.beta_2
    cdef floating rest_1 = <floating> (1 - step.beta_1), rest_2 = <floating> (1 - step.beta_2)
    cdef floating epsilon = <floating> step.epsilon
    cdef floating rate = <floating> (
        step.learning_rate * sqrt(1 - step.beta_2_power) / (1 - step.beta_1_power))
    for i in range(n):
        first[i] = beta_1 * first[i] + rest_1 * grad[i]
        second[i] = beta_2 * second[i] + rest_2 * (grad[i] * grad[i])
        params[i] -= rate * first[i] / (square_root(second[i]) + epsilon)


cdef inline void begin_steps(Step* step) noexcept nogil:
    """The powers of a run of steps; in it, count_step multiplies, which is cheaper than pow."""
    step.beta_1_power = pow(step.beta_1, step.n_steps)
    step.beta_2_power = pow(step.beta_2, step.n_steps)


cdef inline void count_step(Step* step) noexcept nogil:
    step.n_steps += 1
    step.beta_1_power *= step.beta_1
    step.beta_2_power *= step.beta_2


cdef inline void optimizer_step(
    const Step* step, floating* params, const floating* grad, floating* moments,
    Py_ssize_t n_params, Py_ssize_t n
) noexcept nogil:
    """Step number step.n_steps of n parameters; the rows of moments are n_params long."""
    if step.optimizer == ADAM:
        adam_step(step, params, grad, moments, moments + n_params, n)
    else:
        sgd_step(step, params, grad, moments, n)
