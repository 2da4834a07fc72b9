"""Outputs and losses: predictions, the loss of each sample, and its delta.

Enter pre-activations z (rows, k) of the output layer, targets y, sample weights w. The loss is
computed from z in a form that neither overflows nor cancels, and probabilities are not clipped.

    output      prediction p                loss       l(y, p)
    identity    z                           squared    1/2 (p - y)^2
    logistic    1/(1 + e^-z)                log loss   logistic: -y log p - (1-y) log(1-p)
    softmax     e^z / sum e^z                          softmax:  -y log p
    exp         e^z                         Poisson    y log(y/p) - y + p   (half the deviance)
    increasing  z_0, then the one before    gamma      log(p/y) + y/p - 1   (half the deviance)
                plus log(1 + e^z_j)         absolute   |p - y|
                                            Huber      d^2/2 up to h, then h (d - h/2), d = |p - y|
                                            quantile   q (y - p) or (1 - q)(p - y), whichever >= 0
                                            a user's own, which Python computes

Delta is w * scale * dl/dz. The canonical pairs (identity with squared error, logistic and
softmax with log loss, exp with Poisson) have dl/dz = p - y; the others take dl/dp through the
output's derivative. network.py refuses the pairs that are undefined.
"""
from libc.math cimport NAN, fabs, log

from .activations cimport exp, logistic, softplus
from .types cimport (
    ABSOLUTE_ERROR, GAMMA, HUBER, LOG_LOSS, OUTPUT_EXP, OUTPUT_IDENTITY, OUTPUT_INCREASING,
    OUTPUT_LOGISTIC, OUTPUT_SOFTMAX, POISSON, QUANTILE, SQUARED_ERROR, USER_LOSS, Loss, Objective,
    Output, floating,
)

cdef extern from "simd/vmath.h" nogil:
    double log_of_logistic(double z) noexcept
    double logistic_log_loss(double z, double y) noexcept


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
        p[j] = exp(z[j] - largest)
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
    cdef Py_ssize_t i, j
    if kind == OUTPUT_SOFTMAX:
        for i in range(rows):
            log_sums[i] = softmax(z + i * k, p + i * k, k)
    elif kind == OUTPUT_LOGISTIC:
        for i in range(rows * k):
            p[i] = logistic(z[i])
    elif kind == OUTPUT_EXP:
        for i in range(rows * k):
            p[i] = exp(z[i])
    elif kind == OUTPUT_INCREASING:
        for i in range(rows):
            p[i * k] = z[i * k]
            for j in range(i * k + 1, (i + 1) * k):
                p[j] = p[j - 1] + softplus(z[j])


cdef inline double log_prediction(Output kind, double z) noexcept nogil:
    """log p of the elementwise outputs that are positive."""
    return log_of_logistic(z) if kind == OUTPUT_LOGISTIC else z


cdef inline bint is_distance(Loss loss) noexcept nogil:
    return loss == ABSOLUTE_ERROR or loss == HUBER or loss == QUANTILE


cdef inline double distance_loss(
    const Objective* objective, double p, double y, Py_ssize_t j
) noexcept nogil:
    """l of output j for the losses of p - y that have kinks."""
    cdef double difference = p - y, distance = fabs(difference)
    if objective.loss == HUBER:
        if distance <= objective.huber_delta:
            return 0.5 * difference * difference
        return objective.huber_delta * (distance - 0.5 * objective.huber_delta)
    if objective.loss == QUANTILE:
        if difference < 0:
            return objective.quantiles[j] * distance
        return (1 - objective.quantiles[j]) * distance
    return distance


