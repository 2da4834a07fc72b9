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


cdef enum Optimizer:
    SGD
    ADAM
    RPROP


# A user's loss, in Python: fills losses (rows,), or, where losses is NULL, derivatives (rows, k)
# by the predictions; -1, and the exception kept, when it has failed.
ctypedef int (*UserLoss)(
    void* owner, const void* predictions, const void* targets, Py_ssize_t rows, Py_ssize_t k,
    size_t item_size, double* losses, void* derivatives
) noexcept nogil


cdef struct Layer:
    # z = a @ coef + intercept, then the activation; the output layer's is the network's Output.
    Py_ssize_t fan_in
    Py_ssize_t fan_out
    Py_ssize_t coef_start       # offsets into the flat parameter vector
    Py_ssize_t intercept_start  # -1: the network has no intercepts
    Activation activation


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


cdef struct Step:
    # The hyper-parameters of the optimizer's steps, and where it stands.
    Optimizer optimizer
    double n_steps              # taken so far
    double learning_rate
    double weight_decay         # coefs *= 1 - learning_rate * weight_decay before a step
    double momentum             # SGD
    bint nesterov
    double beta_1               # Adam
    double beta_2
    double epsilon
    double beta_1_power         # beta_1 ** n_steps
    double beta_2_power


cdef struct Inputs:
    # All rows of one data set. X is dense, C-ordered, or CSR; targets are a dense matrix or
    # class labels. void pointers: float or double, as the parameters are.
    Py_ssize_t n_samples
    Py_ssize_t n_features
    Py_ssize_t n_targets
    const void* dense           # (n_samples, n_features); NULL: CSR
    const void* data            # CSR: values, their columns, and where each row starts
    const int* columns
    const Py_ssize_t* row_starts
    const void* targets         # (n_samples, n_targets); NULL: labels
    const Py_ssize_t* labels    # (n_samples,)
    const void* weights         # (n_samples,); NULL: ones
