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
from libc.math cimport exp, fabs, log, log1p

from .activations cimport exponential, logistic
from .types cimport (
    LOG_LOSS, OUTPUT_EXP, OUTPUT_IDENTITY, OUTPUT_LOGISTIC, OUTPUT_SOFTMAX, POISSON,
    SQUARED_ERROR, Loss, Objective, Output, floating,
)


cdef inline double xlogx(double x) noexcept nogil:
    return x * log(x) if x > 0 else 0


cdef inline double softplus(double z) noexcept nogil:
    # log(1 + e^z); for large z the 1 is lost in e^z, and e^z overflows
    return (z if z > 0 else 0) + log1p(exp(-fabs(z)))


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
    """p = output(z); for softmax also log_sums (rows,) = log sum e^z."""
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
    else:
        for i in range(rows * k):
            p[i] = z[i]


cdef inline double log_prediction(Output kind, double z) noexcept nogil:
    """log p of the elementwise outputs that are positive."""
    return -softplus(-z) if kind == OUTPUT_LOGISTIC else z


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
        # -y log p - (1 - y) log(1 - p) = softplus(z) - y z, without inf - inf at y = 1
        for j in range(k):
            total += (softplus(-z[j]) * y[j] if y[j] != 0 else 0) + (
                softplus(z[j]) * (1 - y[j]) if y[j] != 1 else 0)
        return total
    for j in range(k):
        total += xlogx(y[j]) - y[j] + p[j]
        if y[j] != 0:
            total -= y[j] * log_prediction(objective.output, z[j])
    return total


cdef inline void row_delta(
    Objective objective, const floating* p, const floating* y, floating* delta, Py_ssize_t k
) noexcept nogil:
    """delta = dl/dz of one sample."""
    cdef Py_ssize_t j
    cdef floating total = 0
    cdef Output output = objective.output
    if objective.loss == LOG_LOSS and output == OUTPUT_SOFTMAX:
        # p - y where the targets sum to one
        for j in range(k):
            total += y[j]
        for j in range(k):
            delta[j] = p[j] * total - y[j]
        return
    for j in range(k):
        delta[j] = p[j] - y[j]
    if objective.loss == LOG_LOSS or (objective.loss == POISSON and output == OUTPUT_EXP):
        return
    # From here on p dl/dp = p (p - y) (squared error) or p - y (Poisson).
    if objective.loss == SQUARED_ERROR:
        if output == OUTPUT_IDENTITY:
            return
        for j in range(k):
            delta[j] *= p[j]
    if output == OUTPUT_LOGISTIC:
        # dp/dz = p (1 - p)
        for j in range(k):
            delta[j] *= 1 - p[j]
    elif output == OUTPUT_SOFTMAX:
        # dp_m/dz_j = p_m ([m = j] - p_j)
        for j in range(k):
            total += delta[j]
        for j in range(k):
            delta[j] -= p[j] * total


cdef inline double loss_of_rows(
    Objective objective, const floating* z, const floating* p, const double* log_sums,
    const floating* y, const floating* weights, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """sum_i w_i sum_k l."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(rows):
        if weights[i] != 0:
            total += weights[i] * row_loss(
                objective, z + i * k, p + i * k, log_sums[i], y + i * k, k)
    return total


cdef inline void deltas_of_rows(
    Objective objective, const floating* p, const floating* y, const floating* weights,
    double scale, floating* deltas, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """deltas = scale * w_i * dl/dz."""
    cdef Py_ssize_t i, j
    cdef floating factor
    for i in range(rows):
        factor = <floating> (scale * weights[i])
        row_delta(objective, p + i * k, y + i * k, deltas + i * k, k)
        for j in range(k):
            deltas[i * k + j] *= factor