cdef inline double row_loss(
    const Objective* objective, const floating* z, const floating* p, double log_sum,
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
    if is_distance(objective.loss):
        for j in range(k):
            total += distance_loss(objective, p[j], y[j], j)
        return total
    if objective.loss == GAMMA:
        for j in range(k):
            total -= log(<double> y[j]) + 1 - <double> y[j] / <double> p[j]
            if objective.output == OUTPUT_SOFTMAX:
                total += z[j] - log_sum
            else:
                total += log_prediction(objective.output, z[j])
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


cdef inline void distance_derivatives(
    const Objective* objective, floating* delta, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """delta = dl/dp; enters as p - y. 0 at a kink."""
    cdef Py_ssize_t i, j
    cdef floating limit = <floating> objective.huber_delta, above, below, difference
    if objective.loss == HUBER:
        for i in range(rows * k):
            delta[i] = -limit if delta[i] < -limit else limit if delta[i] > limit else delta[i]
        return
    for j in range(k):
        above, below = 1, -1
        if objective.loss == QUANTILE:
            above, below = <floating> (1 - objective.quantiles[j]), <floating> (
                -objective.quantiles[j])
        for i in range(rows):
            difference = delta[i * k + j]
            # a NaN is kept
            delta[i * k + j] = above if difference > 0 else below if difference < 0 else difference


cdef inline void subtract_at_largest(
    const floating* p, floating* delta, Py_ssize_t k
) noexcept nogil:
    """delta -= its entry where p is largest.

    Softmax does not feel a constant added to dl/dp, but p (dl/dp - sum p dl/dp) would cancel.
    """
    cdef Py_ssize_t j, largest = 0
    cdef floating reference
    for j in range(1, k):
        largest = j if p[j] > p[largest] else largest
    reference = delta[largest]
    for j in range(k):
        delta[j] -= reference


cdef inline void through_output(
    Output output, const floating* z, const floating* p, floating* delta, Py_ssize_t rows,
    Py_ssize_t k
) noexcept nogil:
    """delta = dl/dz; enters as dl/dp."""
    cdef Py_ssize_t i, j
    cdef floating total
    if output == OUTPUT_SOFTMAX:
        for i in range(rows):
            subtract_at_largest(p + i * k, delta + i * k, k)
    if output == OUTPUT_SOFTMAX or output == OUTPUT_EXP or output == OUTPUT_LOGISTIC:
        for i in range(rows * k):
            delta[i] *= p[i]
        through_log_output(output, p, delta, rows, k)
    elif output == OUTPUT_INCREASING:
        # z_j moves p_j and all after it
        for i in range(rows):
            total = 0
            for j in range((i + 1) * k - 1, i * k, -1):
                total += delta[j]
                delta[j] = total * logistic(z[j])
            delta[i * k] += total


cdef inline void through_log_output(
    Output output, const floating* p, floating* delta, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """delta = dl/dz of a positive output; enters as dl/d(log p) = p dl/dp."""
    cdef Py_ssize_t i, j
    cdef floating total
    if output == OUTPUT_LOGISTIC:
        for i in range(rows * k):
            delta[i] *= 1 - p[i]
    elif output == OUTPUT_SOFTMAX:
        for i in range(rows):
            total = 0
            for j in range(i * k, (i + 1) * k):
                total += delta[j]
            for j in range(i * k, (i + 1) * k):
                delta[j] -= p[j] * total


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
    const Objective* objective, const floating* p, floating* delta, Py_ssize_t n
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
    const Objective* objective, const floating* z, const floating* p, double* losses,
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
    elif objective.loss == USER_LOSS:
        if objective.user_loss(
                objective.user_loss_owner, p, y, rows, k, sizeof(floating), losses, NULL) < 0:
            return NAN
    else:
        for i in range(rows):
            losses[i] = row_loss(objective, z + i * k, p + i * k, losses[i], y + i * k, k)
    for i in range(rows):
        # a sample without weight may have an infinite loss
        if weights[i] != 0:
            total += weights[i] * losses[i]
    return total


cdef inline void deltas_of_rows(
    const Objective* objective, const floating* z, const floating* p, const floating* y,
    const floating* weights, double scale, floating* deltas, Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """deltas = scale * w_i * dl/dz."""
    cdef Py_ssize_t i, j
    cdef floating factor
    for i in range(rows * k):
        deltas[i] = p[i] - y[i]
    if objective.loss == GAMMA:
        for i in range(rows * k):
            deltas[i] /= p[i]
        through_log_output(objective.output, p, deltas, rows, k)
    elif objective.loss == USER_LOSS:
        objective.user_loss(
            objective.user_loss_owner, p, y, rows, k, sizeof(floating), NULL, deltas)
        through_output(objective.output, z, p, deltas, rows, k)
    elif is_distance(objective.loss):
        distance_derivatives(objective, deltas, rows, k)
        through_output(objective.output, z, p, deltas, rows, k)
    elif objective.output == OUTPUT_INCREASING:
        through_output(objective.output, z, p, deltas, rows, k)
    elif objective.output == OUTPUT_SOFTMAX:
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


cdef inline void output_derivative(
    Output output, const floating* z, const floating* p, Py_ssize_t which, floating* deltas,
    Py_ssize_t rows, Py_ssize_t k
) noexcept nogil:
    """deltas (rows, k) = dp_which/dz of each row."""
    cdef Py_ssize_t i
    for i in range(rows * k):
        deltas[i] = 0
    for i in range(rows):
        deltas[i * k + which] = 1
    through_output(output, z, p, deltas, rows, k)
