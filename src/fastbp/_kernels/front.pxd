"""A front: what stands before the first layer, with equations and parameters of its own.

Takes rows x (n_features,) of a block; returns rows f (width,), the inputs of the first layer.
Each input, and each component of the periodic features of the first n_periodic inputs, has a
learned scale s:

    t_jh = w_jh x_j + b_jh                          in turns, h < n_frequencies
    e_jr = c_jr + sum_h V_jhr cos(2 pi t_jh)        r < n_components
    f    = s * (x_0, x_1, ..., e_00, e_01, ...)

The periodic features are those of Gorishniy, Rubachev and Babenko, "On embeddings for numerical
features in tabular deep learning" (2022), with the phases b of Holzmueller, Grinsztajn and
Steinwart, "Better by default" (2024), who also scale the inputs. Backward, from D = dJ/df:

    dJ/ds = sum_i D * f / s        dJ/de = s D              dJ/dc = sum_i dJ/de
    dJ/dV_jhr = sum_i cos(2 pi t_jh) dJ/de_jr
    dJ/dt_jh = -2 pi sin(2 pi t_jh) sum_r V_jhr dJ/de_jr
    dJ/dw_jh = sum_i dJ/dt_jh x_j  dJ/db_jh = sum_i dJ/dt_jh
    dJ/dx_j  = s_j D_j + sum_h w_jh dJ/dt_jh

What belongs to one periodic input is computed row after row: its intermediate values lie in
columns, and vectors run along the rows. Only f and D are row by row, as the products read them.
The parameters are the last ones of a network's vector: s, w, b, V, c.
"""
from libc.string cimport memset

from .types cimport floating

cdef extern from "simd/vmath.h":
    pass

cdef extern:
    double cos_of_turns "cos_of_turns_f64"(double t) noexcept nogil
    float cos_of_turns "cos_of_turns_f32"(float t) noexcept nogil
    double sin_of_turns "sin_of_turns_f64"(double t) noexcept nogil
    float sin_of_turns "sin_of_turns_f32"(float t) noexcept nogil


cdef enum:
    LANES = 16                  # sums side by side
    CHUNK_ROWS = 256            # whose dJ/dt is kept

cdef extern from *:
    """
    #define FASTBP_TWO_PI 6.283185307179586
    """
    const double TWO_PI "FASTBP_TWO_PI"


cdef struct Front:
    bint exists
    Py_ssize_t n_features
    Py_ssize_t n_periodic
    Py_ssize_t n_frequencies
    Py_ssize_t n_components
    Py_ssize_t width            # n_features + n_periodic * n_components
    Py_ssize_t start            # of its parameters in the network's vector
    Py_ssize_t n_params


cdef struct FrontSpace:
    # What a block needs. Columns have one element a row of the block.
    Py_ssize_t stride           # elements from row to row of f and D
    Py_ssize_t column           # elements from column to column
    void* f                     # (rows, stride)
    void* deltas                # (rows, stride): D; NULL without gradients
    void* x                     # columns x_j of the periodic inputs
    void* cosines               # columns cos(2 pi t_jh)
    void* sines                 # NULL without gradients
    void* components            # columns e_jr
    void* component_deltas      # columns of D for e_jr; NULL without gradients


cdef inline void size_front(Front* front) noexcept nogil:
    """width and n_params from the other sizes."""
    cdef Py_ssize_t n_waves = front.n_periodic * front.n_frequencies
    cdef Py_ssize_t n_components = front.n_periodic * front.n_components
    front.width = front.n_features + n_components
    front.n_params = (
        front.width + 2 * n_waves + n_waves * front.n_components + n_components)


cdef struct FrontParams:
    # Offsets into the front's parameters.
    Py_ssize_t frequencies      # w (n_periodic, n_frequencies)
    Py_ssize_t phases           # b, the same
    Py_ssize_t weights          # V (n_periodic, n_frequencies, n_components)
    Py_ssize_t intercepts       # c (n_periodic, n_components)


cdef inline FrontParams lay_out_params(const Front* front) noexcept nogil:
    cdef FrontParams at
    cdef Py_ssize_t n_waves = front.n_periodic * front.n_frequencies
    at.frequencies = front.width
    at.phases = at.frequencies + n_waves
    at.weights = at.phases + n_waves
    at.intercepts = at.weights + n_waves * front.n_components
    return at


cdef inline floating* column(
    const FrontSpace* space, void* columns, Py_ssize_t number, Py_ssize_t row, floating zero
) noexcept nogil:
    """Where row `row` of a column is. zero: of the type."""
    return <floating*> columns + number * space.column + row


