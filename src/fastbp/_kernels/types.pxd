"""Types that more than one subject needs: the dtype, the optimizer's steps and the data set."""

ctypedef fused floating:
    float
    double


cdef enum Optimizer:
    SGD
    ADAM
    RPROP


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
