"""Outputs of a network, and the activations of its hidden layers."""
from fastbp._kernels.inputs cimport Inputs
from fastbp._kernels.network cimport NetworkSizes, Workspace, allocate, forward_rows, release
from fastbp._kernels.signals cimport Poll, interrupted
from fastbp._kernels.types cimport floating
from libc.string cimport memcpy, memset


cdef int raise_pending() except -1:
    """Raises the exception that a signal handler has set."""
    return -1


cdef int forward_all(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    floating* outputs, floating* hidden
) except -1:
    """outputs (n_samples, n_outputs) = network(X); hidden activations unless NULL."""
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows
    cdef Workspace ws
    cdef Poll poll
    cdef bint failed = False
    if allocate(&ws, net, n, sizeof(floating), False, False) < 0:
        raise MemoryError("no memory for a block of activations")
    memset(&poll, 0, sizeof(poll))
    with nogil:
        while start < n and not failed:
            rows = min(ws.block_rows, n - start)
            forward_rows(net, params, inputs, NULL, start, 0, rows, rows, &ws)
            memcpy(outputs + start * net.n_outputs, ws.outputs,
                   rows * net.n_outputs * sizeof(floating))
            if hidden != NULL:
                copy_hidden(net, &ws, start, rows, n, hidden)
            start += rows
            failed = interrupted(&poll, <double> net.n_coefs * <double> rows)
        release(&ws)
    if failed:
        raise_pending()
    return 0


def forward(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] outputs not None, floating[::1] hidden=None,
):
    """outputs (n_samples, n_outputs) = network(X).

    hidden (n_samples * the hidden units) receives the hidden activations, layer after layer.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = samples.inputs.n_samples
    check_call(plan, samples, params.shape[0], sizeof(floating), False)
    check_size(outputs.shape[0], n)
    check_size(outputs.shape[1], net.n_outputs)
    if hidden is not None:
        check_size(hidden.shape[0], n * (net.n_units - net.n_outputs))
    forward_all(net, &params[0], &samples.inputs, &outputs[0, 0],
                &hidden[0] if hidden is not None and hidden.shape[0] > 0 else NULL)


def forward_dense(
    Plan plan not None, const floating[::1] params not None,
    const floating[:, ::1] X not None, floating[:, ::1] outputs not None,
):
    """forward for a matrix that has not been checked; False, and nothing done, if unsound.

    For single rows: one call, where Samples and the checks of a matrix would be several.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = X.shape[0]
    cdef Inputs inputs
    if (
        n < 1 or X.shape[1] != net.n_features or <size_t> &X[0, 0] % sizeof(floating) != 0
        or not are_finite(&X[0, 0], n * net.n_features)
    ):
        return False
    check_size(params.shape[0], net.n_params)
    check_size(outputs.shape[0], n)
    check_size(outputs.shape[1], net.n_outputs)
    memset(&inputs, 0, sizeof(inputs))
    inputs.n_samples, inputs.n_features, inputs.dense = n, net.n_features, &X[0, 0]
    forward_all(net, &params[0], &inputs, &outputs[0, 0], NULL)
    return True


cdef void copy_hidden(
    const NetworkSizes* net, const Workspace* ws, Py_ssize_t start, Py_ssize_t rows,
    Py_ssize_t n, floating* hidden
) noexcept nogil:
    """Rows [start, start + rows) of each hidden layer's activations, n rows a layer."""
    cdef Py_ssize_t l, i, width
    for l in range(net.n_layers - 1):
        width = net.layers[l].fan_out
        for i in range(rows):
            memcpy(hidden + (start + i) * width,
                   <const floating*> ws.activations[l] + i * ws.strides[l],
                   width * sizeof(floating))
        hidden += n * width