cdef inline void forward_front(
    const Front* front, const floating* params, const floating* x, const FrontSpace* space,
    Py_ssize_t start, Py_ssize_t rows
) noexcept nogil:
    """f of rows [start, start + rows) of a block, the first of which is x; params: the front's."""
    cdef Py_ssize_t i, j, width = front.n_features
    cdef const floating* scale = params
    cdef floating* f = <floating*> space.f + start * space.stride
    for j in range(front.n_periodic):
        compute_components(front, params, j, x, space, start, rows)
    for i in range(rows):
        for j in range(width):
            f[j] = scale[j] * x[j]
        for j in range(front.width - width):
            f[width + j] = scale[width + j] * column(
                space, space.components, j, start + i, <floating> 0)[0]
        x += width
        f += space.stride


cdef inline void compute_components(
    const Front* front, const floating* params, Py_ssize_t j, const floating* x,
    const FrontSpace* space, Py_ssize_t start, Py_ssize_t rows
) noexcept nogil:
    """The periodic features e_j of an input, of rows whose first is x; and what they come from."""
    cdef FrontParams at = lay_out_params(front)
    cdef Py_ssize_t h, r, i, wave, n_components = front.n_components
    cdef floating* xs = column(space, space.x, j, start, <floating> 0)
    cdef floating* cosines
    cdef floating* sines
    cdef floating* e
    cdef floating frequency, phase, weight, turns
    for i in range(rows):
        xs[i] = x[i * front.n_features + j]
    for r in range(n_components):
        e = column(space, space.components, j * n_components + r, start, <floating> 0)
        weight = params[at.intercepts + j * n_components + r]
        for i in range(rows):
            e[i] = weight
    for h in range(front.n_frequencies):
        wave = j * front.n_frequencies + h
        frequency, phase = params[at.frequencies + wave], params[at.phases + wave]
        cosines = column(space, space.cosines, wave, start, <floating> 0)
        if space.sines == NULL:
            for i in range(rows):
                cosines[i] = cos_of_turns(frequency * xs[i] + phase)
        else:
            sines = column(space, space.sines, wave, start, <floating> 0)
            for i in range(rows):
                turns = frequency * xs[i] + phase
                cosines[i], sines[i] = cos_of_turns(turns), sin_of_turns(turns)
        for r in range(n_components):
            e = column(space, space.components, j * n_components + r, start, <floating> 0)
            weight = params[at.weights + wave * n_components + r]
            for i in range(rows):
                e[i] += weight * cosines[i]


cdef inline void turn_component_deltas(
    const Front* front, const FrontSpace* space, Py_ssize_t start, Py_ssize_t rows, floating zero
) noexcept nogil:
    """The columns of D for the periodic features, of rows whose D is known."""
    cdef Py_ssize_t i, j, n = front.width - front.n_features
    cdef const floating* deltas = (
        <const floating*> space.deltas + start * space.stride + front.n_features)
    for i in range(rows):
        for j in range(n):
            column(space, space.component_deltas, j, start + i, zero)[0] = deltas[j]
        deltas += space.stride


cdef inline floating add_up(floating* sums) noexcept nogil:
    """The sum of LANES numbers, by halves; they are overwritten."""
    cdef Py_ssize_t lane, half = LANES // 2
    while half > 0:
        for lane in range(half):
            sums[lane] += sums[half + lane]
        half //= 2
    return sums[0]


