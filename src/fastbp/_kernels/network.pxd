"""The network: forward pass, deltas back, weight gradients, per-sample gradients.

Enter a Plan's sizes (NetworkSizes), the flat parameter vector and a Block of rows; every
intermediate matrix lies in a Workspace that is allocated once a call.

    forward    z_l = 1 b_l' + a_{l-1} @ W_l,  a_l = g_l(z_l),  a_0 = X;  p = output(z_last)
    backward   delta_last = w * scale * dl/dz;   delta_{l-1} = (delta_l @ W_l') * g'(z_{l-1})
    gradient   dJ/dW_l = a_{l-1}' @ delta_l + 2 l2 W_l;   dJ/db_l = delta_l' @ 1

Rows of hidden activations and deltas are padded to whole vectors. A batch is worked through in
blocks of rows small enough for the second-level cache; training.pxd puts batches together from
the shares of a team of threads.
"""
from libc.stdlib cimport calloc, free

from .activations cimport activate, multiply_by_derivative
from .inputs cimport Block, gather_block
from .losses cimport deltas_of_rows, predict
from .products cimport (
    VECTOR_BYTES, affine, affine_csr, coef_gradient, coef_gradient_csr, delta_back,
    intercept_gradient,
)
from .types cimport OUTPUT_IDENTITY, RELU, Inputs, Layer, Objective, floating

cdef struct NetworkSizes:
    Py_ssize_t n_layers         # of weights: hidden layers and the output layer
    Py_ssize_t n_features
    Py_ssize_t n_outputs
    Py_ssize_t n_coefs
    Py_ssize_t n_params
    Py_ssize_t n_units          # the sum of fan_out
    const Layer* layers
    Objective objective


cdef struct Workspace:
    Py_ssize_t block_rows
    void** activations          # per layer (block_rows, stride); the last one holds z
    Py_ssize_t* strides         # per layer: elements from row to row
    void* predictions           # (block_rows, n_outputs); z itself where they are the same
    double* losses              # (block_rows,)
    void* delta                 # (block_rows, stride) of the widest layer, and the next one
    void* next_delta
    void* x                     # gathered inputs, targets, weights
    void* targets
    void* weights
    void* ones                  # (block_rows,): the weights where there are none
    void* memory                # all of the above


cdef enum:
    ALIGNMENT = 64
    ALIASING_BYTES = 1024       # rows a multiple of this apart share few cache sets
    MIN_BLOCK_ROWS = 256
    BLOCK_BYTES = 262144        # of activations: within a second-level cache


cdef inline size_t round_up(size_t n, size_t unit) noexcept nogil:
    return (n + unit - 1) // unit * unit


