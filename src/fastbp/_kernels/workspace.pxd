"""The workspace: memory for every intermediate matrix of a block of rows, allocated once a call.

Takes the sizes of a network and the rows of a batch; returns a Workspace, whose matrices have
block_rows rows: as many as keep the activations within the second-level cache.

Rows of the hidden layers' activations, slopes and deltas, and of f and D of a front, are padded to
whole vectors (padded_stride). What pads a row is finite, and never reaches a result. Every matrix
begins at a multiple of ALIGNMENT and has a vector to spare after its last row.
"""
from libc.stdlib cimport calloc, free

from .activations cimport RELU, needs_slope
from .dropout cimport Dropout
from .front cimport LANES, N_COMPONENTS, N_FREQUENCIES, Front, FrontSpace, units_of_front
from .losses cimport OUTPUT_IDENTITY, USER_LOSS
from .products cimport VECTOR_BYTES
from .sizes cimport Layer, NetworkSizes


cdef extern from "simd/redzones.h" nogil:
    size_t RED_ZONE "FASTBP_RED_ZONE"   # bytes; 0 without AddressSanitizer
    void make_red(const char* start, size_t n_bytes) noexcept


cdef struct Workspace:
    Py_ssize_t block_rows
    void** activations          # per layer (block_rows, stride); the last one holds z
    Py_ssize_t* strides         # per layer: elements from row to row
    void** slopes               # per layer: g'(z), masked; NULL where it is a function of a
    Dropout* dropout            # NULL: none
    FrontSpace front
    void* outputs               # (block_rows, n_outputs); z itself where they are the same
    double* losses              # (block_rows,)
    void** deltas               # per layer (block_rows, stride): dJ/dz; NULL without gradients
    void* x                     # gathered inputs, targets, weights
    void* targets
    void* weights
    void* ones                  # (block_rows,): the weights of samples without weights
    void* memory                # holds all of the above


cdef struct Cursor:
    char* next                  # where the next matrix of a workspace goes
    bint has_memory             # False: sizes are only added up


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


cdef inline void* claim(Cursor* cursor, Py_ssize_t rows, Py_ssize_t stride, size_t item_size) \
        noexcept nogil:
    """The next matrix of a workspace, with a vector to spare after its last row."""
    cdef char* matrix = cursor.next
    cdef char* end = matrix + rows * stride * item_size + ALIGNMENT
    cursor.next = matrix + round_up(end - matrix + RED_ZONE, ALIGNMENT)
    if RED_ZONE > 0 and cursor.has_memory:
        make_red(end, cursor.next - end)
    return matrix


cdef inline void lay_out_front(
    FrontSpace* space, const Front* front, Cursor* cursor, Py_ssize_t rows, size_t item_size,
    bint backward
) noexcept nogil:
    """The matrices of a front; without gradients, some are left out."""
    cdef Py_ssize_t n_waves = front.n_periodic * N_FREQUENCIES
    cdef Py_ssize_t n_components = front.n_periodic * N_COMPONENTS
    space.stride = padded_stride(front.width, item_size)
    # one vector more, since columns a power of 2 apart share few cache sets
    space.column = round_up(rows, LANES) + LANES
    space.f = claim(cursor, rows, space.stride, item_size)
    space.x = claim(cursor, front.n_periodic, space.column, item_size)
    space.cosines = claim(cursor, n_waves, space.column, item_size)
    space.components = claim(cursor, n_components, space.column, item_size)
    if backward:
        space.deltas = claim(cursor, rows, space.stride, item_size)
        space.sines = claim(cursor, n_waves, space.column, item_size)
        space.component_deltas = claim(cursor, n_components, space.column, item_size)


cdef inline bint stores_slope(const Workspace* ws, const Layer* layer) noexcept nogil:
    return needs_slope(layer.activation) or (
        ws.dropout != NULL and ws.dropout.hidden > 0 and layer.activation != RELU)


cdef inline size_t lay_out(
    Workspace* ws, const NetworkSizes* net, size_t item_size, bint gathers, bint backward,
    void* memory
) noexcept nogil:
    """Points a workspace into memory, or only adds up sizes (NULL); returns the bytes it takes."""
    cdef Cursor cursor
    cdef Py_ssize_t rows = ws.block_rows, stride, l
    cdef void* matrix = NULL
    cdef void* z = NULL
    cursor.next, cursor.has_memory = <char*> round_up(<size_t> memory, ALIGNMENT), memory != NULL
    ws.activations = <void**> claim(&cursor, net.n_layers, 1, sizeof(void*))
    ws.strides = <Py_ssize_t*> claim(&cursor, net.n_layers, 1, sizeof(Py_ssize_t))
    ws.slopes = <void**> claim(&cursor, net.n_layers, 1, sizeof(void*))
    ws.deltas = <void**> claim(&cursor, net.n_layers, 1, sizeof(void*))
    for l in range(net.n_layers):
        stride = padded_stride(net.layers[l].fan_out, item_size)
        if l == net.n_layers - 1:
            stride = net.n_outputs
        z = claim(&cursor, rows, stride, item_size)
        if memory != NULL:
            ws.strides[l] = stride
            ws.activations[l] = z
        if backward and l < net.n_layers - 1 and stores_slope(ws, &net.layers[l]):
            matrix = claim(&cursor, rows, stride, item_size)
            if memory != NULL:
                ws.slopes[l] = matrix
    ws.outputs = z
    if net.objective.output != OUTPUT_IDENTITY:
        ws.outputs = claim(&cursor, rows, net.n_outputs, item_size)
    ws.losses = <double*> claim(&cursor, rows, 1, sizeof(double))
    ws.targets = claim(&cursor, rows, net.n_outputs, item_size)
    ws.weights = claim(&cursor, rows, 1, item_size)
    ws.ones = claim(&cursor, rows, 1, item_size)
    for l in range(net.n_layers if backward else 0):
        stride = net.n_outputs
        if l < net.n_layers - 1:
            stride = padded_stride(net.layers[l].fan_out, item_size)
        matrix = claim(&cursor, rows, stride, item_size)
        if memory != NULL:
            ws.deltas[l] = matrix
    if net.front.exists:
        lay_out_front(&ws.front, &net.front, &cursor, rows, item_size, backward)
    if gathers:
        ws.x = claim(&cursor, rows, net.n_features, item_size)
    return cursor.next - <char*> memory


cdef inline int allocate(
    Workspace* ws, const NetworkSizes* net, Py_ssize_t rows, size_t item_size, bint gathers,
    bint backward, Dropout* dropout=NULL
) noexcept nogil:
    """Allocates the memory for the blocks of a batch of `rows`; returns -1 if there is none."""
    cdef size_t row_bytes = (net.n_units + net.n_features + units_of_front(&net.front)) * item_size
    cdef Py_ssize_t i
    ws.block_rows = max(<Py_ssize_t> (BLOCK_BYTES // row_bytes), <Py_ssize_t> MIN_BLOCK_ROWS)
    if net.objective.loss == USER_LOSS:
        ws.block_rows = rows  # one call of Python a batch
    ws.block_rows = max(min(ws.block_rows, rows), 1)
    ws.dropout = dropout
    ws.x = NULL
    ws.front.sines = ws.front.deltas = ws.front.component_deltas = NULL
    # zeros: what pads the rows must be finite, and no denormal number
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


cdef inline void* rows_of(
    void* matrix, Py_ssize_t start, Py_ssize_t stride, size_t item_size
) noexcept nogil:
    """The place where row `start` of a matrix begins; NULL where there is no matrix."""
    return <char*> matrix + start * stride * <Py_ssize_t> item_size if matrix != NULL else NULL
