"""Gradients of each sample: of its loss or of its outputs, by the parameters or by the inputs."""
from fastbp._kernels.inputs cimport Block, Inputs
from fastbp._kernels.network cimport (
    NetworkSizes, Workspace, add_square_norms, allocate, deltas_to_inputs, forward_rows,
    gradient_of_rows, loss_deltas, output_deltas, padded_stride, release,
)
from fastbp._kernels.signals cimport Poll, interrupted
from fastbp._kernels.types cimport floating
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset


cdef int gradients_of_rows(
    Plan plan, const floating[::1] params, Samples samples, bint of_outputs,
    floating* outputs, floating* by_params, floating* by_inputs, double* square_norms
) except -1:
    """Gradients of each sample's own loss, scale * w_i * sum_k l, or of each of its outputs.

    Filled unless NULL: outputs (n, n_outputs); by_params (n * m, n_params) and by_inputs
    (n * m, n_features), where m is 1 for the loss, else n_outputs; square_norms (n,), of the
    gradients by the parameters.
    """
    cdef BoundPlan bound = bind_plan(plan)
    cdef const NetworkSizes* net = &bound.net
    cdef const Inputs* inputs = &samples.inputs
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows, k
    cdef Py_ssize_t n_each = net.n_outputs if of_outputs else 1
    cdef Workspace ws
    cdef Block block
    cdef Poll poll
    cdef bint failed = False
    cdef floating* buffer = NULL
    check_call(plan, samples, params.shape[0], sizeof(floating), not of_outputs)
    memset(&ws, 0, sizeof(ws))
    if allocate(&ws, net, n, sizeof(floating), False, True) < 0:
        raise MemoryError("no memory for a block of activations")
    if by_inputs != NULL:
        buffer = <floating*> calloc(
            ws.block_rows * padded_stride(net.n_features, sizeof(floating)) + 16, sizeof(floating))
        if buffer == NULL:
            release(&ws)
            raise MemoryError("no memory for a block of input gradients")
    memset(&poll, 0, sizeof(poll))
    with nogil:
        while start < n and not failed:
            rows = min(ws.block_rows, n - start)
            block = forward_rows(
                net, &params[0], inputs, NULL, start, 0, rows, rows, &ws)
            if outputs != NULL:
                memcpy(outputs + start * net.n_outputs, ws.outputs,
                       rows * net.n_outputs * sizeof(floating))
            for k in range(n_each):
                if by_params != NULL:
                    begin_deltas(net, &block, of_outputs, k, &ws,
                                 <floating*> ws.deltas[net.n_layers - 1])
                    gradient_of_rows(
                        net, &params[0], inputs, &block, &ws,
                        by_params + (start * n_each + k) * net.n_params, n_each * net.n_params)
                if by_inputs != NULL:
                    begin_deltas(net, &block, of_outputs, k, &ws,
                                 <floating*> ws.deltas[net.n_layers - 1])
                    deltas_to_inputs(
                        net, &params[0], &block, &ws, buffer,
                        by_inputs + (start * n_each + k) * net.n_features,
                        n_each * net.n_features)
            if square_norms != NULL:
                begin_deltas(net, &block, of_outputs, 0, &ws,
                                 <floating*> ws.deltas[net.n_layers - 1])
                add_square_norms(
                    net, &params[0], inputs, &block, &ws, square_norms + start)
            start += rows
            failed = bound.failed or interrupted(
                &poll, 3.0 * <double> n_each * <double> net.n_coefs * <double> rows)
        release(&ws)
        free(buffer)
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
    floating[:, ::1] grads not None,
):
    """grads (n_samples, n_params) = the gradient of scale * w_i * loss of each sample."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_params)
    gradients_of_rows(plan, params, samples, False, NULL, &grads[0, 0], NULL, NULL)


def per_sample_square_norms(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    double[::1] square_norms not None,
):
    """square_norms (n_samples,) = those of the rows of per_sample_gradients."""
    check_size(square_norms.shape[0], samples.inputs.n_samples)
    gradients_of_rows[floating](
        plan, params, samples, False, NULL, NULL, NULL, &square_norms[0])


def input_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None,
):
    """grads (n_samples, n_features) = the gradient of each sample's loss by its inputs."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_features)
    gradients_of_rows(plan, params, samples, False, NULL, NULL, &grads[0, 0], NULL)


def output_jacobian(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] outputs not None, floating[:, ::1] by_params=None,
    floating[:, ::1] by_inputs=None,
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
        &by_inputs[0, 0] if by_inputs is not None else NULL, NULL)
