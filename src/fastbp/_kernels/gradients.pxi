"""Gradients of each sample: of its loss or of its outputs, by the parameters or by the inputs."""
from fastbp._kernels.blocks cimport (
    BlockRun, begin_blocks, end_blocks, part_rows, run_blocks, stopped,
)
from fastbp._kernels.inputs cimport Block
from fastbp._kernels.network cimport (
    add_square_norms, deltas_to_hidden_layers, deltas_to_inputs, forward_rows, gradient_of_block,
    loss_deltas, output_deltas,
)
from fastbp._kernels.losses cimport USER_LOSS
from fastbp._kernels.sizes cimport NetworkSizes
from fastbp._kernels.team cimport raise_flag
from fastbp._kernels.types cimport floating
from fastbp._kernels.workspace cimport Workspace, padded_stride, rows_of
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset


cdef struct RowGradients:
    # Filled unless NULL: outputs (n, n_outputs); by_params (n * m, n_params) and by_inputs
    # (n * m, n_features), where m is 1 for the loss, else n_outputs; square_norms (n,), of the
    # gradients by the parameters.
    BlockRun run
    bint of_outputs
    void* outputs
    void* by_params
    void* by_inputs
    double* square_norms
    int no_memory


cdef bint gradients_of_part(
    RowGradients* task, const floating* params, const Workspace* ws, const Block* block,
    floating* buffer
) noexcept nogil:
    """Of some rows of a block, after their forward pass; True: not all, since it is stopped."""
    cdef const NetworkSizes* net = task.run.net
    cdef Py_ssize_t i, k, row, n_each = net.n_outputs if task.of_outputs else 1
    cdef double work = task.run.row_work * <double> block.rows
    cdef floating* deltas = <floating*> rows_of(
        ws.deltas[net.n_layers - 1], block.start, net.n_outputs, sizeof(floating))
    for k in range(n_each):
        row = block.first * n_each + k
        if task.by_params != NULL:
            begin_deltas(net, block, task.of_outputs, k, ws, deltas)
            deltas_to_hidden_layers(net, params, block, ws)
            for i in range(block.rows):
                gradient_of_block(
                    net, params, task.run.inputs, block, i, 1, ws,
                    <floating*> task.by_params + (row + i * n_each) * net.n_params, False)
                if stopped(&task.run, ws, task.run.row_work):
                    return True
        if task.by_inputs != NULL:
            begin_deltas(net, block, task.of_outputs, k, ws, deltas)
            deltas_to_inputs(
                net, params, block, ws, buffer,
                <floating*> task.by_inputs + row * net.n_features, n_each * net.n_features)
            if stopped(&task.run, ws, work):
                return True
    if task.square_norms != NULL:
        begin_deltas(net, block, task.of_outputs, 0, ws, deltas)
        add_square_norms(
            net, params, task.run.inputs, block, ws, buffer, task.square_norms + block.first)
    return stopped(&task.run, ws, work)


cdef void gradients_of_block(
    RowGradients* task, const floating* params, const Workspace* ws, Py_ssize_t start,
    Py_ssize_t rows
) noexcept nogil:
    cdef const NetworkSizes* net = task.run.net
    cdef Py_ssize_t part = 0, n_part = min(part_rows(&task.run), rows)
    cdef floating* buffer = NULL
    cdef Block block
    if task.by_inputs != NULL or net.front.exists:
        buffer = <floating*> calloc(
            max(n_part * padded_stride(net.n_features, sizeof(floating)) + 16,
                net.front.n_params), sizeof(floating))
        if buffer == NULL:
            raise_flag(&task.no_memory)
            return
    while part < rows:
        n_part = min(n_part, rows - part)
        block = forward_rows(
            net, params, task.run.inputs, NULL, start, part, n_part, rows, ws)
        part += n_part
        if gradients_of_part(task, params, ws, &block, buffer):
            break
    if task.outputs != NULL:
        memcpy(<floating*> task.outputs + start * net.n_outputs, ws.outputs,
               rows * net.n_outputs * sizeof(floating))
    free(buffer)


