"""Mini-batches and their optimizer steps, by a team of threads.

Enter a Run: network, parameters, data, optimizer, and one Member per thread, each with its own
workspace and gradient. Every member goes through all batches (train_batches). A batch is

    each member     loss and gradient of its share of the batch's rows
    barrier
    each member     its slice of the parameters: gradients added in the members' order, penalty,
                    (barrier, clipping,) weight decay, optimizer step
    barrier

so that the result depends on the number of threads, but not on their timing. One member does
without barriers. The first member is the caller's thread: only it looks for Ctrl-C.
"""
from libc.stdlib cimport calloc, free
from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from .dropout cimport Dropout, begin_masks
from .inputs cimport Block, sum_of_weights
from .losses cimport USER_LOSS, Objective, sum_losses
from .network cimport (
    NetworkSizes, Workspace, allocate, backward_block, forward_rows, release, square_norm,
)
from .optimizers cimport begin_steps, count_step, decay_weights, optimizer_step
from .penalties cimport add_l1_gradient, add_l2_gradient, l1_norm, l2_penalty
from .signals cimport Poll, interrupted
from .types cimport SGD, Inputs, Step, floating


cdef extern from "simd/fpstate.h" nogil:
    unsigned long long flush_denormals() noexcept
    void restore_denormals(unsigned long long before) noexcept

cdef extern from "simd/threads.h" nogil:
    enum: MAX_TEAM
    ctypedef struct Barrier:
        int members
    void wait_for_team(Barrier*) noexcept
    bint read_flag(const int*) noexcept
    void raise_flag(int*) noexcept
    int run_team(int members, void (*work)(void*, int) noexcept nogil, void* context) noexcept

cdef enum:
    # elements: slices start at cache lines, so that no two threads write to the same one
    SLICE = 16
    LOSS = 0                    # of Member.sums
    SQUARE_NORM = 1
    ABSOLUTE_NORM = 2
    GRADIENT_NORM = 3


cdef struct Member:
    Workspace ws
    Dropout dropout
    void* grad                  # (n_params,)
    # LOSS: sum_i w_i l of its rows; of its slice SQUARE_NORM: ||W||^2, ABSOLUTE_NORM: |W|,
    # GRADIENT_NORM: the squared norm of the gradient
    double[4] sums


cdef struct Run:
    const NetworkSizes* net
    const Inputs* inputs
    void* params                # (n_params,)
    size_t item_size
    Barrier barrier
    Member* members
    int stop                    # an exception is set: leave, without another step
    Poll poll
    const Py_ssize_t* order     # (n,); NULL: all rows as they stand
    Py_ssize_t n
    double total_loss           # training: the sum over batches of loss times rows
    # training only
    Py_ssize_t batch_size
    # penalty: alpha / (2 sum of a batch's weights) ((1 - l1_ratio) ||W||^2 + 2 l1_ratio |W|)
    double alpha
    double l1_ratio
    double max_grad_norm        # 0: gradients are not clipped
    const double* rates         # of the steps of an epoch; NULL: step.learning_rate
    Step step
    void* moments               # (n_moments, n_params)
    # evaluation only
    double l2
    double l1
    void* predictions           # (n, n_outputs), filled unless NULL


cdef inline Py_ssize_t share(Py_ssize_t n, int member, int members) noexcept nogil:
    """Where the share of a member begins; the next one's begins where it ends."""
    return n * member // members


cdef inline Py_ssize_t slice_start(const Run* run, int member) noexcept nogil:
    cdef Py_ssize_t n_params = run.net.n_params
    if member == run.barrier.members:
        return n_params
    return share(n_params, member, run.barrier.members) // SLICE * SLICE


cdef inline int enlist(
    Run* run, int members, Py_ssize_t batch_size, bint gathers, bint backward,
    const Dropout* dropout=NULL
) noexcept nogil:
    """A team with workspaces and gradients; -1 when there is no memory. dismiss frees it.

    The first member's gradient, which becomes the whole one, is the caller's: who does not
    provide it gets losses only.
    """
    cdef int m
    cdef Py_ssize_t rows = (batch_size + members - 1) // members
    run.barrier.members = members
    run.members = <Member*> calloc(members, sizeof(Member))
    if run.members == NULL:
        return -1
    for m in range(members):
        if dropout != NULL:
            run.members[m].dropout = dropout[0]
        if allocate(&run.members[m].ws, run.net, rows, run.item_size, gathers, backward,
                    &run.members[m].dropout if dropout != NULL else NULL) < 0:
            return -1
        if backward and m > 0:
            run.members[m].grad = calloc(run.net.n_params, run.item_size)
            if run.members[m].grad == NULL:
                return -1
    return 0


cdef inline void dismiss(Run* run) noexcept nogil:
    cdef int m
    if run.members == NULL:
        return
    for m in range(run.barrier.members):
        release(&run.members[m].ws)
        if m > 0:
            free(run.members[m].grad)
    free(run.members)
    run.members = NULL