cdef inline floating dot(const floating* a, const floating* b, Py_ssize_t n) noexcept nogil:
    # The compiler may not reorder a sum: sums side by side become vector code.
    cdef floating[LANES] sums
    cdef floating rest = 0
    cdef Py_ssize_t i, lane
    for lane in range(LANES):
        sums[lane] = 0
    for i in range(n // LANES):
        for lane in range(LANES):
            sums[lane] += a[i * LANES + lane] * b[i * LANES + lane]
    for i in range(n - n % LANES, n):
        rest += a[i] * b[i]
    return add_up(<floating*> sums) + rest


cdef inline floating sum_of(const floating* a, Py_ssize_t n) noexcept nogil:
    cdef floating[LANES] sums
    cdef floating rest = 0
    cdef Py_ssize_t i, lane
    for lane in range(LANES):
        sums[lane] = 0
    for i in range(n // LANES):
        for lane in range(LANES):
            sums[lane] += a[i * LANES + lane]
    for i in range(n - n % LANES, n):
        rest += a[i]
    return add_up(<floating*> sums) + rest


cdef inline void add_to(floating* entry, floating value, bint accumulate) noexcept nogil:
    entry[0] = entry[0] + value if accumulate else value


cdef inline void wave_deltas(
    const Front* front, const floating* params, Py_ssize_t j, Py_ssize_t h,
    const FrontSpace* space, Py_ssize_t start, Py_ssize_t rows, floating* deltas
) noexcept nogil:
    """deltas = dJ/dt_jh of some rows."""
    cdef Py_ssize_t r, i, number, wave = j * front.n_frequencies + h
    cdef Py_ssize_t n_components = front.n_components
    cdef const floating* weights = (
        params + lay_out_params(front).weights + wave * n_components)
    cdef const floating* sines = column(space, space.sines, wave, start, <floating> 0)
    cdef const floating* component_deltas
    cdef floating factor
    for r in range(n_components):
        number = j * n_components + r
        component_deltas = column(space, space.component_deltas, number, start, <floating> 0)
        factor = -<floating> TWO_PI * weights[r] * params[front.n_features + number]
        if r == 0:
            for i in range(rows):
                deltas[i] = factor * component_deltas[i]
        else:
            for i in range(rows):
                deltas[i] += factor * component_deltas[i]
    for i in range(rows):
        deltas[i] *= sines[i]


cdef inline void gradient_of_waves(
    const Front* front, const floating* params, Py_ssize_t j, const FrontSpace* space,
    Py_ssize_t start, Py_ssize_t rows, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of some rows in the gradient by what belongs to periodic input j.

    params, grad: the front's. At most CHUNK_ROWS rows.
    """
    cdef FrontParams at = lay_out_params(front)
    cdef floating[CHUNK_ROWS] deltas
    cdef Py_ssize_t h, r, wave, number, n_components = front.n_components
    cdef const floating* xs = column(space, space.x, j, start, <floating> 0)
    cdef const floating* component_deltas
    cdef floating scale
    for r in range(n_components):
        number = j * n_components + r
        component_deltas = column(space, space.component_deltas, number, start, <floating> 0)
        scale = params[front.n_features + number]
        add_to(grad + front.n_features + number, dot(
            <const floating*> column(space, space.components, number, start, <floating> 0),
            component_deltas, rows), accumulate)
        add_to(grad + at.intercepts + number, scale * sum_of(component_deltas, rows), accumulate)
        for h in range(front.n_frequencies):
            wave = j * front.n_frequencies + h
            add_to(grad + at.weights + wave * n_components + r, scale * dot(
                <const floating*> column(space, space.cosines, wave, start, <floating> 0),
                component_deltas, rows), accumulate)
    for h in range(front.n_frequencies):
        wave = j * front.n_frequencies + h
        wave_deltas(front, params, j, h, space, start, rows, <floating*> deltas)
        add_to(grad + at.frequencies + wave, dot(<const floating*> deltas, xs, rows), accumulate)
        add_to(grad + at.phases + wave, sum_of(<const floating*> deltas, rows), accumulate)


cdef inline void gradient_of_scale(
    const Front* front, const floating* x, const FrontSpace* space, Py_ssize_t start,
    Py_ssize_t rows, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of rows, whose first is x, in the gradient by the scales of the inputs."""
    cdef Py_ssize_t j, _
    cdef const floating* deltas = <const floating*> space.deltas + start * space.stride
    if not accumulate:
        memset(grad, 0, front.n_features * sizeof(floating))
    for _ in range(rows):
        for j in range(front.n_features):
            grad[j] += x[j] * deltas[j]
        x += front.n_features
        deltas += space.stride


cdef inline Py_ssize_t parts_of_front(const Front* front) noexcept nogil:
    """Into how many parts its gradient may be divided."""
    return 1 + front.n_periodic if front.exists else 0


cdef inline void gradient_of_front(
    const Front* front, const floating* params, Py_ssize_t part, const floating* x,
    const FrontSpace* space, Py_ssize_t start, Py_ssize_t rows, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= a part of the gradient: that of the scales, or of a periodic input.

    x: the first of the rows; params, grad: the front's.
    """
    cdef Py_ssize_t first = 0, n
    if part == 0:
        gradient_of_scale(front, x, space, start, rows, grad, accumulate)
        return
    while first < rows:
        n = min(rows - first, <Py_ssize_t> CHUNK_ROWS)
        gradient_of_waves(
            front, params, part - 1, space, start + first, n, grad, accumulate or first > 0)
        first += n


cdef inline void front_deltas_to_inputs(
    const Front* front, const floating* params, const FrontSpace* space, Py_ssize_t start,
    Py_ssize_t rows, floating* grads, Py_ssize_t grad_stride
) noexcept nogil:
    """Row i of grads = dJ/dx of row start + i, whose D is known."""
    cdef FrontParams at = lay_out_params(front)
    cdef floating[CHUNK_ROWS] deltas
    cdef Py_ssize_t i, j, h, first = 0, n
    cdef const floating* by_f = <const floating*> space.deltas + start * space.stride
    cdef floating frequency
    for i in range(rows):
        for j in range(front.n_features):
            grads[i * grad_stride + j] = params[j] * by_f[i * space.stride + j]
    while first < rows:
        n = min(rows - first, <Py_ssize_t> CHUNK_ROWS)
        for j in range(front.n_periodic):
            for h in range(front.n_frequencies):
                wave_deltas(front, params, j, h, space, start + first, n, <floating*> deltas)
                frequency = params[at.frequencies + j * front.n_frequencies + h]
                for i in range(n):
                    grads[(first + i) * grad_stride + j] += frequency * deltas[i]
        first += n
