"""The network: forward pass, deltas back, weight gradients, per-sample gradients.

Enter a Plan's sizes (NetworkSizes), the flat parameter vector and a Block of rows; every
intermediate matrix lies in a Workspace that is allocated once a call.

    forward    z_l = 1 b_l' + a_{l-1} @ W_l,  a_l = g_l(z_l),  a_0 = X;  p = output(z_last)
    backward   delta_last = w * scale * dl/dz;   delta_{l-1} = (delta_l @ W_l') * g'(z_{l-1})
    gradient   dJ/dW_l = a_{l-1}' @ delta_l + 2 l2 W_l;   dJ/db_l = delta_l' @ 1

With dropout, a_l and g'_l are multiplied by the masks of dropout.pxd, which training.pxd asks for.
Rows of hidden activations and deltas are padded to whole vectors. A batch is worked through in
blocks of rows small enough for the second-level cache; training.pxd puts batches together from
the shares of a team of threads.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .activations cimport (
    RELU, Activation, activate, activate_with_slope, multiply_by_derivative, needs_slope,
)
from .dropout cimport Dropout, drop
from .inputs cimport Block, gather_block
from .losses cimport (
    OUTPUT_IDENTITY, OUTPUT_SOFTMAX, USER_LOSS, Objective, compute_deltas,
    compute_output_derivative, compute_outputs,
)
from .products cimport (
    VECTOR_BYTES, compute_affine, compute_affine_csr, compute_coef_grads, compute_coef_grads_csr,
    compute_intercept_grads, take_deltas_back,
)
from .types cimport Inputs, floating

cdef struct Layer:
    # z = a @ coef + intercept, then the activation; the output layer's is the network's Output.
    Py_ssize_t fan_in
    Py_ssize_t fan_out
    Py_ssize_t coef_start       # offsets into the flat parameter vector
    Py_ssize_t intercept_start  # -1: the network has no intercepts
    Activation activation


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
    void** slopes               # per layer: g'(z), masked; NULL where a tells it
    Dropout* dropout            # NULL: none
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


cdef inline bint stores_slope(const Workspace* ws, const Layer* layer) noexcept nogil:
    return needs_slope(layer.activation) or (
        ws.dropout != NULL and ws.dropout.hidden > 0 and layer.activation != RELU)


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
    ws.slopes = <void**> claim(&cursor, net.n_layers, 1, sizeof(void*))
    for l in range(net.n_layers):
        stride = padded_stride(net.layers[l].fan_out, item_size)
        if l == net.n_layers - 1:
            stride = net.n_outputs
        widest = max(widest, stride)
        matrix = claim(&cursor, rows, stride, item_size)
        if memory != NULL:
            ws.strides[l] = stride
            ws.activations[l] = matrix
        if backward and l < net.n_layers - 1 and stores_slope(ws, &net.layers[l]):
            matrix = claim(&cursor, rows, stride, item_size)
            if memory != NULL:
                ws.slopes[l] = matrix
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
    bint backward, Dropout* dropout=NULL
) noexcept nogil:
    """Room for blocks of a batch of `rows`; -1 when there is none."""
    cdef size_t row_bytes = (net.n_units + net.n_features) * item_size
    cdef Py_ssize_t i
    ws.block_rows = max(<Py_ssize_t> (BLOCK_BYTES // row_bytes), <Py_ssize_t> MIN_BLOCK_ROWS)
    if net.objective.loss == USER_LOSS:
        ws.block_rows = rows  # one call of Python a batch
    ws.block_rows = max(min(ws.block_rows, rows), 1)
    ws.dropout = dropout
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
    cdef floating* slope
    cdef bint with_relu
    for l in range(net.n_layers):
        layer = &net.layers[l]
        a = <floating*> ws.activations[l]
        slope = <floating*> ws.slopes[l]
        with_relu = layer.activation == RELU
        # Z = 1 b' + A_below @ W
        if l == 0 and block.dense == NULL:
            with_relu = False
            compute_affine_csr(
                inputs, block.order, block.first, params + layer.coef_start,
                intercept_of(layer, params), a, ws.strides[l], block.rows, layer.fan_out,
                ws.dropout)
        else:
            compute_affine(
                below, below_stride, params + layer.coef_start, intercept_of(layer, params),
                a, ws.strides[l], block.rows, layer.fan_in, layer.fan_out, with_relu)
        if slope != NULL:
            activate_with_slope(layer.activation, a, slope, block.rows * ws.strides[l])
        elif not with_relu:
            activate(layer.activation, a, block.rows * ws.strides[l])
        if ws.dropout != NULL and ws.dropout.hidden > 0 and l < net.n_layers - 1:
            drop(ws.dropout, ws.dropout.hidden, l + 1, block.first, a, slope, block.rows,
                 ws.strides[l], layer.fan_out)
        below, below_stride = a, ws.strides[l]
    compute_outputs(net.objective.output, below, <floating*> ws.predictions, ws.losses,
                    block.rows, net.n_outputs)


cdef inline void delta_through_layer(
    const NetworkSizes* net, const floating* params, Py_ssize_t l, Py_ssize_t rows, Workspace* ws
) noexcept nogil:
    """ws.next_delta = the delta of layer l - 1, from ws.delta of layer l."""
    cdef const Layer* layer = &net.layers[l]
    cdef const Layer* below = &net.layers[l - 1]
    cdef const floating* a = <const floating*> ws.activations[l - 1]
    cdef bint is_relu = below.activation == RELU
    cdef floating* next_delta = <floating*> ws.next_delta
    cdef const floating* slope = <const floating*> ws.slopes[l - 1]
    cdef Py_ssize_t i, n = rows * ws.strides[l - 1]
    cdef floating kept
    # delta_below = (delta @ W') * g'(z_below); relu' is 1 where a > 0, else 0
    take_deltas_back(
        <const floating*> ws.delta, ws.strides[l], params + layer.coef_start, next_delta,
        ws.strides[l - 1], a if is_relu else NULL, rows, layer.fan_in, layer.fan_out)
    if slope != NULL:
        for i in range(n):
            next_delta[i] *= slope[i]
    elif not is_relu:
        multiply_by_derivative(below.activation, a, next_delta, n)
    elif ws.dropout != NULL and ws.dropout.hidden > 0:
        # dropped units have a = 0
        kept = <floating> (1 / (1 - ws.dropout.hidden))
        for i in range(n):
            next_delta[i] *= kept


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
        compute_coef_grads_csr(
            inputs, block.order, block.first + start, delta, ws.strides[l],
            grad + layer.coef_start, rows, layer.fan_out, accumulate, ws.dropout)
    else:
        below = <const floating*> (block.dense if l == 0 else ws.activations[l - 1])
        below_stride = net.n_features if l == 0 else ws.strides[l - 1]
        compute_coef_grads(
            below + start * below_stride, below_stride, delta, ws.strides[l],
            grad + layer.coef_start, rows, layer.fan_in, layer.fan_out, accumulate)
    if layer.intercept_start >= 0:
        # dJ/db = delta' @ 1
        compute_intercept_grads(
            delta, ws.strides[l], grad + layer.intercept_start, rows, layer.fan_out, accumulate)


cdef inline void loss_deltas(
    const NetworkSizes* net, const Block* block, double scale, const Workspace* ws,
    floating* deltas
) noexcept nogil:
    """deltas = scale * w_i * dl/dz of the block's rows."""
    compute_deltas(
        &net.objective, <const floating*> ws.activations[net.n_layers - 1],
        <const floating*> ws.predictions, <const floating*> block.targets,
        <const floating*> block.weights, scale, deltas, block.rows, net.n_outputs)


