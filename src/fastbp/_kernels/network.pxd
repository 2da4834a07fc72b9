"""The network: forward pass, deltas back, weight gradients, per-sample gradients.

Enter a Plan's sizes (NetworkSizes), the flat parameter vector and a Block of rows; every
intermediate matrix lies in a Workspace that is allocated once a call.

    forward    z_l = 1 b_l' + a_{l-1} @ W_l,  a_l = g_l(z_l),  a_0 = X;  p = output(z_last)
    backward   delta_last = w * scale * dl/dz;   delta_{l-1} = (delta_l @ W_l') * g'(z_{l-1})
    gradient   dJ/dW_l = a_{l-1}' @ delta_l + 2 l2 W_l;   dJ/db_l = delta_l' @ 1

A batch is worked through in blocks of rows small enough for the second-level cache. Between
blocks, a pending Ctrl-C is let through (let_signals_through).
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport free, malloc

from .activations cimport activate, multiply_by_derivative
from .inputs cimport Block, gather_block, sum_of_weights
from .losses cimport deltas_of_rows, loss_of_rows, predict
from .penalties cimport add_l2_gradient, l2_penalty
from .products cimport (
    affine, affine_csr, coef_gradient, coef_gradient_csr, delta_back, intercept_gradient,
)
from .types cimport Inputs, Layer, Objective, floating


cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long long tv_sec
        long tv_nsec
    int TIME_UTC
    int timespec_get(timespec*, int) noexcept


cdef struct NetworkSizes:
    Py_ssize_t n_layers         # of weights: hidden layers and the output layer
    Py_ssize_t n_features
    Py_ssize_t n_outputs
    Py_ssize_t n_coefs
    Py_ssize_t n_params
    Py_ssize_t widest           # the largest fan_out
    Py_ssize_t n_units          # the sum of fan_out
    const Layer* layers
    Objective objective


cdef struct Workspace:
    Py_ssize_t block_rows
    void** activations          # per layer (block_rows, fan_out); the last one holds z
    void* predictions           # (block_rows, n_outputs)
    double* log_sums            # (block_rows,) of softmax
    void* delta                 # (block_rows, widest), and the next one
    void* next_delta
    void* x                     # gathered inputs, targets, weights
    void* targets
    void* weights
    void* memory                # all of the above
    double work                 # multiplications since the clock was read
    double polled               # when signals were last let through, in seconds


cdef enum:
    ALIGNMENT = 64
    MIN_BLOCK_ROWS = 256
    BLOCK_BYTES = 2097152       # of activations: about a second-level cache
    # Reading the clock costs 25 ns: only after that many multiplications. Taking the GIL may
    # mean waiting for another thread, so not more often than every POLL_MILLISECONDS.
    POLL_WORK = 1000000
    POLL_MILLISECONDS = 20


cdef inline double seconds() noexcept nogil:
    cdef timespec now
    timespec_get(&now, TIME_UTC)
    return <double> now.tv_sec + 1e-9 * <double> now.tv_nsec


cdef inline int check_signals() except -1 with gil:
    PyErr_CheckSignals()
    return 0


cdef inline int let_signals_through(Workspace* ws, double work) except -1 nogil:
    cdef double now
    ws.work += work
    if ws.work < POLL_WORK:
        return 0
    ws.work = 0
    now = seconds()
    if ws.polled == 0 or now < ws.polled:
        ws.polled = now
    elif now - ws.polled > 1e-3 * POLL_MILLISECONDS:
        ws.polled = now
        check_signals()
    return 0


cdef inline size_t round_up(size_t n_bytes) noexcept nogil:
    return (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef inline int allocate(
    Workspace* ws, const NetworkSizes* net, Py_ssize_t rows, size_t item_size, bint gathers,
    bint backward
) noexcept nogil:
    """Room for blocks of a batch of `rows`; -1 when there is none."""
    cdef size_t row_bytes = (net.n_units + net.n_features) * item_size
    cdef Py_ssize_t l
    cdef size_t n_bytes
    cdef char* cursor
    ws.block_rows = max(<Py_ssize_t> (BLOCK_BYTES // row_bytes), <Py_ssize_t> MIN_BLOCK_ROWS)
    ws.block_rows = max(min(ws.block_rows, rows), 1)
    ws.work = 0
    ws.polled = 0

    cdef size_t column = round_up(ws.block_rows * item_size)
    n_bytes = round_up(net.n_layers * sizeof(void*)) + ALIGNMENT
    n_bytes += column * (net.n_units + 2 * net.n_outputs + 1)
    n_bytes += round_up(ws.block_rows * sizeof(double))
    if backward:
        n_bytes += 2 * column * net.widest
    if gathers:
        n_bytes += column * net.n_features
    ws.memory = malloc(n_bytes)
    if ws.memory == NULL:
        return -1

    cursor = <char*> round_up(<size_t> ws.memory)
    ws.activations = <void**> cursor
    cursor += round_up(net.n_layers * sizeof(void*))
    for l in range(net.n_layers):
        ws.activations[l] = cursor
        cursor += column * net.layers[l].fan_out
    ws.predictions = cursor
    cursor += column * net.n_outputs
    ws.targets = cursor
    cursor += column * net.n_outputs
    ws.log_sums = <double*> cursor
    cursor += round_up(ws.block_rows * sizeof(double))
    ws.weights = cursor
    cursor += column
    ws.delta = cursor
    ws.next_delta = cursor
    if backward:
        ws.next_delta = cursor + column * net.widest
        cursor += 2 * column * net.widest
    ws.x = cursor
    return 0


cdef inline void release(Workspace* ws) noexcept nogil:
    free(ws.memory)


cdef inline const floating* intercept_of(const Layer* layer, const floating* params) noexcept nogil:
    return params + layer.intercept_start if layer.intercept_start >= 0 else NULL


cdef inline void forward_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Workspace* ws
) noexcept nogil:
    """Fills ws.activations (pre-activations for the output layer) and ws.predictions."""
    cdef Py_ssize_t l
    cdef const Layer* layer
    cdef const floating* below = <const floating*> block.dense
    cdef floating* a
    for l in range(net.n_layers):
        layer = &net.layers[l]
        a = <floating*> ws.activations[l]
        # Z = 1 b' + A_below @ W
        if l == 0 and block.dense == NULL:
            affine_csr(inputs, block.order, block.first, params + layer.coef_start,
                       intercept_of(layer, params), a, block.rows, layer.fan_out)
        else:
            affine(below, params + layer.coef_start, intercept_of(layer, params), a,
                   block.rows, layer.fan_in, layer.fan_out)
        if l < net.n_layers - 1:
            activate(layer.activation, a, block.rows * layer.fan_out)
        below = a
    predict(net.objective.output, below, <floating*> ws.predictions, ws.log_sums, block.rows,
            net.n_outputs)


cdef inline void swap_deltas(Workspace* ws) noexcept nogil:
    cdef void* delta = ws.delta
    ws.delta = ws.next_delta
    ws.next_delta = delta


cdef inline void delta_through_layer(
    const NetworkSizes* net, const floating* params, Py_ssize_t l, Py_ssize_t rows, Workspace* ws
) noexcept nogil:
    """ws.delta of layer l becomes that of layer l - 1."""
    cdef const Layer* layer = &net.layers[l]
    # delta_below = (delta @ W') * g'(z_below)
    delta_back(<const floating*> ws.delta, params + layer.coef_start,
               <floating*> ws.next_delta, rows, layer.fan_in, layer.fan_out)
    multiply_by_derivative(
        net.layers[l - 1].activation, <const floating*> ws.activations[l - 1],
        <floating*> ws.next_delta, rows * layer.fan_in)
    swap_deltas(ws)


cdef inline void backward_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    double scale, Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the block's part of the gradient, without the penalty."""
    cdef Py_ssize_t l
    cdef const Layer* layer
    cdef const floating* below
    deltas_of_rows(
        net.objective, <const floating*> ws.predictions, <const floating*> block.targets,
        <const floating*> block.weights, scale, <floating*> ws.delta, block.rows, net.n_outputs)
    for l in range(net.n_layers - 1, -1, -1):
        layer = &net.layers[l]
        # dJ/dW = A_below' @ delta
        if l == 0 and block.dense == NULL:
            coef_gradient_csr(
                inputs, block.order, block.first, <const floating*> ws.delta,
                grad + layer.coef_start, block.rows, layer.fan_out, accumulate)
        else:
            below = <const floating*> (block.dense if l == 0 else ws.activations[l - 1])
            coef_gradient(below, <const floating*> ws.delta, grad + layer.coef_start,
                          block.rows, layer.fan_in, layer.fan_out, accumulate)
        if layer.intercept_start >= 0:
            # dJ/db = delta' @ 1
            intercept_gradient(<const floating*> ws.delta, grad + layer.intercept_start,
                               block.rows, layer.fan_out, accumulate)
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)