cdef inline Py_ssize_t padded_stride(Py_ssize_t width, size_t item_size) noexcept nogil:
    """Elements from row to row of a matrix whose rows are whole vectors."""
    cdef size_t n_bytes = round_up(width * item_size, VECTOR_BYTES)
    if n_bytes % ALIASING_BYTES == 0:
        n_bytes += VECTOR_BYTES
    return <Py_ssize_t> (n_bytes // item_size)


cdef inline void* claim(char** cursor, Py_ssize_t rows, Py_ssize_t stride, size_t item_size) \
        noexcept nogil:
    """The next matrix of a workspace, with a vector to spare after its last row."""
    cdef void* matrix = cursor[0]
    cursor[0] += round_up(rows * stride * item_size + ALIGNMENT, ALIGNMENT)
    return matrix


cdef inline size_t lay_out(
    Workspace* ws, const NetworkSizes* net, size_t item_size, bint gathers, bint backward,
    void* memory
) noexcept nogil:
    """Points a workspace into its memory; returns how many bytes it takes."""
    cdef char* cursor = <char*> round_up(<size_t> memory, ALIGNMENT)
    cdef Py_ssize_t rows = ws.block_rows, widest = net.n_outputs, stride, l
    cdef void* matrix = NULL
    ws.activations = <void**> claim(&cursor, net.n_layers, 1, sizeof(void*))
    ws.strides = <Py_ssize_t*> claim(&cursor, net.n_layers, 1, sizeof(Py_ssize_t))
    for l in range(net.n_layers):
        stride = padded_stride(net.layers[l].fan_out, item_size)
        if l == net.n_layers - 1:
            stride = net.n_outputs
        widest = max(widest, stride)
        matrix = claim(&cursor, rows, stride, item_size)
        if memory != NULL:
            ws.strides[l] = stride
            ws.activations[l] = matrix
    ws.predictions = matrix
    if net.objective.output != OUTPUT_IDENTITY:
        ws.predictions = claim(&cursor, rows, net.n_outputs, item_size)
    ws.losses = <double*> claim(&cursor, rows, 1, sizeof(double))
    ws.targets = claim(&cursor, rows, net.n_outputs, item_size)
    ws.weights = claim(&cursor, rows, 1, item_size)
    ws.ones = claim(&cursor, rows, 1, item_size)
    if backward:
        ws.delta = claim(&cursor, rows, widest, item_size)
        ws.next_delta = claim(&cursor, rows, widest, item_size)
    if gathers:
        ws.x = claim(&cursor, rows, net.n_features, item_size)
    return cursor - <char*> memory


cdef inline int allocate(
    Workspace* ws, const NetworkSizes* net, Py_ssize_t rows, size_t item_size, bint gathers,
    bint backward
) noexcept nogil:
    """Room for blocks of a batch of `rows`; -1 when there is none."""
    cdef size_t row_bytes = (net.n_units + net.n_features) * item_size
    cdef Py_ssize_t i
    ws.block_rows = max(<Py_ssize_t> (BLOCK_BYTES // row_bytes), <Py_ssize_t> MIN_BLOCK_ROWS)
    ws.block_rows = max(min(ws.block_rows, rows), 1)
    ws.delta = ws.next_delta = ws.x = NULL
    # zeros, so that what pads the rows is finite and no denormal number
    ws.memory = calloc(ALIGNMENT + lay_out(ws, net, item_size, gathers, backward, NULL), 1)
    if ws.memory == NULL:
        return -1
    lay_out(ws, net, item_size, gathers, backward, ws.memory)
    for i in range(ws.block_rows):
        if item_size == sizeof(float):
            (<float*> ws.ones)[i] = 1
        else:
            (<double*> ws.ones)[i] = 1
    return 0


cdef inline void release(Workspace* ws) noexcept nogil:
    free(ws.memory)
    ws.memory = NULL


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
    cdef Py_ssize_t below_stride = net.n_features
    cdef floating* a
    cdef bint with_relu
    for l in range(net.n_layers):
        layer = &net.layers[l]
        a = <floating*> ws.activations[l]
        with_relu = layer.activation == RELU
        # Z = 1 b' + A_below @ W
        if l == 0 and block.dense == NULL:
            with_relu = False
            affine_csr(inputs, block.order, block.first, params + layer.coef_start,
                       intercept_of(layer, params), a, ws.strides[l], block.rows, layer.fan_out)
        else:
            affine(below, below_stride, params + layer.coef_start, intercept_of(layer, params),
                   a, ws.strides[l], block.rows, layer.fan_in, layer.fan_out, with_relu)
        if not with_relu:
            activate(layer.activation, a, block.rows * ws.strides[l])
        below, below_stride = a, ws.strides[l]
    predict(net.objective.output, below, <floating*> ws.predictions, ws.losses, block.rows,
            net.n_outputs)


cdef inline void delta_through_layer(
    const NetworkSizes* net, const floating* params, Py_ssize_t l, Py_ssize_t rows, Workspace* ws
) noexcept nogil:
    """ws.next_delta = the delta of layer l - 1, from ws.delta of layer l."""
    cdef const Layer* layer = &net.layers[l]
    cdef const Layer* below = &net.layers[l - 1]
    cdef const floating* a = <const floating*> ws.activations[l - 1]
    cdef bint is_relu = below.activation == RELU
    # delta_below = (delta @ W') * g'(z_below); relu' is 1 where a > 0, else 0
    delta_back(<const floating*> ws.delta, ws.strides[l], params + layer.coef_start,
               <floating*> ws.next_delta, ws.strides[l - 1], a if is_relu else NULL, rows,
               layer.fan_in, layer.fan_out)
    if not is_relu:
        multiply_by_derivative(
            below.activation, a, <floating*> ws.next_delta, rows * ws.strides[l - 1])


cdef inline void layer_gradient(
    const NetworkSizes* net, Py_ssize_t l, const Inputs* inputs, const Block* block,
    Py_ssize_t start, Py_ssize_t rows, Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= what rows [start, start + rows) of the block add to the gradient of layer l."""
    cdef const Layer* layer = &net.layers[l]
    cdef const floating* delta = <const floating*> ws.delta + start * ws.strides[l]
    cdef const floating* below
    cdef Py_ssize_t below_stride
    # dJ/dW = A_below' @ delta
    if l == 0 and block.dense == NULL:
        coef_gradient_csr(inputs, block.order, block.first + start, delta, ws.strides[l],
                          grad + layer.coef_start, rows, layer.fan_out, accumulate)
    else:
        below = <const floating*> (block.dense if l == 0 else ws.activations[l - 1])
        below_stride = net.n_features if l == 0 else ws.strides[l - 1]
        coef_gradient(below + start * below_stride, below_stride, delta, ws.strides[l],
                      grad + layer.coef_start, rows, layer.fan_in, layer.fan_out, accumulate)
    if layer.intercept_start >= 0:
        # dJ/db = delta' @ 1
        intercept_gradient(delta, ws.strides[l], grad + layer.intercept_start, rows,
                           layer.fan_out, accumulate)


cdef inline void backward_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    double scale, Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the block's part of the gradient, without the penalty.

    grad may be params: a layer's weights are read before they are written.
    """
    cdef Py_ssize_t l
    deltas_of_rows(
        net.objective, <const floating*> ws.predictions, <const floating*> block.targets,
        <const floating*> block.weights, scale, <floating*> ws.delta, block.rows, net.n_outputs)
    for l in range(net.n_layers - 1, -1, -1):
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
        layer_gradient(net, l, inputs, block, 0, block.rows, ws, grad, accumulate)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta


cdef inline Block forward_rows(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows, Workspace* ws
) noexcept nogil:
    """Gathers rows order[first:first + rows] of the data and takes them forward."""
    cdef Block block = gather_block(
        inputs, order, first, rows, <floating*> ws.x, <floating*> ws.targets,
        <floating*> ws.weights, <const floating*> ws.ones)
    forward_block(net, params, inputs, &block, ws)
    return block


cdef inline void per_sample_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Workspace* ws, floating* grads
) noexcept nogil:
    """grads (rows, n_params) = the gradient of scale * loss of each row of the block."""
    cdef Py_ssize_t l, i
    deltas_of_rows(
        net.objective, <const floating*> ws.predictions, <const floating*> block.targets,
        <const floating*> block.weights, net.objective.scale, <floating*> ws.delta,
        block.rows, net.n_outputs)
    for l in range(net.n_layers - 1, -1, -1):
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
        for i in range(block.rows):
            layer_gradient(net, l, inputs, block, i, 1, ws, grads + i * net.n_params, False)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta
