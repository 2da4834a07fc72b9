"""The network: forward pass, deltas back, weight gradients, per-sample gradients.

Takes the sizes of a network (NetworkSizes), its flat parameter vector and a Block of rows;
returns outputs, deltas and gradients. Every intermediate matrix lies in a Workspace
(workspace.pxd).

    forward    z_l = 1 b_l' + a_{l-1} @ W_l,  a_l = g_l(z_l),  a_0 = X;  outputs from z_last
    backward   deltas_last = w * scale * dl/dz;  deltas_{l-1} = (deltas_l @ W_l') * g'(z_{l-1})
    gradient   dJ/dW_l = a_{l-1}' @ deltas_l + 2 l2 W_l;  dJ/db_l = deltas_l' @ 1

With a front (front.pxd), a_0 = f, and one step further back deltas_f = deltas_0 @ W_0'.
With dropout, a_l and g'_l are multiplied by masks (dropout.pxd); only training.pxd asks for it.
A batch is worked through in blocks of rows. A function works on the rows of a Block, which may be
some of those that the Workspace holds: team.pxd shares them among threads.
"""
from libc.string cimport memcpy

from .activations cimport RELU, activate, activate_with_slope, multiply_by_derivative
from .dropout cimport drop
from .front cimport (
    forward_front, front_deltas_to_inputs, gradient_of_front, parts_of_front,
    turn_component_deltas,
)
from .inputs cimport Block, Inputs, gather_block
from .losses cimport (
    OUTPUT_SOFTMAX, compute_deltas, compute_losses, compute_output_derivative, compute_outputs,
)
from .products cimport (
    compute_affine, compute_affine_csr, compute_coef_grads, compute_coef_grads_csr,
    compute_intercept_grads, take_deltas_back,
)
from .sizes cimport Layer, NetworkSizes
from .types cimport floating
from .workspace cimport Workspace, padded_stride, rows_of


cdef inline const floating* intercept_of(const Layer* layer, const floating* params) noexcept nogil:
    return params + layer.intercept_start if layer.intercept_start >= 0 else NULL


cdef inline const floating* inputs_of_first_layer(
    const NetworkSizes* net, const Block* block, const Workspace* ws, Py_ssize_t* stride,
    const floating* dense
) noexcept nogil:
    """Those of the block's first row, and the elements from row to row: f, or the data `dense`."""
    stride[0] = net.n_features
    if not net.front.exists:
        return dense
    stride[0] = ws.front.stride
    return <const floating*> rows_of(ws.front.f, block.start, stride[0], sizeof(floating))


cdef inline void forward_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    const Workspace* ws
) noexcept nogil:
    """Fills ws.activations (pre-activations for the output layer) and ws.outputs."""
    cdef Py_ssize_t l
    cdef const Layer* layer
    cdef const floating* below = <const floating*> block.dense
    cdef Py_ssize_t below_stride = net.n_features
    cdef floating* a
    cdef floating* slope
    cdef bint with_relu
    if net.front.exists:
        forward_front(
            &net.front, params + net.front.start, below, &ws.front, block.start, block.rows)
        below = inputs_of_first_layer(net, block, ws, &below_stride, below)
    for l in range(net.n_layers):
        layer = &net.layers[l]
        a = <floating*> rows_of(ws.activations[l], block.start, ws.strides[l], sizeof(floating))
        slope = <floating*> rows_of(ws.slopes[l], block.start, ws.strides[l], sizeof(floating))
        with_relu = layer.activation == RELU
        # Z = 1 b' + A_below @ W
        if l == 0 and block.dense == NULL:
            with_relu = False
            compute_affine_csr(
                inputs, block.order, block.first, params + layer.coef_start,
                intercept_of(layer, params), a, ws.strides[l], block.rows, layer.fan_out,
                ws.dropout)
        else:
            # beyond the end of an output layer's row lies the next one, perhaps another thread's
            compute_affine(
                below, below_stride, params + layer.coef_start, intercept_of(layer, params), a,
                ws.strides[l], block.rows, layer.fan_in, layer.fan_out, with_relu, block.whole,
                l < net.n_layers - 1 or block.start + block.rows == block.whole)
        if slope != NULL:
            activate_with_slope(layer.activation, a, slope, block.rows * ws.strides[l])
        elif not with_relu:
            activate(layer.activation, a, block.rows * ws.strides[l])
        if ws.dropout != NULL and ws.dropout.hidden > 0 and l < net.n_layers - 1:
            drop(ws.dropout, ws.dropout.hidden, l + 1, block.first, a, slope, block.rows,
                 ws.strides[l], layer.fan_out)
        below, below_stride = a, ws.strides[l]
    compute_outputs(
        net.objective.output, below,
        <floating*> rows_of(ws.outputs, block.start, net.n_outputs, sizeof(floating)),
        ws.losses + block.start, block.rows, net.n_outputs)


