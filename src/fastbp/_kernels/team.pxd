"""A team of threads: a batch's rows, and then its gradient, worked on in pieces.

Takes a Team: network, parameters, data and one Workspace that all threads share. A batch is
worked through in blocks of rows, whatever the number of threads. A block is two phases, whose
pieces any thread claims (simd/threads.h):

    rows        a range of rows: gathered, forward, losses, deltas of all layers
    gradient    a range of rows of a layer's W (with CSR inputs: of columns of the first one):
                (+)= their part of a' @ deltas, from all rows of the block, or a part of a
                front's gradient, or all intercepts;
                in the last block also the norms of the penalty, of a chunk of W

Between them the caller alone adds up the losses, in the order of the rows. So each number is
computed by one thread, in one order, and the result does not depend on how many threads there
are. Which kernel runs depends on the whole block, never on a piece, and pieces begin at multiples
of UNIT, where vector code has the same lanes as in the whole. Sums over parameters run over
chunks of NORM_CHUNK, whose sums are added in their order. training.pxd goes on with the step.

The caller's thread is the only one that knows more than its piece: it looks for Ctrl-C, after its
pieces, and calls a user's loss, which is Python. So a phase has more pieces than threads where they
would take long.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .crew_size cimport CrewSize, begin_crew_size, count_rows
from .denormals cimport flush_denormals, restore_denormals
from .dropout cimport Dropout
from .front cimport parts_of_front
from .inputs cimport Block, Inputs
from .losses cimport USER_LOSS, Objective, sum_losses
from .network cimport (
    coef_gradient_of_layer, deltas_to_hidden_layers, divisible, forward_rows, front_gradient,
    gradient_of_block, intercept_gradient_of_layer, locate_rows, loss_deltas, losses_of_block,
)
from .penalties cimport add_l1_gradient, add_l2_gradient, l1_norm, l2_penalty
from .signals cimport PIECE_WORK, Poll, interrupted, pieces_of_work
from .sizes cimport NetworkSizes
from .types cimport floating
from .workspace cimport Workspace, allocate, release, rows_of


cdef extern from "simd/threads.h" nogil:
    enum: MAX_TEAM
    ctypedef struct Crew:
        pass
    Crew* hire_crew(int n_helpers, int* started) noexcept
    void dismiss_crew(Crew*) noexcept
    void run_phase(
        Crew*, Py_ssize_t n_pieces, void (*work)(void*, int, Py_ssize_t) noexcept nogil,
        void* context) noexcept
    double read_seconds() noexcept
    bint read_flag(const int*) noexcept
    void raise_flag(int*) noexcept

cdef enum:
    UNIT = 16                   # rows, or elements: pieces begin at multiples
    PIECES = 1                  # a thread, of rows
    SMALL_PIECES = 2            # a thread, of parameters
    LEAST_UNITS = 2             # of W in a piece: each packs the deltas anew
    LEAST_STEPS = 2048          # parameters in a piece of a step
    NORM_CHUNK = 65536          # parameters
    WHOLE = 0                   # Team.part of a piece of rows
    FORWARD = 1
    BACK = 2
    DONE = 0                    # what run_together returns
    STOPPED = 1                 # an exception is set, or the user's loss has raised one
    NO_THREADS = 2              # the threads cannot be started; nothing has been done


cdef struct Norms:
    # of a chunk of the parameters
    double square               # ||W||^2
    double absolute             # |W|
    double gradient             # the squared norm of the gradient


cdef struct Team:
    const NetworkSizes* net
    const Inputs* inputs
    const Py_ssize_t* order     # (n,); NULL: all rows as they stand
    Py_ssize_t n
    size_t item_size
    void* params                # (n_params,)
    void* grad                  # (n_params,); NULL: losses only
    void* outputs               # (n, n_outputs), filled unless NULL
    double total_loss           # training: the sum over batches of loss times rows
    Py_ssize_t batch_rows       # of the largest batch
    bint gathers                # rows in another order
    bint backward               # gradients
    bint flushes                # denormal numbers count as zeros
    bint moves_params           # grad is params: a gradient that has begun is finished
    Dropout dropout             # rates of 0: none
    int n_threads               # the most
    bint adapts                 # fewer where so many cannot be had, or are not faster
    CrewSize size               # how many, if it adapts
    double since                # seconds: what count_rows does not know yet
    double rows_since
    Workspace ws
    Norms* norms                # (n_chunks of n_params,)
    Crew* crew                  # NULL: the caller alone
    int n_working               # the caller and its crew
    int stop                    # an exception is set: no further step is taken
    Poll poll
    # the phase at hand
    Py_ssize_t first            # the block's rows, of the order
    Py_ssize_t rows
    Block block                 # the same rows, once the rows phase has gathered them
    int part
    bint back                   # deltas and gradient
    double scale                # of the deltas
    void* block_grad            # the gradient (+)= that of the block
    bint accumulate
    Py_ssize_t n_norm_pieces    # that a gradient phase begins with
    double l2                   # of the penalty
    double l1


cdef inline Py_ssize_t n_chunks(Py_ssize_t n) noexcept nogil:
    return (n + NORM_CHUNK - 1) // NORM_CHUNK


cdef inline Py_ssize_t piece_start(
    Py_ssize_t n, Py_ssize_t piece, Py_ssize_t pieces
) noexcept nogil:
    """Where a piece of a range of n begins; it ends where the next one begins."""
    if piece == pieces:
        return n
    return piece * ((n + UNIT - 1) // UNIT) // pieces * UNIT


cdef inline Py_ssize_t pieces_of_rows(const Team* team, Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t wanted = max(
        <Py_ssize_t> (PIECES * team.n_working), pieces_of_work(work_of_rows(team, rows)))
    return min((rows + UNIT - 1) // UNIT, wanted)


cdef inline double work_of_rows(const Team* team, Py_ssize_t rows) noexcept nogil:
    """Multiplications of a phase of so many rows."""
    return (2.0 if team.back else 1.0) * <double> team.net.n_coefs * <double> rows


cdef inline double work_of_layer(const Team* team, Py_ssize_t l) noexcept nogil:
    """Multiplications of the gradient of its W; CSR: unknown here, and divided by threads only."""
    if l == 0 and team.inputs.dense == NULL:
        return 0
    return (<double> team.net.layers[l].fan_in * <double> team.net.layers[l].fan_out
            * <double> team.rows)


cdef inline Py_ssize_t pieces_of_layer(const Team* team, Py_ssize_t l) noexcept nogil:
    """As many as the layer's part of all coefs, or its work, asks for."""
    cdef Py_ssize_t n_coefs = team.net.layers[l].fan_in * team.net.layers[l].fan_out
    cdef Py_ssize_t wanted = (SMALL_PIECES * team.n_working * n_coefs - 1) // team.net.n_coefs + 1
    cdef Py_ssize_t most = divisible(team.net, l, team.inputs) // (LEAST_UNITS * UNIT)
    return max(min(max(wanted, pieces_of_work(work_of_layer(team, l))), most), <Py_ssize_t> 1)


