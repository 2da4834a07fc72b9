"""Outputs and losses: the outputs, the loss of each sample, and its deltas.

Takes pre-activations z (rows, n_outputs) of the output layer, targets y likewise and sample
weights w (rows,); returns outputs p (rows, n_outputs), losses and deltas. i is a sample, k an
output, ik an entry of a matrix (rows, n_outputs). The loss is computed from z in a form that
neither overflows nor cancels, and probabilities are not clipped.

    output      p                           loss       l(y, p)
    identity    z                           squared    1/2 (p - y)^2
    logistic    1/(1 + e^-z)                log loss   logistic: -y log p - (1-y) log(1-p)
    softmax     e^z / sum e^z                          softmax:  -y log p
    exp         e^z                         Poisson    y log(y/p) - y + p   (half the deviance)
    increasing  z_0, then the one before    gamma      log(p/y) + y/p - 1   (half the deviance)
                plus log(1 + e^z_k)         absolute   |p - y|
                                            Huber      d^2/2 up to h, then h (d - h/2), d = |p - y|
                                            quantile   q (y - p) or (1 - q)(p - y), whichever >= 0
                                            a user's own, which Python computes
                                            gaussian: sum_k<K (y_k - p_k)^2 e^-v / 2 + v / 2 with
                                            v = p_K, the last output, a log variance; below
                                            LEAST_LOG_VARIANCE its tangent in v

A delta is w * scale * dl/dz. The losses come to dl/dz by one of three ways:

    log loss            p - y: logistic and softmax, its only outputs, are canonical for it
    Poisson, gamma      p dl/dp = dl/d(log p), through the logarithm of the output: p - y, (p - y)/p
    all others          dl/dp, through the output: the squared error's is p - y

With identity and squared error, or exp and Poisson, there is nothing to go through: dl/dz = p - y.
network.py refuses the pairs of output and loss that are undefined.
"""
from libc.math cimport NAN, fabs, log

from .activations cimport exp, logistic, softplus
from .types cimport floating

cdef enum Output:
    OUTPUT_IDENTITY
    OUTPUT_LOGISTIC
    OUTPUT_SOFTMAX
    OUTPUT_EXP
    OUTPUT_INCREASING

cdef enum Loss:
    SQUARED_ERROR
    LOG_LOSS
    POISSON
    ABSOLUTE_ERROR
    HUBER
    GAMMA
    QUANTILE
    GAUSSIAN
    USER_LOSS   # the last one: it has no name

cdef extern from *:
    """
    /* The public names of the members of Output and of Loss, in their order. */
    static const char *FASTBP_OUTPUT_NAMES[] = {
        "identity", "logistic", "softmax", "exp", "increasing"};
    static const char *FASTBP_LOSS_NAMES[] = {
        "squared_error", "log_loss", "poisson", "absolute_error", "huber", "gamma", "quantile",
        "gaussian"};
    #define FASTBP_N_OUTPUTS ((int)(sizeof FASTBP_OUTPUT_NAMES / sizeof(char *)))
    /* Its e^-v times the square of an error is still a float. */
    #define FASTBP_LEAST_LOG_VARIANCE (-30.0)
    #define FASTBP_N_LOSSES ((int)(sizeof FASTBP_LOSS_NAMES / sizeof(char *)))
    """
    const char** OUTPUT_NAMES "FASTBP_OUTPUT_NAMES"
    const int N_OUTPUTS "FASTBP_N_OUTPUTS"
    const char** LOSS_NAMES "FASTBP_LOSS_NAMES"
    const int N_LOSSES "FASTBP_N_LOSSES"
    const double LEAST_LOG_VARIANCE "FASTBP_LEAST_LOG_VARIANCE"

cdef extern from "simd/vmath.h" nogil:
    double log_of_logistic(double z) noexcept
    double logistic_log_loss(double z, double y) noexcept

# A user's loss, in Python: fills losses (rows,), or, where losses is NULL, derivatives
# (rows, n_outputs) by the outputs; -1, and the exception kept, when it has failed.
ctypedef int (*UserLoss)(
    void* owner, const void* outputs, const void* targets, Py_ssize_t rows, Py_ssize_t n_outputs,
    size_t item_size, double* losses, void* derivatives
) noexcept nogil


cdef struct Objective:
    # J = scale * reduce_i[w_i sum_k loss] + l2 * sum ||W||^2 + l1 * sum |W|
    Output output
    Loss loss
    double scale
    bint mean                   # reduce divides by the sum of the weights
    double label_smoothing
    double huber_delta
    const double* quantiles     # (n_outputs,)
    UserLoss user_loss
    void* user_loss_owner
    const int* user_loss_failed


