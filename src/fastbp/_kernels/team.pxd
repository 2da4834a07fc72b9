"""A team of threads: a batch's rows shared among them, and their sums put together.

Takes a Team: network, parameters, data, and one Member per thread, each with its own workspace
and gradient; run_together runs a function of training.pxd or evaluation.pxd in all members. A
batch is

    each member     loss and gradient of its share of the batch's rows
    barrier
    each member     its slice of the parameters: gradients added in the members' order, penalty
    barrier

so that the result depends on the number of threads, but not on their timing. One member needs
no barriers. The first member is the caller's thread: only it looks for Ctrl-C.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .dropout cimport Dropout
from .inputs cimport Block, Inputs
from .losses cimport USER_LOSS, Objective, sum_losses
from .network cimport (
    NetworkSizes, Workspace, allocate, backward_block, forward_rows, release,
)
from .penalties cimport add_l1_gradient, add_l2_gradient, l1_norm, l2_penalty
from .signals cimport Poll, interrupted
from .types cimport floating


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
    DONE = 0                    # what run_together returns
    STOPPED = 1                 # an exception is set, or the user's loss has raised one
    NO_THREADS = 2              # the threads cannot be started; nothing has been done
    NO_MEMORY = 3               # they cannot, and there is no memory for the caller alone


cdef struct Member:
    Workspace ws
    Dropout dropout
    void* grad                  # (n_params,), of its rows; the first member uses Team.grad
    # LOSS: sum_i w_i l of its rows; of its slice SQUARE_NORM: ||W||^2, ABSOLUTE_NORM: |W|,
    # GRADIENT_NORM: the squared norm of the gradient
    double[4] sums


cdef struct Team:
    const NetworkSizes* net
    const Inputs* inputs
    const Py_ssize_t* order     # (n,); NULL: all rows as they stand
    Py_ssize_t n
    size_t item_size
    void* params                # (n_params,)
    void* grad                  # (n_params,), of all rows; NULL: losses only
    void* outputs               # (n, n_outputs), filled unless NULL
    double total_loss           # training: the sum over batches of loss times rows
    # what the workspaces must hold
    Py_ssize_t batch_rows       # of the largest batch
    bint gathers                # rows in another order
    bint backward               # gradients
    Dropout dropout             # rates of 0: none
    bint may_shrink             # to the caller alone, where the other threads cannot be started
    Member* members             # barrier.members of them
    Barrier barrier
    int stop                    # an exception is set: all members return without another step
    Poll poll


cdef inline Py_ssize_t share(Py_ssize_t n, int member, int members) noexcept nogil:
    """Where the share of a member begins; it ends where that of the next one begins."""
    return n * member // members


cdef inline Py_ssize_t slice_start(const Team* team, int member) noexcept nogil:
    cdef Py_ssize_t n_params = team.net.n_params
    if member == team.barrier.members:
        return n_params
    return share(n_params, member, team.barrier.members) // SLICE * SLICE


cdef inline void free_team(Team* team) noexcept nogil:
    cdef int m
    if team.members == NULL:
        return
    for m in range(team.barrier.members):
        release(&team.members[m].ws)
        free(team.members[m].grad)
    free(team.members)
    team.members = NULL


cdef inline int allocate_member(Team* team, int member) noexcept nogil:
    cdef Member* self = &team.members[member]
    cdef int members = team.barrier.members
    cdef Py_ssize_t rows = (team.batch_rows + members - 1) // members
    cdef bint drops = team.dropout.hidden > 0 or team.dropout.inputs > 0
    self.dropout = team.dropout
    if allocate(&self.ws, team.net, rows, team.item_size, team.gathers, team.backward,
                &self.dropout if drops else NULL) < 0:
        return -1
    if team.backward and member > 0:
        self.grad = calloc(team.net.n_params, team.item_size)
        if self.grad == NULL:
            return -1
    return 0


cdef inline int allocate_team(Team* team, int members) noexcept nogil:
    """Workspaces and gradients of so many members; -1, with none, when there is no memory."""
    cdef int m
    team.members = <Member*> calloc(members, sizeof(Member))
    if team.members == NULL:
        return -1
    team.barrier.members = members
    for m in range(members):
        if allocate_member(team, m) < 0:
            free_team(team)
            return -1
    return 0


cdef inline void* grad_of(const Team* team, int member) noexcept nogil:
    if member == 0 or team.grad == NULL:
        return team.grad
    return team.members[member].grad


cdef inline bint user_loss_failed(const Objective* objective) noexcept nogil:
    return objective.loss == USER_LOSS and objective.user_loss_failed[0]


cdef inline void zero(floating* x, Py_ssize_t n) noexcept nogil:
    memset(x, 0, n * sizeof(floating))


cdef inline void work_on_share(
    Team* team, int member, const floating* params, Py_ssize_t batch_first, Py_ssize_t batch_rows,
    double scale, floating* grad, bint accumulate
) noexcept nogil:
    """The loss of the member's share of rows order[batch_first:batch_first + batch_rows].

    Also grad (+)= its gradient, unless grad is NULL, and the outputs, unless team.outputs is.
    """
    cdef Member* self = &team.members[member]
    cdef Workspace* ws = &self.ws
    cdef Py_ssize_t start = share(batch_rows, member, team.barrier.members)
    cdef Py_ssize_t stop = share(batch_rows, member + 1, team.barrier.members), n
    cdef Block block
    cdef double row_work = (3.0 if grad != NULL else 1.0) * <double> team.net.n_coefs
    self.sums[LOSS] = 0
    if start == stop and grad != NULL and not accumulate:
        zero(grad, team.net.n_params)
    while start < stop and not read_flag(&team.stop):
        n = min(ws.block_rows, stop - start)
        block = forward_rows(
            team.net, params, team.inputs, team.order, batch_first + start, n, ws)
        self.sums[LOSS] += sum_losses(
            &team.net.objective, <const floating*> ws.activations[team.net.n_layers - 1],
            <const floating*> ws.outputs, ws.losses, <const floating*> block.targets,
            <const floating*> block.weights, n, team.net.n_outputs)
        if team.outputs != NULL:
            memcpy(<floating*> team.outputs + (batch_first + start) * team.net.n_outputs,
                   ws.outputs, n * team.net.n_outputs * sizeof(floating))
        if grad != NULL:
            backward_block(team.net, params, team.inputs, &block, scale, ws, grad, accumulate)
            accumulate = True
        start += n
        if member == 0 and (interrupted(&team.poll, row_work * <double> n)
                            or user_loss_failed(&team.net.objective)):
            raise_flag(&team.stop)


cdef inline void add_gradients(Team* team, int member, floating* total) noexcept nogil:
    """total, which is the first member's gradient, += those of the others, in a slice."""
    cdef Py_ssize_t start = slice_start(team, member), stop = slice_start(team, member + 1), i
    cdef const floating* grad
    cdef int m
    for m in range(1, team.barrier.members):
        grad = <const floating*> team.members[m].grad
        for i in range(start, stop):
            total[i] += grad[i]


