"""What the kernels know of a network: enums for its choices, structs for its sizes.

Strings stop at the Python door: core.pxi publishes the names of the enums' members.
"""

ctypedef fused floating:
    float
    double


cdef enum Activation:
    IDENTITY
    LOGISTIC
    TANH
    RELU
    LEAKY_RELU
    ELU
    SELU
    SOFTPLUS
    SILU
    GELU
    MISH


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
    USER_LOSS


# A user's loss, in Python: fills losses (rows,), or, where losses is NULL, derivatives (rows, k)
# by the predictions; -1, and the exception kept, when it has failed.
ctypedef int (*UserLoss)(
    void* owner, const void* predictions, const void* targets, Py_ssize_t rows, Py_ssize_t k,
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