cdef inline void softmax(
    const floating* z, floating* p, double* log_sums, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """p = softmax(z) and log_sums (rows,) = log sum e^z of each sample."""
    cdef Py_ssize_t i, k, ik
    cdef const floating* z_row = z
    cdef floating* p_row = p
    cdef floating largest, total
    for i in range(rows):
        largest = z_row[0]
        for k in range(1, n_outputs):
            # a NaN is taken: it compares false
            largest = largest if largest > z_row[k] else z_row[k]
        for k in range(n_outputs):
            p_row[k] = z_row[k] - largest
        log_sums[i] = largest
        z_row += n_outputs
        p_row += n_outputs
    # of all samples at once: the rows of a few outputs would fill vectors badly
    for ik in range(rows * n_outputs):
        p[ik] = exp(p[ik])
    p_row = p
    for i in range(rows):
        total = 0
        for k in range(n_outputs):
            total += p_row[k]
        for k in range(n_outputs):
            p_row[k] /= total
        log_sums[i] += log(<double> total)
        p_row += n_outputs


cdef inline void compute_outputs(
    Output output, const floating* z, floating* p, double* log_sums, Py_ssize_t rows,
    Py_ssize_t n_outputs
) noexcept nogil:
    """p = output(z); where the output is the identity, p is z already.

    For softmax also log_sums (rows,) = log sum e^z.
    """
    cdef Py_ssize_t i, ik
    if output == OUTPUT_SOFTMAX:
        softmax(z, p, log_sums, rows, n_outputs)
    elif output == OUTPUT_LOGISTIC:
        for ik in range(rows * n_outputs):
            p[ik] = logistic(z[ik])
    elif output == OUTPUT_EXP:
        for ik in range(rows * n_outputs):
            p[ik] = exp(z[ik])
    elif output == OUTPUT_INCREASING:
        for i in range(rows):
            p[i * n_outputs] = z[i * n_outputs]
            for ik in range(i * n_outputs + 1, (i + 1) * n_outputs):
                p[ik] = p[ik - 1] + softplus(z[ik])


cdef inline double xlogx(double x) noexcept nogil:
    return x * log(x) if x > 0 else 0


cdef inline double log_of_output(Output output, double z) noexcept nogil:
    """log p of the positive outputs other than softmax."""
    return log_of_logistic(z) if output == OUTPUT_LOGISTIC else z


cdef inline bint is_distance(Loss loss) noexcept nogil:
    """Whether the loss is a function of p - y with kinks."""
    return loss == ABSOLUTE_ERROR or loss == HUBER or loss == QUANTILE


cdef inline double distance_loss(
    const Objective* objective, double p, double y, Py_ssize_t k
) noexcept nogil:
    """l of output k for a loss that is a distance."""
    cdef double difference = p - y, distance = fabs(difference)
    if objective.loss == HUBER:
        if distance <= objective.huber_delta:
            return 0.5 * difference * difference
        return objective.huber_delta * (distance - 0.5 * objective.huber_delta)
    if objective.loss == QUANTILE:
        if difference < 0:
            return objective.quantiles[k] * distance
        return (1 - objective.quantiles[k]) * distance
    return distance


cdef inline double gaussian_loss(
    const floating* p, const floating* y, Py_ssize_t n_outputs
) noexcept nogil:
    """The negative log-likelihood of means and a log variance, without its constant."""
    cdef Py_ssize_t k, n_means = n_outputs - 1
    cdef double log_variance = p[n_means], square = 0, difference
    cdef double beyond = min(log_variance - LEAST_LOG_VARIANCE, 0.0)
    for k in range(n_means):
        difference = <double> p[k] - <double> y[k]
        square += difference * difference
    # the tangent of e^-v: e^-least (1 - (v - least))
    square *= exp(-(log_variance - beyond)) * (1 - beyond)
    return 0.5 * (square + <double> n_means * log_variance)


cdef inline void differentiate_gaussian(
    const floating* p, floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """Takes deltas = p - y; returns dl/dp."""
    cdef Py_ssize_t _, k, n_means = n_outputs - 1
    cdef double log_variance, beyond, precision, square
    for _ in range(rows):
        log_variance = p[n_means]
        beyond = min(log_variance - LEAST_LOG_VARIANCE, 0.0)
        precision = exp(-(log_variance - beyond))
        square = 0
        for k in range(n_means):
            square += <double> deltas[k] * <double> deltas[k]
            deltas[k] = <floating> (deltas[k] * precision * (1 - beyond))
        deltas[n_means] = <floating> (0.5 * (<double> n_means - square * precision))
        p += n_outputs
        deltas += n_outputs


cdef inline double loss_of_row(
    const Objective* objective, const floating* z, const floating* p, double log_sum,
    const floating* y, Py_ssize_t n_outputs
) noexcept nogil:
    """sum_k l(y_k, p_k) of one sample."""
    cdef Py_ssize_t k
    cdef double total = 0, difference
    if objective.loss == SQUARED_ERROR:
        for k in range(n_outputs):
            difference = <double> p[k] - <double> y[k]
            total += 0.5 * difference * difference
        return total
    if is_distance(objective.loss):
        for k in range(n_outputs):
            total += distance_loss(objective, p[k], y[k], k)
        return total
    if objective.loss == GAUSSIAN:
        return gaussian_loss(p, y, n_outputs)
    if objective.loss == GAMMA:
        for k in range(n_outputs):
            total -= log(<double> y[k]) + 1 - <double> y[k] / <double> p[k]
            if objective.output == OUTPUT_SOFTMAX:
                total += z[k] - log_sum
            else:
                total += log_of_output(objective.output, z[k])
        return total
    if objective.output == OUTPUT_SOFTMAX:
        # log loss, which is a part of Poisson's: -y log p = y (log_sum - z)
        for k in range(n_outputs):
            total += y[k] * (log_sum - z[k]) if y[k] != 0 else 0
        if objective.loss == POISSON:
            for k in range(n_outputs):
                total += xlogx(y[k]) - y[k] + p[k]
        return total
    if objective.loss == LOG_LOSS:
        for k in range(n_outputs):
            total += logistic_log_loss(z[k], y[k])
        return total
    for k in range(n_outputs):
        total += xlogx(y[k]) - y[k] + p[k]
        if y[k] != 0:
            total -= y[k] * log_of_output(objective.output, z[k])
    return total


cdef inline void compute_losses(
    const Objective* objective, const floating* z, const floating* p, double* losses,
    const floating* y, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """losses (rows,) = sum_k l of each sample; NaN where a user's loss has failed.

    Softmax's log sums, where it is the output, are taken from losses.
    """
    cdef Py_ssize_t i
    cdef double difference
    # One output is so common that its loops are written to become vector code.
    if n_outputs == 1 and objective.loss == SQUARED_ERROR:
        for i in range(rows):
            difference = <double> p[i] - <double> y[i]
            losses[i] = 0.5 * difference * difference
    elif n_outputs == 1 and objective.loss == LOG_LOSS and objective.output == OUTPUT_LOGISTIC:
        for i in range(rows):
            losses[i] = logistic_log_loss(z[i], y[i])
    elif objective.loss == USER_LOSS:
        if objective.user_loss(objective.user_loss_owner, p, y, rows, n_outputs, sizeof(floating),
                               losses, NULL) < 0:
            for i in range(rows):
                losses[i] = NAN
    else:
        for i in range(rows):
            losses[i] = loss_of_row(objective, z + i * n_outputs, p + i * n_outputs, losses[i],
                                    y + i * n_outputs, n_outputs)


cdef inline double sum_losses(
    const double* losses, const floating* weights, Py_ssize_t rows
) noexcept nogil:
    """sum_i w_i losses_i, in the order of the rows."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(rows):
        # a sample without weight may have an infinite loss
        if weights[i] != 0:
            total += weights[i] * losses[i]
    return total


cdef inline void differentiate_distance(
    const Objective* objective, floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """Takes deltas = p - y; returns dl/dp, which is 0 at a kink."""
    cdef Py_ssize_t i, k, ik
    cdef floating limit = <floating> objective.huber_delta, above, below, difference
    if objective.loss == HUBER:
        for ik in range(rows * n_outputs):
            deltas[ik] = -limit if deltas[ik] < -limit else (
                limit if deltas[ik] > limit else deltas[ik])
        return
    for k in range(n_outputs):
        above, below = 1, -1
        if objective.loss == QUANTILE:
            above, below = <floating> (1 - objective.quantiles[k]), <floating> (
                -objective.quantiles[k])
        for i in range(rows):
            difference = deltas[i * n_outputs + k]
            # a NaN is kept
            deltas[i * n_outputs + k] = (
                above if difference > 0 else below if difference < 0 else difference)


cdef inline void subtract_at_largest(
    const floating* p, floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """Subtracts from the dl/dp of each sample its entry where p is largest.

    The delta through softmax is the same with any constant added to dl/dp, but for a large one
    p (dl/dp - sum p dl/dp) cancels.
    """
    cdef Py_ssize_t _, k, largest
    cdef floating reference
    for _ in range(rows):
        largest = 0
        for k in range(1, n_outputs):
            largest = k if p[k] > p[largest] else largest
        reference = deltas[largest]
        for k in range(n_outputs):
            deltas[k] -= reference
        p += n_outputs
        deltas += n_outputs


cdef inline void take_through_output(
    Output output, const floating* z, const floating* p, floating* deltas, Py_ssize_t rows,
    Py_ssize_t n_outputs
) noexcept nogil:
    """Takes deltas = dl/dp; returns dl/dz."""
    cdef Py_ssize_t i, ik
    cdef floating total
    if output == OUTPUT_SOFTMAX or output == OUTPUT_EXP or output == OUTPUT_LOGISTIC:
        for ik in range(rows * n_outputs):
            deltas[ik] *= p[ik]
        take_through_log_output(output, p, deltas, rows, n_outputs)
    elif output == OUTPUT_INCREASING:
        # z_k moves p_k and all after it
        for i in range(rows):
            total = 0
            for ik in range((i + 1) * n_outputs - 1, i * n_outputs, -1):
                total += deltas[ik]
                deltas[ik] = total * logistic(z[ik])
            deltas[i * n_outputs] += total


cdef inline void take_through_log_output(
    Output output, const floating* p, floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """Takes deltas = dl/d(log p) = p dl/dp of a positive output; returns dl/dz."""
    cdef Py_ssize_t i, ik
    cdef floating total
    if output == OUTPUT_LOGISTIC:
        for ik in range(rows * n_outputs):
            deltas[ik] *= 1 - p[ik]
    elif output == OUTPUT_SOFTMAX:
        # d(log p_m)/dz_k = [m = k] - p_k
        for i in range(rows):
            total = 0
            for ik in range(i * n_outputs, (i + 1) * n_outputs):
                total += deltas[ik]
            for ik in range(i * n_outputs, (i + 1) * n_outputs):
                deltas[ik] -= p[ik] * total


cdef inline void compute_softmax_log_loss_deltas(
    const floating* p, const floating* y, const floating* weights, double scale,
    floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """deltas = scale * w_i * (p sum_k y_k - y), which is p - y where the targets sum to one."""
    cdef Py_ssize_t i, k
    cdef floating total, factor
    for i in range(rows):
        total = 0
        for k in range(n_outputs):
            total += y[k]
        factor = <floating> (scale * weights[i])
        for k in range(n_outputs):
            deltas[k] = (p[k] * total - y[k]) * factor
        p += n_outputs
        y += n_outputs
        deltas += n_outputs


cdef inline void compute_deltas(
    const Objective* objective, const floating* z, const floating* p, const floating* y,
    const floating* weights, double scale, floating* deltas, Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """deltas = scale * w_i * dl/dz."""
    cdef Py_ssize_t i, k, ik
    cdef floating factor
    cdef Output output = objective.output
    if objective.loss == LOG_LOSS and output == OUTPUT_SOFTMAX:
        compute_softmax_log_loss_deltas(p, y, weights, scale, deltas, rows, n_outputs)
        return
    for ik in range(rows * n_outputs):
        deltas[ik] = p[ik] - y[ik]
    if objective.loss == LOG_LOSS:
        pass
    elif objective.loss == POISSON:
        take_through_log_output(output, p, deltas, rows, n_outputs)
    elif objective.loss == GAMMA:
        for ik in range(rows * n_outputs):
            deltas[ik] /= p[ik]
        take_through_log_output(output, p, deltas, rows, n_outputs)
    else:
        if objective.loss == USER_LOSS:
            objective.user_loss(objective.user_loss_owner, p, y, rows, n_outputs, sizeof(floating),
                                NULL, deltas)
        elif is_distance(objective.loss):
            differentiate_distance(objective, deltas, rows, n_outputs)
        elif objective.loss == GAUSSIAN:
            differentiate_gaussian(p, deltas, rows, n_outputs)
        if output == OUTPUT_SOFTMAX and objective.loss != SQUARED_ERROR:
            subtract_at_largest(p, deltas, rows, n_outputs)
        take_through_output(output, z, p, deltas, rows, n_outputs)
    if n_outputs == 1:
        for i in range(rows):
            deltas[i] *= <floating> (scale * weights[i])
        return
    for i in range(rows):
        factor = <floating> (scale * weights[i])
        for k in range(n_outputs):
            deltas[i * n_outputs + k] *= factor


cdef inline void compute_output_derivative(
    Output output, const floating* z, const floating* p, Py_ssize_t which, floating* deltas,
    Py_ssize_t rows, Py_ssize_t n_outputs
) noexcept nogil:
    """deltas (rows, n_outputs) = dp_which/dz of each sample."""
    cdef Py_ssize_t i, ik
    for ik in range(rows * n_outputs):
        deltas[ik] = 0
    for i in range(rows):
        deltas[i * n_outputs + which] = 1
    if output == OUTPUT_SOFTMAX:
        subtract_at_largest(p, deltas, rows, n_outputs)
    take_through_output(output, z, p, deltas, rows, n_outputs)