cdef inline void add_penalty(
    Team* team, int member, const floating* params, floating* grad, double l2, double l1
) noexcept nogil:
    """||W||^2 and |W| of the member's slice; also the penalty's gradient unless grad is NULL."""
    cdef Py_ssize_t start = slice_start(team, member)
    cdef Py_ssize_t stop = min(slice_start(team, member + 1), team.net.n_coefs)
    team.members[member].sums[SQUARE_NORM] = 0
    if l2 > 0 and start < stop:
        team.members[member].sums[SQUARE_NORM] = l2_penalty(1, params + start, stop - start)
        if grad != NULL:
            add_l2_gradient(l2, params + start, grad + start, stop - start)
    team.members[member].sums[ABSOLUTE_NORM] = 0
    if l1 > 0 and start < stop:
        team.members[member].sums[ABSOLUTE_NORM] = l1_norm(params + start, stop - start)
        if grad != NULL:
            add_l1_gradient(l1, params + start, grad + start, stop - start)


cdef inline double sum_of_members(const Team* team, int which) noexcept nogil:
    cdef double total = 0
    cdef int m
    for m in range(team.barrier.members):
        total += team.members[m].sums[which]
    return total


cdef inline double data_scale(const NetworkSizes* net, double weight_sum) noexcept nogil:
    return net.objective.scale / (weight_sum if net.objective.mean else 1.0)


cdef inline int run_together(
    Team* team, void (*work)(void*, int) noexcept nogil, void* context
) noexcept nogil:
    """work(context, member) in all members; returns DONE or why it is not."""
    team.stop = 0
    team.total_loss = 0
    if team.members == NULL and allocate_team(team, 1) < 0:  # an earlier call found no memory
        return NO_MEMORY
    if team.barrier.members == 1:
        work(context, 0)
    elif run_team(team.barrier.members, work, context) < 0:
        if not team.may_shrink:
            return NO_THREADS
        # for good, with the workspace of a team of one: the numbers are those of n_threads=1
        free_team(team)
        if allocate_team(team, 1) < 0:
            return NO_MEMORY
        work(context, 0)
    return STOPPED if team.stop else DONE