cdef inline void zero(floating* x, Py_ssize_t n) noexcept nogil:
    memset(x, 0, n * sizeof(floating))


cdef inline void work_on_share(
    Run* run, int member, const floating* params, Py_ssize_t batch_first, Py_ssize_t batch_rows,
    double scale, floating* grad, bint accumulate
) noexcept nogil:
    """The member's share of rows order[batch_first:batch_first + batch_rows].

    Its loss, and grad (+)= its gradient unless grad is NULL.
    """
    cdef Member* self = &run.members[member]
    cdef Workspace* ws = &self.ws
    cdef Py_ssize_t start = share(batch_rows, member, run.barrier.members)
    cdef Py_ssize_t stop = share(batch_rows, member + 1, run.barrier.members), n
    cdef Block block
    cdef double row_work = (3.0 if grad != NULL else 1.0) * <double> run.net.n_coefs
    self.sums[LOSS] = 0
    if start == stop and grad != NULL and not accumulate:
        zero(grad, run.net.n_params)
    while start < stop and not read_flag(&run.stop):
        n = min(ws.block_rows, stop - start)
        block = forward_rows(
            run.net, params, run.inputs, run.order, batch_first + start, n, ws)
        self.sums[LOSS] += sum_losses(
            &run.net.objective, <const floating*> ws.activations[run.net.n_layers - 1],
            <const floating*> ws.predictions, ws.losses, <const floating*> block.targets,
            <const floating*> block.weights, n, run.net.n_outputs)
        if run.predictions != NULL:
            memcpy(<floating*> run.predictions + (batch_first + start) * run.net.n_outputs,
                   ws.predictions, n * run.net.n_outputs * sizeof(floating))
        if grad != NULL:
            backward_block(run.net, params, run.inputs, &block, scale, ws, grad, accumulate)
            accumulate = True
        start += n
        if member == 0 and (interrupted(&run.poll, row_work * <double> n)
                            or user_loss_failed(&run.net.objective)):
            raise_flag(&run.stop)


cdef inline void add_penalty(
    Run* run, int member, const floating* params, floating* grad, double l2, double l1
) noexcept nogil:
    """||W||^2 and |W| of the member's slice, and the penalty's gradient unless grad is NULL."""
    cdef Py_ssize_t start = slice_start(run, member)
    cdef Py_ssize_t stop = min(slice_start(run, member + 1), run.net.n_coefs)
    run.members[member].sums[SQUARE_NORM] = 0
    if l2 > 0 and start < stop:
        run.members[member].sums[SQUARE_NORM] = l2_penalty(1, params + start, stop - start)
        if grad != NULL:
            add_l2_gradient(l2, params + start, grad + start, stop - start)
    run.members[member].sums[ABSOLUTE_NORM] = 0
    if l1 > 0 and start < stop:
        run.members[member].sums[ABSOLUTE_NORM] = l1_norm(params + start, stop - start)
        if grad != NULL:
            add_l1_gradient(l1, params + start, grad + start, stop - start)


cdef inline void clip_gradient(Run* run, int member, floating* grad) noexcept nogil:
    """Scale the member's slice so that the norm of the whole gradient is max_grad_norm at most.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    cdef Py_ssize_t start = slice_start(run, member), stop = slice_start(run, member + 1), i
    cdef double norm
    cdef floating factor
    run.members[member].sums[GRADIENT_NORM] = square_norm(
        <const floating*> grad + start, stop - start)
    wait_for_team(&run.barrier)
    norm = sqrt(sum_of_members(run, GRADIENT_NORM))
    if norm > run.max_grad_norm:
        factor = <floating> (run.max_grad_norm / norm)
        for i in range(start, stop):
            grad[i] *= factor


cdef inline bint user_loss_failed(const Objective* objective) noexcept nogil:
    return objective.loss == USER_LOSS and objective.user_loss_failed[0]


cdef inline void add_gradients(Run* run, int member, floating* total) noexcept nogil:
    """total, which is the first member's gradient, += those of the others, in a slice."""
    cdef Py_ssize_t start = slice_start(run, member), stop = slice_start(run, member + 1), i
    cdef const floating* grad
    cdef int m
    for m in range(1, run.barrier.members):
        grad = <const floating*> run.members[m].grad
        for i in range(start, stop):
            total[i] += grad[i]


cdef inline double sum_of_members(const Run* run, int which) noexcept nogil:
    cdef double total = 0
    cdef int m
    for m in range(run.barrier.members):
        total += run.members[m].sums[which]
    return total


cdef inline double data_scale(const NetworkSizes* net, double weight_sum) noexcept nogil:
    return net.objective.scale / (weight_sum if net.objective.mean else 1.0)


cdef inline bint steps_are_plain(const Run* run) noexcept nogil:
    """Whether a step is params -= rate * gradient of one block, and nothing else.

    Then the products that accumulate the gradient subtract it from the parameters at once, as
    textbooks do it sample by sample.
    """
    return (
        run.step.optimizer == SGD and run.step.momentum == 0 and run.step.weight_decay == 0
        and run.alpha == 0 and run.max_grad_norm == 0 and run.net.objective.loss != USER_LOSS
        and run.barrier.members == 1 and run.batch_size <= run.members[0].ws.block_rows
    )