cdef inline int batch_loss(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows, double l2, double weight_sum,
    Workspace* ws, floating* grad, double* loss
) except -1 nogil:
    """J of rows order[first:first + rows], and its gradient unless grad is NULL."""
    cdef Block block
    cdef Py_ssize_t start = 0, n
    cdef double total = 0
    cdef double scale = net.objective.scale / (weight_sum if net.objective.mean else 1.0)
    while start < rows:
        n = min(ws.block_rows, rows - start)
        block = gather_block(
            inputs, order, first + start, n, <floating*> ws.x, <floating*> ws.targets,
            <floating*> ws.weights)
        forward_block(net, params, inputs, &block, ws)
        total += loss_of_rows(
            net.objective, <const floating*> ws.activations[net.n_layers - 1],
            <const floating*> ws.predictions, ws.log_sums, <const floating*> block.targets,
            <const floating*> block.weights, n, net.n_outputs)
        if grad != NULL:
            backward_block(net, params, inputs, &block, scale, ws, grad, start > 0)
        start += n
        let_signals_through(ws, 3.0 * <double> net.n_coefs * <double> n)
    loss[0] = scale * total + l2_penalty(l2, params, net.n_coefs)
    if grad != NULL:
        add_l2_gradient(l2, params, grad, net.n_coefs)
    return 0


