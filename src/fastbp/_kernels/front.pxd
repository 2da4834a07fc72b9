"""A front: what stands before the first layer, with equations and parameters of its own.

Takes rows x (n_features,) of a block; returns rows f (width,), the inputs of the first layer.
Each input, and each component of the periodic features of the first n_periodic inputs, has a
learned scale s:

    t_jh = w_jh x_j + b_jh                          in turns, h < N_FREQUENCIES
    e_jr = c_jr + sum_h V_jhr cos(2 pi t_jh)        r < N_COMPONENTS
    f    = s * (x_0, x_1, ..., e_00, e_01, ...)

The periodic features are those of Gorishniy, Rubachev and Babenko, "On embeddings for numerical
features in tabular deep learning" (2022), with the phases b of Holzmueller, Grinsztajn and
Steinwart, "Better by default" (2024), who also scale the inputs. Backward, from D = dJ/df:

    dJ/ds = sum_i D * f / s        dJ/de = s D              dJ/dc = sum_i dJ/de
    dJ/dV_jhr = sum_i cos(2 pi t_jh) dJ/de_jr
    dJ/dt_jh = -2 pi sin(2 pi t_jh) sum_r V_jhr dJ/de_jr
    dJ/dw_jh = sum_i dJ/dt_jh x_j  dJ/db_jh = sum_i dJ/dt_jh
    dJ/dx_j  = s_j D_j + sum_h w_jh dJ/dt_jh

What belongs to one periodic input lies in columns, and vectors run along the rows, LANES of them
at a time. Only f and D are row by row, as the products read them. The parameters are the last ones
of a network's vector: s, w, b, V, c.
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

cdef extern from *:
    """
    #define FASTBP_TWO_PI 6.283185307179586
    """
    const double TWO_PI "FASTBP_TWO_PI"


cdef enum:
    N_FREQUENCIES = 16          # of an input; RealMLP's
    N_COMPONENTS = 3            # beside the input itself; RealMLP's
    LANES = 16                  # rows, or sums, side by side
    ROWS_OF_CHUNK = 256         # whose dJ/dt is kept


cdef struct Front:
    bint exists
    Py_ssize_t n_features
    Py_ssize_t n_periodic
    Py_ssize_t width            # n_features + n_periodic * N_COMPONENTS
    Py_ssize_t start            # of its parameters in the network's vector
    Py_ssize_t n_params


cdef struct FrontSpace:
    # What a block needs. Columns have one element a row of the block.
    Py_ssize_t stride           # elements from row to row of f and D
    Py_ssize_t column           # elements from column to column: whole LANES
    void* f                     # (rows, stride)
    void* deltas                # (rows, stride): D; NULL without gradients
    void* x                     # columns x_j of the periodic inputs
    void* cosines               # columns cos(2 pi t_jh)
    void* sines                 # NULL without gradients
    void* components            # columns e_jr
    void* component_deltas      # columns of D for e_jr; NULL without gradients


cdef inline void size_front(Front* front) noexcept nogil:
    """width and n_params from the other sizes."""
    cdef Py_ssize_t of_an_input = (
        2 * N_FREQUENCIES + N_FREQUENCIES * N_COMPONENTS + N_COMPONENTS)
    front.width = front.n_features + front.n_periodic * N_COMPONENTS
    front.n_params = front.width + front.n_periodic * of_an_input


cdef inline Py_ssize_t units_of_front(const Front* front) noexcept nogil:
    """What a row takes in a workspace, in elements."""
    if not front.exists:
        return 0
    return front.width + front.n_periodic * (1 + N_FREQUENCIES + N_COMPONENTS)


cdef struct FrontParams:
    # Offsets, into the front's parameters, of those of a periodic input.
    Py_ssize_t scale            # s (N_COMPONENTS,)
    Py_ssize_t frequencies      # w (N_FREQUENCIES,)
    Py_ssize_t phases           # b (N_FREQUENCIES,)
    Py_ssize_t weights          # V (N_FREQUENCIES, N_COMPONENTS)
    Py_ssize_t intercepts       # c (N_COMPONENTS,)


cdef inline FrontParams params_of_input(const Front* front, Py_ssize_t j) noexcept nogil:
    cdef FrontParams at
    cdef Py_ssize_t n_waves = front.n_periodic * N_FREQUENCIES
    at.scale = front.n_features + j * N_COMPONENTS
    at.frequencies = front.width + j * N_FREQUENCIES
    at.phases = at.frequencies + n_waves
    at.weights = front.width + 2 * n_waves + j * N_FREQUENCIES * N_COMPONENTS
    at.intercepts = front.width + (2 + N_COMPONENTS) * n_waves + j * N_COMPONENTS
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
    """The periodic features e_j of an input, of rows whose first is x; and what they come from.

    The rows are filled up to whole LANES, by an input of 0.
    """
    cdef FrontParams at = params_of_input(front, j)
    cdef Py_ssize_t i, first = 0
    cdef floating* xs = column(space, space.x, j, start, <floating> 0)
    for i in range(rows):
        xs[i] = x[i * front.n_features + j]
    while rows % LANES != 0:
        xs[rows] = 0
        rows += 1
    while first < rows:
        compute_lanes(
            params + at.frequencies, params + at.phases, params + at.weights,
            params + at.intercepts, xs + first, space, j, start + first)
        first += LANES


cdef inline void compute_lanes(
    const floating* frequencies, const floating* phases, const floating* weights,
    const floating* intercepts, const floating* xs, const FrontSpace* space, Py_ssize_t j,
    Py_ssize_t start
) noexcept nogil:
    """compute_components of LANES rows."""
    cdef floating[LANES] inputs, turns, waves
    cdef floating[N_COMPONENTS][LANES] e
    cdef Py_ssize_t h, r, lane
    cdef floating* cosines = column(
        space, space.cosines, j * N_FREQUENCIES, start, <floating> 0)
    cdef floating* sines = NULL
    cdef floating* components = column(
        space, space.components, j * N_COMPONENTS, start, <floating> 0)
    if space.sines != NULL:
        sines = column(space, space.sines, j * N_FREQUENCIES, start, <floating> 0)
    for lane in range(LANES):
        inputs[lane] = xs[lane]
    for r in range(N_COMPONENTS):
        for lane in range(LANES):
            e[r][lane] = intercepts[r]
    for h in range(N_FREQUENCIES):
        for lane in range(LANES):
            turns[lane] = frequencies[h] * inputs[lane] + phases[h]
        for lane in range(LANES):
            waves[lane] = cos_of_turns(turns[lane])
        for lane in range(LANES):
            cosines[h * space.column + lane] = waves[lane]
        for r in range(N_COMPONENTS):
            for lane in range(LANES):
                e[r][lane] += weights[h * N_COMPONENTS + r] * waves[lane]
        if sines != NULL:
            for lane in range(LANES):
                waves[lane] = sin_of_turns(turns[lane])
            for lane in range(LANES):
                sines[h * space.column + lane] = waves[lane]
    for r in range(N_COMPONENTS):
        for lane in range(LANES):
            components[r * space.column + lane] = e[r][lane]


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
    cdef FrontParams at = params_of_input(front, j)
    cdef Py_ssize_t i, r
    cdef const floating* sines = column(
        space, space.sines, j * N_FREQUENCIES + h, start, <floating> 0)
    cdef const floating* by_e = column(
        space, space.component_deltas, j * N_COMPONENTS, start, <floating> 0)
    cdef floating[N_COMPONENTS] factors
    for r in range(N_COMPONENTS):
        factors[r] = (-<floating> TWO_PI * params[at.weights + h * N_COMPONENTS + r]
                      * params[at.scale + r])
    for i in range(rows):
        deltas[i] = (
            factors[0] * by_e[i] + factors[1] * by_e[space.column + i]
            + factors[2] * by_e[2 * space.column + i]) * sines[i]


cdef inline void gradient_of_waves(
    const Front* front, const floating* params, Py_ssize_t j, const FrontSpace* space,
    Py_ssize_t start, Py_ssize_t rows, floating* grad, bint accumulate
) noexcept nogil:
    """grad (+)= the part of some rows in the gradient by what belongs to periodic input j.

    params, grad: the front's. At most ROWS_OF_CHUNK rows.
    """
    cdef FrontParams at = params_of_input(front, j)
    cdef floating[ROWS_OF_CHUNK] deltas
    cdef Py_ssize_t h, r
    cdef const floating* xs = column(space, space.x, j, start, <floating> 0)
    cdef const floating* cosines = column(
        space, space.cosines, j * N_FREQUENCIES, start, <floating> 0)
    cdef const floating* e = column(
        space, space.components, j * N_COMPONENTS, start, <floating> 0)
    cdef const floating* by_e = column(
        space, space.component_deltas, j * N_COMPONENTS, start, <floating> 0)
    cdef floating scale
    for r in range(N_COMPONENTS):
        scale = params[at.scale + r]
        add_to(grad + at.scale + r, dot(e, by_e, rows), accumulate)
        add_to(grad + at.intercepts + r, scale * sum_of(by_e, rows), accumulate)
        for h in range(N_FREQUENCIES):
            add_to(grad + at.weights + h * N_COMPONENTS + r,
                   scale * dot(cosines + h * space.column, by_e, rows), accumulate)
        e += space.column
        by_e += space.column
    for h in range(N_FREQUENCIES):
        wave_deltas(front, params, j, h, space, start, rows, <floating*> deltas)
        add_to(grad + at.frequencies + h, dot(<const floating*> deltas, xs, rows), accumulate)
        add_to(grad + at.phases + h, sum_of(<const floating*> deltas, rows), accumulate)


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
        n = min(rows - first, <Py_ssize_t> ROWS_OF_CHUNK)
        gradient_of_waves(
            front, params, part - 1, space, start + first, n, grad, accumulate or first > 0)
        first += n


cdef inline void front_deltas_to_inputs(
    const Front* front, const floating* params, const FrontSpace* space, Py_ssize_t start,
    Py_ssize_t rows, floating* grads, Py_ssize_t grad_stride
) noexcept nogil:
    """Row i of grads = dJ/dx of row start + i, whose D is known."""
    cdef floating[ROWS_OF_CHUNK] deltas
    cdef Py_ssize_t i, j, h, first = 0, n
    cdef const floating* by_f = <const floating*> space.deltas + start * space.stride
    cdef floating frequency
    for i in range(rows):
        for j in range(front.n_features):
            grads[i * grad_stride + j] = params[j] * by_f[i * space.stride + j]
    while first < rows:
        n = min(rows - first, <Py_ssize_t> ROWS_OF_CHUNK)
        for j in range(front.n_periodic):
            for h in range(N_FREQUENCIES):
                wave_deltas(front, params, j, h, space, start + first, n, <floating*> deltas)
                frequency = params[params_of_input(front, j).frequencies + h]
                for i in range(n):
                    grads[(first + i) * grad_stride + j] += frequency * deltas[i]
        first += n
