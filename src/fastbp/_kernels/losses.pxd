"""Outputs and losses: predictions, the loss of each sample, and its delta.

Enter pre-activations z (rows, k) of the output layer, targets y, sample weights w. The loss is
computed from z in a form that neither overflows nor cancels, and probabilities are not clipped.

    output     prediction p             loss       l(y, p)
    identity   z                        squared    1/2 (p - y)^2
    logistic   1/(1 + e^-z)             log loss   logistic: -y log p - (1-y) log(1-p)
    softmax    e^z / sum e^z                       softmax:  -y log p
    exp        e^z                      Poisson    y log(y/p) - y + p   (half the deviance)

Delta is w * scale * dl/dz. The canonical pairs (identity with squared error, logistic and
softmax with log loss, exp with Poisson) have dl/dz = p - y; the others take dl/dp through the
output's derivative. network.py refuses the pairs that are undefined.
"""
from libc.math cimport log

from .activations cimport exponential, logistic
from .types cimport (
    LOG_LOSS, OUTPUT_EXP, OUTPUT_IDENTITY, OUTPUT_LOGISTIC, OUTPUT_SOFTMAX, POISSON,
    SQUARED_ERROR, Loss, Objective, Output, floating,
)

cdef extern from "simd/vmath.h" nogil:
    double softplus "softplus_f64"(double z) noexcept


cdef inline double xlogx(double x) noexcept nogil:
    return x * log(x) if x > 0 else 0


cdef inline double softmax(const floating* z, floating* p, Py_ssize_t k) noexcept nogil:
    """p = softmax(z); returns log sum e^z."""
    cdef floating largest = z[0]
    cdef floating total = 0
    cdef Py_ssize_t j
    for j in range(1, k):
        # a NaN is kept: it compares false
        largest = largest if z[j] <= largest else z[j]
    for j in range(k):
        p[j] = exponential[floating](z[j] - largest)
    for j in range(k):
        total += p[j]
    for j in range(k):
        p[j] /= total
    return <double> largest + log(<double> total)


cdef inline void predict(
    Output kind, const floating* z, floating* p, double* log_sums, Py_ssize_t rows,
    Py_ssize_t k
) noexcept nogil:
    """p = output(z), nothing to do where p is z; for softmax also log_sums = log sum e^z."""
    cdef Py_ssize_t i
    if kind == OUTPUT_SOFTMAX:
        for i in range(rows):
            log_sums[i] = softmax(z + i * k, p + i * k, k)
    elif kind == OUTPUT_LOGISTIC:
        for i in range(rows * k):
            p[i] = logistic(z[i])
    elif kind == OUTPUT_EXP:
        for i in range(rows * k):
            p[i] = exponential(z[i])


cdef inline double log_prediction(Output kind, double z) noexcept nogil:
    """log p of the elementwise outputs that are positive."""
    return -softplus(-z) if kind == OUTPUT_LOGISTIC else z


cdef inline double logistic_log_loss(double z, double y) noexcept nogil:
    # -y log p - (1 - y) log(1 - p) = softplus(z) - y z, without inf - inf at y = 1
    return (softplus(-z) * y if y != 0 else 0) + (softplus(z) * (1 - y) if y != 1 else 0)


cdef inline double row_loss(
    Objective objective, const floating* z, const floating* p, double log_sum,
    const floating* y, Py_ssize_t k
) noexcept nogil:
    """sum_k l(y_k, p_k) of one sample."""
    cdef Py_ssize_t j
    cdef double total = 0, difference
    if objective.loss == SQUARED_ERROR:
        for j in range(k):
            difference = <double> p[j] - <double> y[j]
            total += 0.5 * difference * difference
        return total
    if objective.output == OUTPUT_SOFTMAX:
        # -y log p = y (log_sum - z)
        for j in range(k):
            total += y[j] * (log_sum - z[j]) if y[j] != 0 else 0
        if objective.loss == POISSON:
            for j in range(k):
                total += xlogx(y[j]) - y[j] + p[j]
        return total
    if objective.loss == LOG_LOSS:
        for j in range(k):
            total += logistic_log_loss(z[j], y[j])
        return total
    for j in range(k):
        total += xlogx(y[j]) - y[j] + p[j]
        if y[j] != 0:
            total -= y[j] * log_prediction(objective.output, z[j])
    return total


