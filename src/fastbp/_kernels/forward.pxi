"""Outputs of a network, and the activations of its hidden layers."""
from fastbp._kernels.blocks cimport (
    BlockRun, begin_blocks, end_blocks, part_rows, run_blocks, stopped,
)
from fastbp._kernels.inputs cimport Inputs
from fastbp._kernels.network cimport forward_rows
from fastbp._kernels.sizes cimport NetworkSizes
from fastbp._kernels.types cimport floating
from fastbp._kernels.workspace cimport Workspace
from libc.string cimport memcpy, memset


cdef int raise_pending() except -1:
    """Raises the exception that a signal handler has set."""
    return -1


cdef struct Forward:
    BlockRun run
    void* outputs
    void* hidden                # NULL: not wanted


cdef void forward_block_of(
    Forward* task, const floating* params, const Workspace* ws, Py_ssize_t start, Py_ssize_t rows
) noexcept nogil:
    cdef const NetworkSizes* net = task.run.net
    cdef Py_ssize_t part = 0, n_part
    while part < rows:
        n_part = min(part_rows(&task.run), rows - part)
        forward_rows(net, params, task.run.inputs, NULL, start, part, n_part, rows, ws)
        part += n_part
        if stopped(&task.run, ws, task.run.row_work * <double> n_part):
            return
    memcpy(<floating*> task.outputs + start * net.n_outputs, ws.outputs,
           rows * net.n_outputs * sizeof(floating))
    if task.hidden != NULL:
        copy_hidden(net, ws, start, rows, task.run.inputs.n_samples, <floating*> task.hidden)


cdef void forward_any(
    void* task, const Workspace* ws, Py_ssize_t start, Py_ssize_t rows
) noexcept nogil:
    cdef Forward* forward = <Forward*> task
    if forward.run.item_size == sizeof(float):
        forward_block_of(forward, <const float*> forward.run.params, ws, start, rows)
    else:
        forward_block_of(forward, <const double*> forward.run.params, ws, start, rows)


cdef int forward_all(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    floating* outputs, floating* hidden, int n_threads
) except -1:
    """outputs (n_samples, n_outputs) = network(X); hidden activations unless NULL."""
    cdef Forward task
    cdef bint failed
    task.run.net, task.run.inputs, task.run.params = net, inputs, params
    task.run.item_size, task.run.backward = sizeof(floating), False
    task.run.row_work = <double> net.n_coefs
    task.run.work, task.run.task = forward_any, &task
    task.outputs, task.hidden = outputs, hidden
    if begin_blocks(&task.run, n_threads) < 0:
        raise MemoryError("no memory for a block of activations")
    with nogil:
        failed = run_blocks(&task.run)
        end_blocks(&task.run)
    if failed:
        raise_pending()
    return 0


def forward(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] outputs not None, floating[::1] hidden=None, int n_threads=1,
):
    """outputs (n_samples, n_outputs) = network(X).

    hidden (n_samples * the hidden units) receives the hidden activations, layer after layer.
    n_threads has no effect on the numbers, and fewer do the work where so many cannot be had.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = samples.inputs.n_samples
    check_call(plan, samples, params.shape[0], sizeof(floating), False)
    check_size(outputs.shape[0], n)
    check_size(outputs.shape[1], net.n_outputs)
    if hidden is not None:
        check_size(hidden.shape[0], n * (net.n_units - net.n_outputs))
    forward_all(net, &params[0], &samples.inputs, &outputs[0, 0],
                &hidden[0] if hidden is not None and hidden.shape[0] > 0 else NULL, n_threads)


def forward_dense(
    Plan plan not None, const floating[::1] params not None,
    const floating[:, ::1] X not None, floating[:, ::1] outputs not None, int n_threads=1,
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
    forward_all(net, &params[0], &inputs, &outputs[0, 0], NULL, n_threads)
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
