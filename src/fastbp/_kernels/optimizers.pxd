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

from .types cimport floating


cdef enum Optimizer:
    SGD                         # 0: see OptimizerSettings
    ADAM
    RPROP

cdef extern from *:
    """
    /* The public names of the members of Optimizer, and their rows of moments, in their order. */
    static const char *FASTBP_OPTIMIZER_NAMES[] = {"sgd", "adam", "rprop"};
    static const int FASTBP_N_MOMENTS[] = {1, 2, 2};
    #define FASTBP_N_OPTIMIZERS ((int)(sizeof FASTBP_OPTIMIZER_NAMES / sizeof(char *)))
    """
    const char** OPTIMIZER_NAMES "FASTBP_OPTIMIZER_NAMES"
    const int* N_MOMENTS_OF "FASTBP_N_MOMENTS"
    const int N_OPTIMIZERS "FASTBP_N_OPTIMIZERS"


cdef struct OptimizerSettings:
    # 0 is off: all zeros are params -= learning_rate * gradient (training.pxd rests on it).
    Optimizer optimizer
    bint nesterov               # SGD
    double momentum             # SGD
    double beta_1               # Adam
    double beta_2
    double epsilon
    double weight_decay         # coefs *= 1 - learning_rate * weight_decay before a step


cdef inline double read_setting(settings, str name) except? -1:
    # + 0.0 turns -0.0 into 0.0, whose bytes are all zero: see TrainingSettings
    return <double> getattr(settings, name) + 0.0


cdef inline int read_optimizer(OptimizerSettings* to, settings, Optimizer optimizer) except -1:
    """The attributes of settings that this optimizer reads, named as the estimators' parameters."""
    to.optimizer = optimizer
    if optimizer == SGD:
        to.momentum = read_setting(settings, "momentum")
        to.nesterov = to.momentum > 0 and settings.nesterovs_momentum
    elif optimizer == ADAM:
        to.beta_1 = read_setting(settings, "beta_1")
        to.beta_2 = read_setting(settings, "beta_2")
        to.epsilon = read_setting(settings, "epsilon")
    to.weight_decay = read_setting(settings, "weight_decay")
    return 0


cdef struct Step:
    # Where a run of steps stands.
    double n_steps              # taken so far
    double learning_rate
    double beta_1_power         # beta_1 ** n_steps
    double beta_2_power


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
    const OptimizerSettings* settings, const Step* step, floating* params, const floating* grad,
    floating* velocity, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating rate = <floating> step.learning_rate, momentum = <floating> settings.momentum
    if settings.nesterov:
        for i in range(n):
            velocity[i] = momentum * velocity[i] - rate * grad[i]
            params[i] += momentum * velocity[i] - rate * grad[i]
    else:
        for i in range(n):
            velocity[i] = momentum * velocity[i] - rate * grad[i]
            params[i] += velocity[i]


cdef inline void adam_step(
    const OptimizerSettings* settings, const Step* step, floating* params, const floating* grad,
    floating* first, floating* second, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating beta_1 = <floating> settings.beta_1, beta_2 = <floating> settings.beta_2
    cdef floating rest_1 = <floating> (1 - settings.beta_1)
    cdef floating rest_2 = <floating> (1 - settings.beta_2)
    cdef floating epsilon = <floating> settings.epsilon
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
        # the product of the signs, since that of the gradients may underflow
        agreement = sign(grad[i]) * sign(last_grad[i])
        size = sizes[i] * (
            <floating> RPROP_GROWTH if agreement > 0
            else <floating> RPROP_SHRINKAGE if agreement < 0 else <floating> 1)
        size = <floating> RPROP_SMALLEST if size < <floating> RPROP_SMALLEST else size
        size = <floating> RPROP_LARGEST if size > <floating> RPROP_LARGEST else size
        g = 0 if agreement < 0 else grad[i]
        params[i] -= size * sign(g)
        last_grad[i], sizes[i] = g, size


cdef inline void decay_weights(
    const OptimizerSettings* settings, const Step* step, floating* coefs, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef floating kept = <floating> (1 - step.learning_rate * settings.weight_decay)
    for i in range(n):
        coefs[i] *= kept


cdef inline void begin_steps(const OptimizerSettings* settings, Step* step) noexcept nogil:
    """The powers at the start; from then on count_step multiplies, which is cheaper than pow."""
    step.beta_1_power = pow(settings.beta_1, step.n_steps)
    step.beta_2_power = pow(settings.beta_2, step.n_steps)


cdef inline void count_step(const OptimizerSettings* settings, Step* step) noexcept nogil:
    step.n_steps += 1
    step.beta_1_power *= settings.beta_1
    step.beta_2_power *= settings.beta_2


cdef inline void optimizer_step(
    const OptimizerSettings* settings, const Step* step, floating* params, const floating* grad,
    floating* moments, Py_ssize_t n_params, Py_ssize_t n
) noexcept nogil:
    """Step number step.n_steps of n parameters; the rows of moments are n_params long."""
    if settings.optimizer == ADAM:
        adam_step(settings, step, params, grad, moments, moments + n_params, n)
    elif settings.optimizer == RPROP:
        rprop_step(step, params, grad, moments, moments + n_params, n)
    else:
        sgd_step(settings, step, params, grad, moments, n)