cdef inline void per_sample_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Workspace* ws, floating* grads
) noexcept nogil:
    """grads (rows, n_params) = the gradient of scale * loss of each row of the block."""
    cdef Py_ssize_t l, i
    cdef Block row = block[0]
    cdef const Layer* layer
    cdef const floating* below
    cdef const floating* delta
    cdef floating* grad
    deltas_of_rows(
        net.objective, <const floating*> ws.predictions, <const floating*> block.targets,
        <const floating*> block.weights, net.objective.scale, <floating*> ws.delta,
        block.rows, net.n_outputs)
    for l in range(net.n_layers - 1, -1, -1):
        layer = &net.layers[l]
        for i in range(block.rows):
            grad = grads + i * net.n_params
            delta = <const floating*> ws.delta + i * layer.fan_out
            # dl/dW = a_below' delta, one row of each
            if l == 0 and block.dense == NULL:
                row.first = block.first + i
                coef_gradient_csr(inputs, row.order, row.first, delta,
                                  grad + layer.coef_start, 1, layer.fan_out, False)
            else:
                below = <const floating*> (block.dense if l == 0 else ws.activations[l - 1])
                coef_gradient(below + i * layer.fan_in, delta, grad + layer.coef_start,
                              1, layer.fan_in, layer.fan_out, False)
            if layer.intercept_start >= 0:
                intercept_gradient(delta, grad + layer.intercept_start, 1, layer.fan_out, False)
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