cdef inline void backward_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    double scale, Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the block's part of the gradient, without the penalty.

    grad may be params: a layer's weights are read before they are written.
    """
    cdef Py_ssize_t l
    loss_deltas(net, block, scale, ws, <floating*> ws.delta)
    for l in range(net.n_layers - 1, -1, -1):
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
        layer_gradient(net, l, inputs, block, 0, block.rows, ws, grad, accumulate)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta


cdef inline void smooth_targets(
    const NetworkSizes* net, Block* block, floating* buffer
) noexcept nogil:
    """y becomes (1 - e) y + e / K, K the classes that an output decides between."""
    cdef const floating* y = <const floating*> block.targets
    cdef double e = net.objective.label_smoothing
    cdef Py_ssize_t i, n_classes = net.n_outputs if net.objective.output == OUTPUT_SOFTMAX else 2
    cdef floating kept = <floating> (1 - e), spread = <floating> (e / <double> n_classes)
    for i in range(block.rows * net.n_outputs):
        buffer[i] = kept * y[i] + spread
    block.targets = buffer


cdef inline Block forward_rows(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows, Workspace* ws
) noexcept nogil:
    """Gathers rows order[first:first + rows] of the data and takes them forward."""
    cdef Block block = gather_block(
        inputs, order, first, rows, <floating*> ws.x, <floating*> ws.targets,
        <floating*> ws.weights, <const floating*> ws.ones)
    if net.objective.label_smoothing > 0 and block.targets != NULL:
        smooth_targets(net, &block, <floating*> ws.targets)
    if ws.dropout != NULL and ws.dropout.inputs > 0 and block.dense != NULL:
        # training gathers rows: these are a copy
        drop(ws.dropout, ws.dropout.inputs, 0, first, <floating*> ws.x, NULL, rows,
             net.n_features, net.n_features)
    forward_block(net, params, inputs, &block, ws)
    return block


cdef inline void gradient_of_rows(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Workspace* ws, floating* grads, Py_ssize_t grad_stride
) noexcept nogil:
    """Row i of grads = the gradient by the parameters that row i of ws.delta stands for."""
    cdef Py_ssize_t l, i
    for l in range(net.n_layers - 1, -1, -1):
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
        for i in range(block.rows):
            layer_gradient(net, l, inputs, block, i, 1, ws, grads + i * grad_stride, False)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta


cdef inline void delta_to_inputs(
    const NetworkSizes* net, const floating* params, Py_ssize_t rows, Workspace* ws,
    floating* buffer, floating* grads, Py_ssize_t grad_stride
) noexcept nogil:
    """Row i of grads = the gradient by the inputs that row i of ws.delta stands for.

    buffer: (rows, padded_stride(n_features)).
    """
    cdef Py_ssize_t l, i, stride = padded_stride(net.n_features, sizeof(floating))
    for l in range(net.n_layers - 1, 0, -1):
        delta_through_layer(net, params, l, rows, ws)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta
    # dJ/dX = delta_0 @ W_0'
    take_deltas_back(
        <const floating*> ws.delta, ws.strides[0], params + net.layers[0].coef_start, buffer,
        stride, NULL, rows, net.n_features, net.layers[0].fan_out)
    for i in range(rows):
        memcpy(grads + i * grad_stride, buffer + i * stride, net.n_features * sizeof(floating))


cdef inline double square_norm(const floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += <double> x[i] * <double> x[i]
    return total


cdef inline double square_norm_of_inputs(
    const NetworkSizes* net, Py_ssize_t l, const Inputs* inputs, const Block* block,
    Py_ssize_t i, const Workspace* ws, const floating* dense
) noexcept nogil:
    """||a_{l-1}||^2 of row i of the block, whose inputs are dense, or NULL: CSR."""
    cdef Py_ssize_t row, start
    if l > 0:
        return square_norm(<const floating*> ws.activations[l - 1] + i * ws.strides[l - 1],
                           net.layers[l].fan_in)
    if dense != NULL:
        return square_norm(dense + i * net.n_features, net.n_features)
    row = block.order[block.first + i] if block.order != NULL else block.first + i
    start = inputs.row_starts[row]
    return square_norm(
        <const floating*> inputs.data + start, inputs.row_starts[row + 1] - start)


cdef inline void add_square_norms(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Workspace* ws, double* square_norms
) noexcept nogil:
    """square_norms (rows,) = of the gradients that gradient_of_rows would form.

    The gradient of a row and layer is a outer delta, and ||a outer delta|| = ||a|| ||delta||
    (Goodfellow, "Efficient per-example gradient computations", 2015).
    """
    cdef Py_ssize_t l, i
    cdef double of_inputs
    for i in range(block.rows):
        square_norms[i] = 0
    for l in range(net.n_layers - 1, -1, -1):
        if l > 0:
            delta_through_layer(net, params, l, block.rows, ws)
        for i in range(block.rows):
            of_inputs = square_norm_of_inputs(
                net, l, inputs, block, i, ws, <const floating*> block.dense)
            of_inputs += 1 if net.layers[l].intercept_start >= 0 else 0
            square_norms[i] += of_inputs * square_norm(
                <const floating*> ws.delta + i * ws.strides[l], net.layers[l].fan_out)
        ws.delta, ws.next_delta = ws.next_delta, ws.delta


cdef inline void output_deltas(
    const NetworkSizes* net, Py_ssize_t which, Py_ssize_t rows, const Workspace* ws,
    floating* deltas
) noexcept nogil:
    """deltas = dp_which/dz of each row."""
    compute_output_derivative(
        net.objective.output, <const floating*> ws.activations[net.n_layers - 1],
        <const floating*> ws.predictions, which, deltas, rows, net.n_outputs)
