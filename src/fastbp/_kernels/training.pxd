"""An epoch: mini-batches and their optimizer steps, by a team of threads.

Takes a Training; moves team.params and the optimizer's moments forward by an epoch, and returns
the sum of the batches' losses times their rows in team.total_loss. Every member goes through all
batches (train_batches). After the gradient of a batch is put together (team.pxd), each member
takes the step of its slice of the parameters:

    penalty, (barrier, clipping,) weight decay, optimizer step, barrier
"""
from libc.math cimport sqrt
from libc.string cimport memcmp, memcpy, memset

from .dropout cimport Dropout, begin_masks
from .inputs cimport sum_of_weights
from .losses cimport USER_LOSS
from .network cimport square_norm
from .optimizers cimport (
    OptimizerSettings, Step, begin_steps, count_step, decay_weights, optimizer_step,
)
from .team cimport (
    ABSOLUTE_NORM, GRADIENT_NORM, LOSS, SQUARE_NORM, Team, add_gradients, add_penalty, data_scale,
    grad_of, read_flag, slice_start, sum_of_members, wait_for_team, work_on_share,
)
from .types cimport floating


cdef extern from "simd/fpstate.h" nogil:
    unsigned long long flush_denormals() noexcept
    void restore_denormals(unsigned long long before) noexcept


cdef struct TrainingSettings:
    # All that makes a step more than params -= learning_rate * gradient. 0 is off, for every
    # field, so that steps_are_plain need not know what there is.
    OptimizerSettings optimizer
    double l2                   # the penalty of a batch whose weights have the sum n is
    double l1                   # l2 / (2n) ||W||^2 + l1 / n |W|
    double max_grad_norm
    double dropout
    double input_dropout


cdef struct Training:
    Team team
    TrainingSettings settings
    Py_ssize_t batch_size
    const double* rates         # of the steps of an epoch; NULL: step.learning_rate
    Step step
    void* moments               # (n_moments, n_params)


cdef inline void clip_gradient(
    Team* team, int member, floating* grad, double max_norm
) noexcept nogil:
    """Scales the member's slice so that the norm of the whole gradient is max_norm at most.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    cdef Py_ssize_t start = slice_start(team, member), stop = slice_start(team, member + 1), i
    cdef double norm
    cdef floating factor
    team.members[member].sums[GRADIENT_NORM] = square_norm(
        <const floating*> grad + start, stop - start)
    wait_for_team(&team.barrier)
    norm = sqrt(sum_of_members(team, GRADIENT_NORM))
    if norm > max_norm:
        factor = <floating> (max_norm / norm)
        for i in range(start, stop):
            grad[i] *= factor


cdef inline bint steps_are_plain(const Training* training) noexcept nogil:
    """Whether a step is params -= learning_rate * gradient of one block, and nothing else.

    Then the products that accumulate the gradient subtract it from the parameters at once, as
    textbooks do it sample by sample. A setting rules that out unless it is cleared here.
    """
    cdef const Team* team = &training.team
    cdef TrainingSettings settings, off
    memcpy(&settings, &training.settings, sizeof(settings))
    memset(&off, 0, sizeof(off))
    # the short way works on masked rows as well
    settings.dropout = settings.input_dropout = 0
    return (
        memcmp(&settings, &off, sizeof(off)) == 0
        # what a user's loss raises must keep the step from being taken
        and team.net.objective.loss != USER_LOSS
        and team.barrier.members == 1 and training.batch_size <= team.members[0].ws.block_rows
    )


cdef inline void train_batches(Training* training, int member, floating* params) noexcept nogil:
    """What one member does in an epoch; params is team.params."""
    cdef Team* team = &training.team
    cdef const TrainingSettings* settings = &training.settings
    cdef Py_ssize_t first = 0, rows = 0
    cdef Py_ssize_t batch = -1
    cdef double weight_sum, scale, l2, l1, loss
    cdef Step step = training.step
    cdef Dropout* dropout = team.members[member].ws.dropout
    cdef bint plain = steps_are_plain(training)
    cdef floating* own_grad = <floating*> grad_of(team, member)
    cdef floating* grad = <floating*> team.grad
    cdef floating* moments = <floating*> training.moments
    cdef unsigned long long denormals = flush_denormals()
    cdef Py_ssize_t own = slice_start(team, member)
    cdef Py_ssize_t n_own = slice_start(team, member + 1) - own
    begin_steps(&settings.optimizer, &step)
    # A team may leave the loop behind a barrier only, where all see the same flag: a member that
    # left here would be waited for forever.
    while first + rows < team.n and not (plain and read_flag(&team.stop)):
        first += rows
        rows = min(training.batch_size, team.n - first)
        batch += 1
        if training.rates != NULL:
            step.learning_rate = training.rates[batch]
        if dropout != NULL:
            begin_masks(dropout, step.n_steps)
        weight_sum = sum_of_weights(
            <const floating*> team.inputs.weights, team.order, first, rows)
        if weight_sum <= 0:
            continue
        scale = data_scale(team.net, weight_sum)
        if plain:
            work_on_share(team, 0, <const floating*> params, first, rows,
                          -step.learning_rate * scale, params, True)
            count_step(&settings.optimizer, &step)
            team.total_loss += scale * team.members[0].sums[LOSS] * <double> rows
            continue
        l2 = settings.l2 / (2 * weight_sum)
        l1 = settings.l1 / weight_sum
        work_on_share(
            team, member, <const floating*> params, first, rows, scale, own_grad, False)
        wait_for_team(&team.barrier)
        if read_flag(&team.stop):
            break
        loss = scale * sum_of_members(team, LOSS)
        add_gradients(team, member, grad)
        add_penalty(team, member, <const floating*> params, grad, l2, l1)
        if settings.max_grad_norm > 0:
            clip_gradient(team, member, grad, settings.max_grad_norm)
        count_step(&settings.optimizer, &step)
        if settings.optimizer.weight_decay > 0:
            decay_weights(
                &settings.optimizer, &step, params + own, min(n_own, team.net.n_coefs - own))
        optimizer_step(&settings.optimizer, &step, params + own, grad + own, moments + own,
                       team.net.n_params, n_own)
        wait_for_team(&team.barrier)
        if member == 0:
            loss += (l2 * sum_of_members(team, SQUARE_NORM)
                     + l1 * sum_of_members(team, ABSOLUTE_NORM))
            team.total_loss += loss * <double> rows
    if member == 0:
        training.step.n_steps = step.n_steps
    restore_denormals(denormals)


cdef inline void train_member(void* training, int member) noexcept nogil:
    cdef Team* team = &(<Training*> training).team
    if team.item_size == sizeof(float):
        train_batches(<Training*> training, member, <float*> team.params)
    else:
        train_batches(<Training*> training, member, <double*> team.params)