cdef inline void deltas_through_layer(
    const NetworkSizes* net, const floating* params, Py_ssize_t l, const Block* block,
    const Workspace* ws
) noexcept nogil:
    """The deltas of layer l - 1 from those of layer l, of the block's rows."""
    cdef const Layer* layer = &net.layers[l]
    cdef const Layer* below = &net.layers[l - 1]
    cdef Py_ssize_t stride = ws.strides[l - 1]
    cdef const floating* a = <const floating*> rows_of(
        ws.activations[l - 1], block.start, stride, sizeof(floating))
    cdef bint is_relu = below.activation == RELU
    cdef const floating* deltas = <const floating*> rows_of(
        ws.deltas[l], block.start, ws.strides[l], sizeof(floating))
    cdef floating* deltas_below = <floating*> rows_of(
        ws.deltas[l - 1], block.start, stride, sizeof(floating))
    cdef const floating* slope = <const floating*> rows_of(
        ws.slopes[l - 1], block.start, stride, sizeof(floating))
    cdef Py_ssize_t i, n = block.rows * stride
    cdef floating kept
    # deltas_below = (deltas @ W') * g'(z_below); relu' is 1 where a > 0, else 0
    take_deltas_back(
        deltas, ws.strides[l], params + layer.coef_start, deltas_below, stride,
        a if is_relu else NULL, block.rows, layer.fan_in, layer.fan_out, block.whole)
    if slope != NULL:
        for i in range(n):
            deltas_below[i] *= slope[i]
    elif not is_relu:
        multiply_by_derivative(below.activation, a, deltas_below, n)
    elif ws.dropout != NULL and ws.dropout.hidden > 0:
        # dropped units have a = 0
        kept = <floating> (1 / (1 - ws.dropout.hidden))
        for i in range(n):
            deltas_below[i] *= kept


cdef inline void deltas_to_hidden_layers(
    const NetworkSizes* net, const floating* params, const Block* block, const Workspace* ws
) noexcept nogil:
    """The deltas of all hidden layers, and of a front, from those of the output layer."""
    cdef Py_ssize_t l
    for l in range(net.n_layers - 1, 0, -1):
        deltas_through_layer(net, params, l, block, ws)
    if net.front.exists:
        # dJ/df = deltas_0 @ W_0'
        take_deltas_back(
            <const floating*> rows_of(ws.deltas[0], block.start, ws.strides[0], sizeof(floating)),
            ws.strides[0], params + net.layers[0].coef_start,
            <floating*> rows_of(
                ws.front.deltas, block.start, ws.front.stride, sizeof(floating)),
            ws.front.stride, NULL, block.rows, net.front.width, net.layers[0].fan_out,
            block.whole)
        turn_component_deltas(
            &net.front, &ws.front, block.start, block.rows, <floating> 0)


cdef inline Py_ssize_t divisible(
    const NetworkSizes* net, Py_ssize_t l, const Inputs* inputs
) noexcept nogil:
    """Into how many parts the gradient of a layer's coefs may be divided: rows, or columns."""
    return net.layers[l].fan_out if l == 0 and inputs.dense == NULL else net.layers[l].fan_in