cdef void gradients_of_any(
    void* task, const Workspace* ws, Py_ssize_t start, Py_ssize_t rows
) noexcept nogil:
    cdef RowGradients* gradients = <RowGradients*> task
    if gradients.run.item_size == sizeof(float):
        gradients_of_block(gradients, <const float*> gradients.run.params, ws, start, rows)
    else:
        gradients_of_block(gradients, <const double*> gradients.run.params, ws, start, rows)


cdef int gradients_of_rows(
    Plan plan, const floating[::1] params, Samples samples, bint of_outputs,
    floating* outputs, floating* by_params, floating* by_inputs, double* square_norms,
    int n_threads
) except -1:
    """Gradients of each sample's own loss, scale * w_i * sum_k l, or of each of its outputs."""
    cdef BoundPlan bound = bind_plan(plan)
    cdef const NetworkSizes* net = &bound.net
    cdef RowGradients task
    cdef bint failed
    check_call(plan, samples, params.shape[0], sizeof(floating), not of_outputs)
    task.run.net, task.run.inputs, task.run.params = net, &samples.inputs, &params[0]
    task.run.item_size, task.run.backward = sizeof(floating), True
    task.run.row_work = 3.0 * <double> net.n_coefs  # of one output
    task.run.work, task.run.task = gradients_of_any, &task
    task.of_outputs, task.no_memory, task.outputs = of_outputs, False, outputs
    task.by_params, task.by_inputs, task.square_norms = by_params, by_inputs, square_norms
    # a user's loss is Python, which runs in one thread at a time
    if begin_blocks(&task.run, 1 if net.objective.loss == USER_LOSS else n_threads) < 0:
        raise MemoryError("no memory for a block of activations")
    task.run.failed = &bound.failed
    with nogil:
        failed = run_blocks(&task.run) or bound.failed
        end_blocks(&task.run)
    if task.no_memory:
        raise MemoryError("no memory for a block of gradients")
    if failed:
        bound.raise_error_of_user_loss()
        raise_pending()
    return 0


cdef void begin_deltas(
    const NetworkSizes* net, const Block* block, bint of_outputs, Py_ssize_t k,
    const Workspace* ws, floating* deltas
) noexcept nogil:
    if of_outputs:
        output_deltas(net, k, block, ws, deltas)
    else:
        loss_deltas(net, block, net.objective.scale, ws, deltas)


def per_sample_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None, int n_threads=1,
):
    """grads (n_samples, n_params) = the gradient of scale * w_i * loss of each sample."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_params)
    gradients_of_rows(plan, params, samples, False, NULL, &grads[0, 0], NULL, NULL, n_threads)


def per_sample_square_norms(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    double[::1] square_norms not None, int n_threads=1,
):
    """square_norms (n_samples,) = those of the rows of per_sample_gradients."""
    check_size(square_norms.shape[0], samples.inputs.n_samples)
    gradients_of_rows[floating](
        plan, params, samples, False, NULL, NULL, NULL, &square_norms[0], n_threads)


def input_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None, int n_threads=1,
):
    """grads (n_samples, n_features) = the gradient of each sample's loss by its inputs."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_features)
    gradients_of_rows(plan, params, samples, False, NULL, NULL, &grads[0, 0], NULL, n_threads)


def output_jacobian(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] outputs not None, floating[:, ::1] by_params=None,
    floating[:, ::1] by_inputs=None, int n_threads=1,
):
    """outputs (n_samples, n_outputs), and their gradients: row i * n_outputs + k is of output ik.

    by_params (n_samples * n_outputs, n_params), by_inputs (n_samples * n_outputs, n_features).
    """
    cdef Py_ssize_t n = samples.inputs.n_samples, n_outputs = plan.net.n_outputs
    check_size(outputs.shape[0], n)
    check_size(outputs.shape[1], n_outputs)
    if by_params is not None:
        check_size(by_params.shape[0], n * n_outputs)
        check_size(by_params.shape[1], plan.net.n_params)
    if by_inputs is not None:
        check_size(by_inputs.shape[0], n * n_outputs)
        check_size(by_inputs.shape[1], plan.net.n_features)
    gradients_of_rows(
        plan, params, samples, True, &outputs[0, 0],
        &by_params[0, 0] if by_params is not None else NULL,
        &by_inputs[0, 0] if by_inputs is not None else NULL, NULL, n_threads)