cdef inline void softmax_delta(
    Loss loss, const floating* p, floating* delta, const floating* y, Py_ssize_t k
) noexcept nogil:
    """delta = dl/dz of one sample; enters as p - y."""
    cdef Py_ssize_t j
    cdef floating total = 0
    if loss == LOG_LOSS:
        # p - y where the targets sum to one
        for j in range(k):
            total += y[j]
        for j in range(k):
            delta[j] = p[j] * total - y[j]
        return
    # p dl/dp is p (p - y) (squared error) or p - y (Poisson); dp_m/dz_j = p_m ([m = j] - p_j)
    if loss == SQUARED_ERROR:
        for j in range(k):
            delta[j] *= p[j]
    for j in range(k):
        total += delta[j]
    for j in range(k):
        delta[j] -= p[j] * total


cdef inline void elementwise_delta(
    Objective objective, const floating* p, floating* delta, Py_ssize_t n
) noexcept nogil:
    """delta = dl/dz of n samples and outputs, each z with its own p; enters as p - y."""
    cdef Py_ssize_t i
    cdef Output output = objective.output
    if objective.loss == LOG_LOSS or (objective.loss == POISSON and output == OUTPUT_EXP) or (
        objective.loss == SQUARED_ERROR and output == OUTPUT_IDENTITY
    ):
        return
    # p dl/dp = p (p - y) (squared error) or p - y (Poisson), and dp/dz = p or p (1 - p)
    if objective.loss == SQUARED_ERROR:
        for i in range(n):
            delta[i] *= p[i]
    if output == OUTPUT_LOGISTIC:
        for i in range(n):
            delta[i] *= 1 - p[i]


cdef inline double loss_of_rows(
    Objective objective, const floating* z, const floating* p, double* losses,
    const floating* y, const floating* weights, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """sum_i w_i sum_k l; losses (rows,) enters with softmax's log sums, leaves with sum_k l."""
    cdef Py_ssize_t i
    cdef double difference, total = 0
    # One output is so common that its loops are written to become vector code.
    if k == 1 and objective.loss == SQUARED_ERROR:
        for i in range(rows):
            difference = <double> p[i] - <double> y[i]
            losses[i] = 0.5 * difference * difference
    elif k == 1 and objective.loss == LOG_LOSS and objective.output == OUTPUT_LOGISTIC:
        for i in range(rows):
            losses[i] = logistic_log_loss(z[i], y[i])
    else:
        for i in range(rows):
            losses[i] = row_loss(objective, z + i * k, p + i * k, losses[i], y + i * k, k)
    for i in range(rows):
        # a sample without weight may have an infinite loss
        if weights[i] != 0:
            total += weights[i] * losses[i]
    return total


cdef inline void deltas_of_rows(
    Objective objective, const floating* p, const floating* y, const floating* weights,
    double scale, floating* deltas, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """deltas = scale * w_i * dl/dz."""
    cdef Py_ssize_t i, j
    cdef floating factor
    for i in range(rows * k):
        deltas[i] = p[i] - y[i]
    if objective.output == OUTPUT_SOFTMAX:
        for i in range(rows):
            softmax_delta(objective.loss, p + i * k, deltas + i * k, y + i * k, k)
    else:
        elementwise_delta(objective, p, deltas, rows * k)
    if k == 1:
        for i in range(rows):
            deltas[i] *= <floating> (scale * weights[i])
        return
    for i in range(rows):
        factor = <floating> (scale * weights[i])
        for j in range(k):
            deltas[i * k + j] *= factor