cdef inline Py_ssize_t pieces_of_step(const Team* team) noexcept nogil:
    return max(
        min(team.net.n_params // LEAST_STEPS, <Py_ssize_t> (SMALL_PIECES * team.n_working)),
        <Py_ssize_t> 1)


cdef inline void free_team(Team* team) noexcept nogil:
    release(&team.ws)
    free(team.norms)
    team.norms = NULL


cdef inline int allocate_team(Team* team) noexcept nogil:
    """A workspace; -1 when there is no memory."""
    cdef bint drops = team.dropout.hidden > 0 or team.dropout.inputs > 0
    if allocate(&team.ws, team.net, team.batch_rows, team.item_size, team.gathers, team.backward,
                &team.dropout if drops else NULL) < 0:
        return -1
    team.norms = <Norms*> calloc(n_chunks(team.net.n_params), sizeof(Norms))
    return 0 if team.norms != NULL else -1


cdef inline bint user_loss_failed(const Objective* objective) noexcept nogil:
    return objective.loss == USER_LOSS and objective.user_loss_failed[0]


cdef inline void work_on_rows(
    Team* team, const floating* params, Py_ssize_t start, Py_ssize_t rows, Block* block
) noexcept nogil:
    """The part at hand of rows [start, start + rows) of the block, which are stored in block."""
    cdef const NetworkSizes* net = team.net
    cdef const Workspace* ws = &team.ws
    cdef floating* outputs = <floating*> rows_of(
        ws.outputs, start, net.n_outputs, sizeof(floating))
    if team.part == BACK:
        block[0] = locate_rows(net, team.inputs, team.order, team.first, start, rows, team.rows,
                               ws, sizeof(floating))
    else:
        block[0] = forward_rows(
            net, params, team.inputs, team.order, team.first, start, rows, team.rows, ws)
        if team.outputs != NULL:
            memcpy(<floating*> team.outputs + (team.first + start) * net.n_outputs, outputs,
                   rows * net.n_outputs * sizeof(floating))
    if team.part == WHOLE:
        add_losses(team, block, outputs)
    if team.back and team.part != FORWARD:
        deltas_to_hidden_layers(net, params, block, ws)


cdef inline void add_losses(Team* team, const Block* block, const floating* outputs) noexcept nogil:
    """The losses of the block's rows, and the deltas of the output layer."""
    losses_of_block(team.net, block, &team.ws, outputs)
    if team.back:
        loss_deltas(team.net, block, team.scale, &team.ws, <floating*> rows_of(
            team.ws.deltas[team.net.n_layers - 1], block.start, team.net.n_outputs,
            sizeof(floating)))


cdef inline void work_on_piece_of_rows(
    void* context, int member, Py_ssize_t piece
) noexcept nogil:
    cdef Team* team = <Team*> context
    cdef Block block
    cdef Py_ssize_t pieces = pieces_of_rows(team, team.rows)
    cdef Py_ssize_t start = piece_start(team.rows, piece, pieces)
    cdef Py_ssize_t rows = piece_start(team.rows, piece + 1, pieces) - start
    if read_flag(&team.stop):
        return
    if team.item_size == sizeof(float):
        work_on_rows(team, <const float*> team.params, start, rows, &block)
    else:
        work_on_rows(team, <const double*> team.params, start, rows, &block)
    if member == 0 and interrupted(&team.poll, work_of_rows(team, rows)):
        raise_flag(&team.stop)


cdef inline void run_rows(Team* team, const floating* params, int part) noexcept nogil:
    """A phase of the block's rows."""
    team.part = part
    if team.crew == NULL and work_of_rows(team, team.rows) <= PIECE_WORK:
        work_on_rows(team, params, 0, team.rows, &team.block)
    else:
        team.block = locate_rows(team.net, team.inputs, team.order, team.first, 0, team.rows,
                                 team.rows, &team.ws, sizeof(floating))
        run_phase(team.crew, pieces_of_rows(team, team.rows), work_on_piece_of_rows, team)


cdef inline void run_rows_for_user(Team* team, const floating* params) noexcept nogil:
    """run_rows in two parts, between which the caller calls the user's loss."""
    run_rows(team, params, FORWARD)
    # Python must not be called while an exception is set
    if read_flag(&team.stop):
        return
    add_losses(team, &team.block, <const floating*> team.ws.outputs)
    if user_loss_failed(&team.net.objective):
        raise_flag(&team.stop)
    elif team.back:
        run_rows(team, params, BACK)


cdef inline void add_norms(Team* team, const floating* params, Py_ssize_t chunk) noexcept nogil:
    """||W||^2 and |W| of a chunk, where they are needed."""
    cdef Py_ssize_t start = chunk * NORM_CHUNK
    cdef Py_ssize_t n = min(team.net.n_coefs - start, <Py_ssize_t> NORM_CHUNK)
    if team.l2 > 0:
        team.norms[chunk].square = l2_penalty(1, params + start, n)
    if team.l1 > 0:
        team.norms[chunk].absolute = l1_norm(params + start, n)


cdef inline double square_norm_of_coefs(const Team* team) noexcept nogil:
    """||W||^2, whose chunks add_norms has computed; 0 where it is not needed."""
    cdef double total = 0
    cdef Py_ssize_t chunk
    if team.l2 > 0:
        for chunk in range(n_chunks(team.net.n_coefs)):
            total += team.norms[chunk].square
    return total


cdef inline double absolute_norm_of_coefs(const Team* team) noexcept nogil:
    """|W|, as above."""
    cdef double total = 0
    cdef Py_ssize_t chunk
    if team.l1 > 0:
        for chunk in range(n_chunks(team.net.n_coefs)):
            total += team.norms[chunk].absolute
    return total


cdef inline void add_penalty_gradient(
    const Team* team, const floating* params, floating* grad, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    """Of parameters [start, stop)."""
    stop = min(stop, team.net.n_coefs)
    if team.l2 > 0 and start < stop:
        add_l2_gradient(team.l2, params + start, grad + start, stop - start)
    if team.l1 > 0 and start < stop:
        add_l1_gradient(team.l1, params + start, grad + start, stop - start)


cdef inline void work_on_gradient(
    Team* team, const floating* params, Py_ssize_t piece
) noexcept nogil:
    cdef const NetworkSizes* net = team.net
    cdef Py_ssize_t l, n, pieces
    cdef floating* grad = <floating*> team.block_grad
    if piece < team.n_norm_pieces:
        add_norms(team, params, piece)
        return
    piece -= team.n_norm_pieces
    for l in range(net.n_layers):
        pieces = pieces_of_layer(team, l)
        if piece < pieces:
            n = divisible(net, l, team.inputs)
            coef_gradient_of_layer(
                net, l, team.inputs, &team.block, 0, team.rows, piece_start(n, piece, pieces),
                piece_start(n, piece + 1, pieces), &team.ws, grad, team.accumulate)
            return
        piece -= pieces
    if piece < parts_of_front(&net.front):
        front_gradient(
            net, params, piece, &team.block, 0, team.rows, &team.ws, grad, team.accumulate)
        return
    for l in range(net.n_layers):
        intercept_gradient_of_layer(
            net, l, &team.block, 0, team.rows, &team.ws, grad, team.accumulate)


cdef inline void work_on_piece_of_gradient(
    void* context, int member, Py_ssize_t piece
) noexcept nogil:
    cdef Team* team = <Team*> context
    if read_flag(&team.stop):
        return
    if team.item_size == sizeof(float):
        work_on_gradient(team, <const float*> team.params, piece)
    else:
        work_on_gradient(team, <const double*> team.params, piece)
    if member == 0 and not team.moves_params and interrupted(&team.poll, <double> PIECE_WORK):
        raise_flag(&team.stop)


cdef inline void run_gradient(Team* team, const floating* params, floating* grad) noexcept nogil:
    """A phase: grad (+)= that of the block; the norms first, if any."""
    cdef Py_ssize_t l, pieces = team.n_norm_pieces + 1 + parts_of_front(&team.net.front)
    if team.crew == NULL and <double> team.net.n_coefs * <double> team.rows <= PIECE_WORK:
        for l in range(team.n_norm_pieces):
            add_norms(team, params, l)
        gradient_of_block(
            team.net, params, team.inputs, &team.block, 0, team.rows, &team.ws, grad,
            team.accumulate)
        return
    team.block_grad = grad
    for l in range(team.net.n_layers):
        pieces += pieces_of_layer(team, l)
    run_phase(team.crew, pieces, work_on_piece_of_gradient, team)


cdef inline void work_on_piece_of_norms(void* context, int _, Py_ssize_t piece) noexcept nogil:
    cdef Team* team = <Team*> context
    if team.item_size == sizeof(float):
        add_norms(team, <const float*> team.params, piece)
    else:
        add_norms(team, <const double*> team.params, piece)


cdef inline void change_crew(Team* team, int n_threads) noexcept nogil:
    """n_threads work from now on, or as many as can be started."""
    cdef int started = 0
    dismiss_crew(team.crew)
    team.crew = NULL
    if n_threads > 1:
        team.crew = hire_crew(n_threads - 1, &started)
    team.n_working = 1 + started


cdef inline void adapt_crew(Team* team) noexcept nogil:
    """The number of threads for the next block, from the time that the last ones have taken."""
    cdef double now = read_seconds()
    cdef int n_threads = team.size.n_threads
    count_rows(&team.size, team.rows_since, now - team.since)
    team.since, team.rows_since = now, 0
    if team.size.n_threads != n_threads:
        change_crew(team, team.size.n_threads)


cdef inline double work_on_batch(
    Team* team, const floating* params, Py_ssize_t batch_first, Py_ssize_t batch_rows,
    double scale, floating* grad, bint accumulate, bint with_norms
) noexcept nogil:
    """sum_i w_i loss_i of rows order[batch_first:batch_first + batch_rows].

    Also grad (+)= the gradient, unless grad is NULL, and the outputs, unless team.outputs is;
    with_norms: and the norms of the penalty. Where team.stop is raised, all of them are unfinished,
    but for a grad that is params: it is whole, or has not been touched.
    """
    cdef Workspace* ws = &team.ws
    cdef double total = 0
    cdef Py_ssize_t start = 0
    cdef bint has_norms = with_norms and (team.l2 > 0 or team.l1 > 0)
    team.scale, team.back, team.accumulate = scale, grad != NULL, accumulate
    while start < batch_rows and not read_flag(&team.stop):
        # a window of training has whole steps
        if team.adapts and (start == 0 or team.order == NULL):
            adapt_crew(team)
        team.first = batch_first + start
        team.rows = min(ws.block_rows, batch_rows - start)
        if team.net.objective.loss == USER_LOSS:
            run_rows_for_user(team, params)
        else:
            run_rows(team, params, WHOLE)
        # before the gradient, which may move the parameters
        if read_flag(&team.stop) or interrupted(&team.poll, work_of_rows(team, team.rows)):
            raise_flag(&team.stop)
            break
        total += sum_losses(ws.losses, <const floating*> team.block.weights, team.rows)
        start += team.rows
        if team.adapts:
            team.rows_since += <double> team.rows
        team.n_norm_pieces = 0
        if has_norms and start == batch_rows:
            team.n_norm_pieces = n_chunks(team.net.n_coefs)
        if grad != NULL:
            run_gradient(team, params, grad)
            team.accumulate = True
        elif team.n_norm_pieces > 0:
            run_phase(team.crew, team.n_norm_pieces, work_on_piece_of_norms, team)
    return total


cdef inline double data_scale(const NetworkSizes* net, double weight_sum) noexcept nogil:
    return net.objective.scale / (weight_sum if net.objective.mean else 1.0)


cdef inline int run_together(
    Team* team, void (*work)(void*) noexcept nogil, void* context
) noexcept nogil:
    """work(context), in which phases may run; returns DONE or why it is not."""
    cdef unsigned long long before = 0
    cdef int outcome = DONE
    cdef int n_threads = team.size.n_threads if team.adapts else team.n_threads
    team.stop = 0
    team.total_loss = 0
    if team.flushes:
        before = flush_denormals()
    if team.adapts:
        team.since, team.rows_since = read_seconds(), 0
    # after the control word is set: helpers take it from this thread
    change_crew(team, n_threads)
    if team.n_working < n_threads and not team.adapts:
        outcome = NO_THREADS
    if outcome == DONE:
        work(context)
        outcome = STOPPED if team.stop else DONE
    dismiss_crew(team.crew)
    team.crew = NULL
    if team.adapts:
        count_rows(&team.size, team.rows_since, read_seconds() - team.since)
    if team.flushes:
        restore_denormals(before)
    return outcome