cdef inline void coef_gradient_of_layer(
    const NetworkSizes* net, Py_ssize_t l, const Inputs* inputs, const Block* block,
    Py_ssize_t i, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop, const Workspace* ws,
    floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of rows [i, i + rows) of the block in dJ/dW of layer l.

    Only parts [start, stop) of the gradient, of those that divisible counts.
    """
    # dJ/dW = A_below' @ deltas
    cdef const Layer* layer = &net.layers[l]
    cdef const floating* deltas = <const floating*> rows_of(
        ws.deltas[l], block.start + i, ws.strides[l], sizeof(floating))
    cdef const floating* below
    cdef Py_ssize_t below_stride
    if l == 0 and block.dense == NULL:
        compute_coef_grads_csr(
            inputs, block.order, block.first + i, deltas, ws.strides[l],
            grad + layer.coef_start, rows, layer.fan_out, start, stop, accumulate, ws.dropout)
        return
    if l == 0:
        below = inputs_of_first_layer(
            net, block, ws, &below_stride, <const floating*> block.dense)
        below += i * below_stride
    else:
        below_stride = ws.strides[l - 1]
        below = <const floating*> rows_of(
            ws.activations[l - 1], block.start + i, below_stride, sizeof(floating))
    compute_coef_grads(
        below + start, below_stride, deltas, ws.strides[l],
        grad + layer.coef_start + start * layer.fan_out, rows, stop - start, layer.fan_out,
        accumulate, layer.fan_in)


cdef inline void intercept_gradient_of_layer(
    const NetworkSizes* net, Py_ssize_t l, const Block* block, Py_ssize_t i, Py_ssize_t rows,
    const Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of rows [i, i + rows) of the block in dJ/db of layer l."""
    # dJ/db = deltas' @ 1
    cdef const Layer* layer = &net.layers[l]
    cdef const floating* deltas = <const floating*> rows_of(
        ws.deltas[l], block.start + i, ws.strides[l], sizeof(floating))
    if layer.intercept_start >= 0:
        compute_intercept_grads(
            deltas, ws.strides[l], grad + layer.intercept_start, rows, layer.fan_out, accumulate)


cdef inline void front_gradient(
    const NetworkSizes* net, const floating* params, Py_ssize_t part, const Block* block,
    Py_ssize_t i, Py_ssize_t rows, const Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= a part of the gradient of the front, from rows [i, i + rows) of the block."""
    gradient_of_front(
        &net.front, params + net.front.start, part,
        <const floating*> block.dense + i * net.n_features, &ws.front, block.start + i, rows,
        grad + net.front.start, accumulate)


cdef inline void gradient_of_block(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    Py_ssize_t i, Py_ssize_t rows, const Workspace* ws, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of rows [i, i + rows) of the block in the gradient, without penalty.

    grad may be the parameters where there is no front: only its gradient reads them.
    """
    cdef Py_ssize_t l
    for l in range(parts_of_front(&net.front)):
        front_gradient(net, params, l, block, i, rows, ws, grad, accumulate)
    for l in range(net.n_layers - 1, -1, -1):
        coef_gradient_of_layer(
            net, l, inputs, block, i, rows, 0, divisible(net, l, inputs), ws, grad, accumulate)
        intercept_gradient_of_layer(net, l, block, i, rows, ws, grad, accumulate)


cdef inline void losses_of_block(
    const NetworkSizes* net, const Block* block, const Workspace* ws, const floating* outputs
) noexcept nogil:
    """ws.losses = sum_k l of the block's rows, whose outputs are given."""
    compute_losses(
        &net.objective,
        <const floating*> rows_of(
            ws.activations[net.n_layers - 1], block.start, net.n_outputs, sizeof(floating)),
        outputs, ws.losses + block.start, <const floating*> block.targets, block.rows,
        net.n_outputs)


cdef inline void loss_deltas(
    const NetworkSizes* net, const Block* block, double scale, const Workspace* ws,
    floating* deltas
) noexcept nogil:
    """deltas = scale * w_i * dl/dz of the block's rows."""
    compute_deltas(
        &net.objective,
        <const floating*> rows_of(
            ws.activations[net.n_layers - 1], block.start, net.n_outputs, sizeof(floating)),
        <const floating*> rows_of(ws.outputs, block.start, net.n_outputs, sizeof(floating)),
        <const floating*> block.targets, <const floating*> block.weights, scale,
        deltas, block.rows, net.n_outputs)


cdef inline void smooth_targets(
    const NetworkSizes* net, Block* block, floating* buffer
) noexcept nogil:
    """The targets become (1 - e) y + e / K, where an output decides between K classes."""
    cdef const floating* y = <const floating*> block.targets
    cdef double e = net.objective.label_smoothing
    cdef Py_ssize_t i, n_classes = net.n_outputs if net.objective.output == OUTPUT_SOFTMAX else 2
    cdef floating kept = <floating> (1 - e), spread = <floating> (e / <double> n_classes)
    for i in range(block.rows * net.n_outputs):
        buffer[i] = kept * y[i] + spread
    block.targets = buffer


cdef inline const void* place_of(
    const void* matrix, const Py_ssize_t* order, Py_ssize_t first, void* gathered,
    Py_ssize_t start, Py_ssize_t width, size_t item_size
) noexcept nogil:
    """Row `start` of a block that begins at row `first` of the data: there, or gathered."""
    if order == NULL:
        return rows_of(<void*> matrix, first + start, width, item_size)
    return rows_of(gathered, start, width, item_size)


cdef inline Block locate_rows(
    const NetworkSizes* net, const Inputs* inputs, const Py_ssize_t* order, Py_ssize_t first,
    Py_ssize_t start, Py_ssize_t rows, Py_ssize_t whole, const Workspace* ws, size_t item_size
) noexcept nogil:
    """The Block that forward_rows has returned for these rows, or for parts of them."""
    cdef Block block
    block.rows, block.first, block.start, block.whole = rows, first + start, start, whole
    block.order = order
    block.dense = block.targets = NULL
    if inputs.dense != NULL:
        block.dense = place_of(
            inputs.dense, order, first, ws.x, start, net.n_features, item_size)
    if inputs.targets != NULL and net.objective.label_smoothing <= 0:
        block.targets = place_of(
            inputs.targets, order, first, ws.targets, start, net.n_outputs, item_size)
    elif inputs.targets != NULL or inputs.labels != NULL:
        block.targets = rows_of(ws.targets, start, net.n_outputs, item_size)
    block.weights = rows_of(ws.ones, start, 1, item_size)
    if inputs.weights != NULL:
        block.weights = place_of(inputs.weights, order, first, ws.weights, start, 1, item_size)
    return block


cdef inline Block forward_rows(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t start, Py_ssize_t rows,
    Py_ssize_t whole, const Workspace* ws
) noexcept nogil:
    """Rows [start, start + rows) of a block of `whole` rows, which begins at order[first].

    Gathers the data of the rows and computes their outputs.
    """
    cdef floating* x = <floating*> rows_of(ws.x, start, net.n_features, sizeof(floating))
    cdef floating* targets = <floating*> rows_of(
        ws.targets, start, net.n_outputs, sizeof(floating))
    cdef Block block = gather_block(
        inputs, order, first + start, rows, x, targets,
        <floating*> rows_of(ws.weights, start, 1, sizeof(floating)),
        <const floating*> rows_of(ws.ones, start, 1, sizeof(floating)))
    block.start, block.whole = start, whole
    if net.objective.label_smoothing > 0 and block.targets != NULL:
        smooth_targets(net, &block, targets)
    if ws.dropout != NULL and ws.dropout.inputs > 0 and block.dense != NULL:
        # only training has masks, and it gathers its rows: these are a copy
        drop(ws.dropout, ws.dropout.inputs, 0, first + start, x, NULL, rows, net.n_features,
             net.n_features)
    forward_block(net, params, inputs, &block, ws)
    return block


cdef inline void deltas_to_inputs(
    const NetworkSizes* net, const floating* params, const Block* block, const Workspace* ws,
    floating* buffer, floating* grads, Py_ssize_t grad_stride
) noexcept nogil:
    """Row i of grads = the gradient by the inputs that the deltas of the block's row i stand for.

    Those of the output layer; buffer: (rows, padded_stride(n_features)).
    """
    cdef Py_ssize_t i, stride = padded_stride(net.n_features, sizeof(floating))
    deltas_to_hidden_layers(net, params, block, ws)
    if net.front.exists:
        front_deltas_to_inputs(
            &net.front, params + net.front.start, &ws.front, block.start, block.rows, grads,
            grad_stride)
        return
    # dJ/dX = deltas_0 @ W_0'
    take_deltas_back(
        <const floating*> rows_of(ws.deltas[0], block.start, ws.strides[0], sizeof(floating)),
        ws.strides[0], params + net.layers[0].coef_start, buffer, stride, NULL, block.rows,
        net.n_features, net.layers[0].fan_out, block.whole)
    for i in range(block.rows):
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
    """||a_{l-1}||^2 of row i of the block. dense: the block's inputs; NULL: CSR."""
    cdef Py_ssize_t row, start, stride
    if l > 0:
        return square_norm(
            <const floating*> rows_of(
                ws.activations[l - 1], block.start + i, ws.strides[l - 1], sizeof(floating)),
            net.layers[l].fan_in)
    if dense != NULL:
        dense = inputs_of_first_layer(net, block, ws, &stride, dense)
        return square_norm(dense + i * stride, net.layers[0].fan_in)
    row = block.order[block.first + i] if block.order != NULL else block.first + i
    start = inputs.row_starts[row]
    return square_norm(
        <const floating*> inputs.data + start, inputs.row_starts[row + 1] - start)


cdef inline void add_square_norms(
    const NetworkSizes* net, const floating* params, const Inputs* inputs, const Block* block,
    const Workspace* ws, floating* buffer, double* square_norms
) noexcept nogil:
    """square_norms (rows,) = those of the gradients of the block's rows.

    Only that of a front is formed, in buffer (front.n_params,). The gradient of a row and layer is
    a outer deltas, and its norm is ||a|| ||deltas|| (Goodfellow, "Efficient per-example gradient
    computations", 2015).
    """
    cdef Py_ssize_t l, i
    cdef double of_inputs
    deltas_to_hidden_layers(net, params, block, ws)
    for i in range(block.rows):
        square_norms[i] = 0
        for l in range(parts_of_front(&net.front)):
            front_gradient(
                net, params, l, block, i, 1, ws, buffer - net.front.start, False)
        if net.front.exists:
            square_norms[i] = square_norm(buffer, net.front.n_params)
    for l in range(net.n_layers - 1, -1, -1):
        for i in range(block.rows):
            of_inputs = square_norm_of_inputs(
                net, l, inputs, block, i, ws, <const floating*> block.dense)
            of_inputs += 1 if net.layers[l].intercept_start >= 0 else 0
            square_norms[i] += of_inputs * square_norm(
                <const floating*> rows_of(
                    ws.deltas[l], block.start + i, ws.strides[l], sizeof(floating)),
                net.layers[l].fan_out)


cdef inline void output_deltas(
    const NetworkSizes* net, Py_ssize_t k, const Block* block, const Workspace* ws,
    floating* deltas
) noexcept nogil:
    """deltas = the derivatives of output k by the pre-activations z of the output layer."""
    compute_output_derivative(
        net.objective.output,
        <const floating*> rows_of(
            ws.activations[net.n_layers - 1], block.start, net.n_outputs, sizeof(floating)),
        <const floating*> rows_of(ws.outputs, block.start, net.n_outputs, sizeof(floating)),
        k, deltas, block.rows, net.n_outputs)