cdef inline void train_batches(Run* run, int member, floating* params) noexcept nogil:
    """What one member does in an epoch; params is run.params."""
    cdef Py_ssize_t first = 0, rows = 0
    cdef Py_ssize_t batch = -1
    cdef double weight_sum, scale, l2, l1, loss
    cdef Step step = run.step
    cdef Dropout* dropout = run.members[member].ws.dropout
    cdef bint plain = steps_are_plain(run)
    cdef floating* own_grad = <floating*> run.members[member].grad
    cdef floating* grad = <floating*> run.members[0].grad
    cdef floating* moments = <floating*> run.moments
    cdef unsigned long long denormals = flush_denormals()
    cdef Py_ssize_t own = slice_start(run, member)
    cdef Py_ssize_t n_own = slice_start(run, member + 1) - own
    begin_steps(&step)
    # A team leaves together, behind a barrier: a member that left here would be waited for forever.
    while first + rows < run.n and not (plain and read_flag(&run.stop)):
        first += rows
        rows = min(run.batch_size, run.n - first)
        batch += 1
        if run.rates != NULL:
            step.learning_rate = run.rates[batch]
        if dropout != NULL:
            begin_masks(dropout, step.n_steps)
        weight_sum = sum_of_weights(
            <const floating*> run.inputs.weights, run.order, first, rows)
        if weight_sum <= 0:
            continue
        scale = data_scale(run.net, weight_sum)
        if plain:
            work_on_share(run, 0, <const floating*> params, first, rows,
                          -step.learning_rate * scale, params, True)
            count_step(&step)
            run.total_loss += scale * run.members[0].sums[LOSS] * <double> rows
            continue
        l2 = run.alpha * (1 - run.l1_ratio) / (2 * weight_sum)
        l1 = run.alpha * run.l1_ratio / weight_sum
        work_on_share(
            run, member, <const floating*> params, first, rows, scale, own_grad, False)
        wait_for_team(&run.barrier)
        if read_flag(&run.stop):
            break
        loss = scale * sum_of_members(run, LOSS)
        add_gradients(run, member, grad)
        add_penalty(run, member, <const floating*> params, grad, l2, l1)
        if run.max_grad_norm > 0:
            clip_gradient(run, member, grad)
        count_step(&step)
        if step.weight_decay > 0:
            decay_weights(&step, params + own, min(n_own, run.net.n_coefs - own))
        optimizer_step(&step, params + own, grad + own, moments + own, run.net.n_params, n_own)
        wait_for_team(&run.barrier)
        if member == 0:
            loss += l2 * sum_of_members(run, SQUARE_NORM) + l1 * sum_of_members(run, ABSOLUTE_NORM)
            run.total_loss += loss * <double> rows
    if member == 0:
        run.step.n_steps = step.n_steps
    restore_denormals(denormals)


cdef inline void evaluate(Run* run, int member, const floating* params) noexcept nogil:
    """What one member does for the loss, and gradient, of all samples: one batch, no step."""
    cdef floating* grad = <floating*> run.members[0].grad
    cdef double weight_sum = sum_of_weights(
        <const floating*> run.inputs.weights, NULL, 0, run.n)
    cdef double scale = data_scale(run.net, weight_sum)
    work_on_share(run, member, params, 0, run.n, scale,
                  <floating*> run.members[member].grad, False)
    wait_for_team(&run.barrier)
    if grad != NULL:
        add_gradients(run, member, grad)
    add_penalty(run, member, params, grad, run.l2, run.l1)
    wait_for_team(&run.barrier)
    if member == 0:
        run.total_loss = (
            scale * sum_of_members(run, LOSS) + run.l2 * sum_of_members(run, SQUARE_NORM)
            + run.l1 * sum_of_members(run, ABSOLUTE_NORM))


cdef inline void train_member(void* run, int member) noexcept nogil:
    if (<Run*> run).item_size == sizeof(float):
        train_batches(<Run*> run, member, <float*> (<Run*> run).params)
    else:
        train_batches(<Run*> run, member, <double*> (<Run*> run).params)


cdef inline void evaluate_member(void* run, int member) noexcept nogil:
    if (<Run*> run).item_size == sizeof(float):
        evaluate(<Run*> run, member, <const float*> (<Run*> run).params)
    else:
        evaluate(<Run*> run, member, <const double*> (<Run*> run).params)


cdef inline int do_work(Run* run, void (*work)(void*, int) noexcept nogil) noexcept nogil:
    """All members at work; -1 when the threads cannot be had, or an exception has been set."""
    run.stop = 0
    run.total_loss = 0
    if run.barrier.members == 1:
        work(run, 0)
    elif run_team(run.barrier.members, work, run) < 0:
        return -1
    return -1 if run.stop else 0
