"""Optimizer steps: one loop each over the flat parameter vector.

    SGD    v <- momentum v - rate g;    w <- w + v, or w + momentum v - rate g (Nesterov)
    Adam   m <- beta_1 m + (1 - beta_1) g;    v <- beta_2 v + (1 - beta_2) g^2
           w <- w - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
    Rprop  s <- 1.2 s where g h > 0, s / 2 where g h < 0 (and then g <- 0), within [1e-6, 50]
           w <- w - s sign g;    h <- g;    at first h = 0, s = rate

Adam is Kingma and Ba, "Adam: a method for stochastic optimization" (2015), in the form of the
end of its section 2 (as in scikit-learn): epsilon stands beside the uncorrected sqrt(v).
Rprop is iRprop- of Igel and Huesken, "Improving the Rprop learning algorithm" (2000).
`moments` holds one row per moment: v; m, then v; or h, then s.

Decoupled weight decay, w <- (1 - rate decay) w before the step, is that of Loshchilov and Hutter,
"Decoupled weight decay regularization" (2019), where with Adam it is called AdamW.
"""
from libc.math cimport pow, sqrt, sqrtf

from .types cimport ADAM, RPROP, Step, floating

cdef extern from *:
    """
    #define FASTBP_RPROP_GROWTH 1.2
    #define FASTBP_RPROP_SHRINKAGE 0.5
    #define FASTBP_RPROP_SMALLEST 1e-6
    #define FASTBP_RPROP_LARGEST 50.0
    """
    const double RPROP_GROWTH "FASTBP_RPROP_GROWTH"
    const double RPROP_SHRINKAGE "FASTBP_RPROP_SHRINKAGE"
    const double RPROP_SMALLEST "FASTBP_RPROP_SMALLEST"
    const double RPROP_LARGEST "FASTBP_RPROP_LARGEST"


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


cdef inline floating sign(floating x) noexcept nogil:
    return <floating> 1 if x > 0 else <floating> -1 if x < 0 else <floating> 0


cdef inline void rprop_step(
    const Step* step, floating* params, const floating* grad, floating* last_grad,
    floating* sizes, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating agreement, size, g
    if step.n_steps == 1:
        for i in range(n):
            last_grad[i], sizes[i] = 0, <floating> step.learning_rate
    for i in range(n):
        # the product of the signs: that of the gradients may underflow
        agreement = sign(grad[i]) * sign(last_grad[i])
        size = sizes[i] * (
            <floating> RPROP_GROWTH if agreement > 0
            else <floating> RPROP_SHRINKAGE if agreement < 0 else <floating> 1)
        size = <floating> RPROP_SMALLEST if size < <floating> RPROP_SMALLEST else size
        size = <floating> RPROP_LARGEST if size > <floating> RPROP_LARGEST else size
        g = 0 if agreement < 0 else grad[i]
        params[i] -= size * sign(g)
        last_grad[i], sizes[i] = g, size


cdef inline void decay_weights(const Step* step, floating* coefs, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating kept = <floating> (1 - step.learning_rate * step.weight_decay)
    for i in range(n):
        coefs[i] *= kept


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
    elif step.optimizer == RPROP:
        rprop_step(step, params, grad, moments, moments + n_params, n)
    else:
        sgd_step(step, params, grad, moments, n)
