"""An epoch: mini-batches and their optimizer steps, by a team of threads.

Takes a Training; moves team.params and the optimizer's moments forward by an epoch, and returns
the sum of the batches' losses times their rows in team.total_loss. After the phases of a batch's
blocks (team.pxd) come those of its step:

    (norm)  with clipping only: the penalty's gradient, and the norm of the gradient, by chunks
    step    a range of the parameters: penalty's gradient or clipping, weight decay, optimizer step

so that each parameter is moved by one thread. Plain gradient descent row by row has no phases, and
a loop of its own.
"""
from libc.math cimport sqrt
from libc.string cimport memcmp, memcpy, memset

from .dropout cimport Dropout, begin_masks
from .inputs cimport Block, Inputs, one_hot_rows, sum_of_weights
from .losses cimport USER_LOSS, sum_losses
from .network cimport (
    deltas_to_hidden_layers, forward_block, gradient_of_block, locate_rows, loss_deltas,
    losses_of_block, square_norm,
)
from .optimizers cimport (
    OptimizerSettings, Step, begin_steps, count_step, decay_weights, optimizer_step,
)
from .signals cimport interrupted
from .sizes cimport NetworkSizes
from .team cimport (
    NORM_CHUNK, Team, absolute_norm_of_coefs, add_penalty_gradient, data_scale, n_chunks,
    piece_start, pieces_of_step, raise_flag, read_flag, run_phase, square_norm_of_coefs,
    work_on_batch,
)
from .types cimport floating
from .workspace cimport Workspace


cdef struct TrainingSettings:
    # All that makes a step more than params -= learning_rate * gradient. 0 is off, for every
    # field, so that steps_are_plain need not know what there is.
    OptimizerSettings optimizer
    double l2                   # the penalty of a batch whose weights have the sum n is
    double l1                   # l2 / (2n) ||W||^2 + l1 / n |W|
    double max_grad_norm
    Py_ssize_t n_groups         # of parameters that have learning rates of their own
    double dropout
    double input_dropout


cdef struct Training:
    Team team
    TrainingSettings settings
    Py_ssize_t batch_size
    const double* rates         # of the steps of an epoch; NULL: step.learning_rate
    const Py_ssize_t* group_ends    # (n_groups,): the first starts at 0, the last ends at n_params
    const double* group_factors     # of the learning rate
    Step step
    void* moments               # (n_moments, n_params)
    Step now                    # within an epoch
    bint clips                  # the step at hand does, by the factor
    double clipping


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
        # whose gradient reads the parameters
        and not team.net.front.exists
        and training.batch_size <= team.ws.block_rows
    )


cdef inline void add_penalty_and_norm(
    Training* training, const floating* params, floating* grad, Py_ssize_t chunk
) noexcept nogil:
    """The penalty's gradient in a chunk, and then the squared norm of its gradient."""
    cdef Team* team = &training.team
    cdef Py_ssize_t start = chunk * NORM_CHUNK
    cdef Py_ssize_t stop = min(start + NORM_CHUNK, team.net.n_params)
    add_penalty_gradient(team, params, grad, start, stop)
    team.norms[chunk].gradient = square_norm(<const floating*> grad + start, stop - start)


cdef inline void work_on_piece_of_norm(void* context, int _, Py_ssize_t piece) noexcept nogil:
    cdef Training* training = <Training*> context
    cdef Team* team = &training.team
    if team.item_size == sizeof(float):
        add_penalty_and_norm(
            training, <const float*> team.params, <float*> team.grad, piece)
    else:
        add_penalty_and_norm(
            training, <const double*> team.params, <double*> team.grad, piece)


cdef inline void find_clipping(Training* training) noexcept nogil:
    """The factor that makes the norm of the whole gradient max_grad_norm at most.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    cdef Team* team = &training.team
    cdef Py_ssize_t chunk, chunks = n_chunks(team.net.n_params)
    cdef double norm = 0
    run_phase(team.crew, chunks, work_on_piece_of_norm, training)
    for chunk in range(chunks):
        norm += team.norms[chunk].gradient
    norm = sqrt(norm)
    training.clips = norm > training.settings.max_grad_norm
    if training.clips:
        training.clipping = training.settings.max_grad_norm / norm


cdef inline void take_step(
    Training* training, floating* params, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    """Penalty (clipping has added it already) or clipping, decay and step of [start, stop)."""
    cdef const Team* team = &training.team
    cdef const TrainingSettings* settings = &training.settings
    cdef floating* grad = <floating*> team.grad
    cdef floating factor
    cdef Py_ssize_t i, group_start = 0, group_stop
    cdef Step step = training.now
    if settings.max_grad_norm <= 0:
        add_penalty_gradient(team, <const floating*> params, grad, start, stop)
    elif training.clips:
        factor = <floating> training.clipping
        for i in range(start, stop):
            grad[i] *= factor
    if settings.n_groups == 0:
        move(training, &training.now, params, start, stop)
        return
    for i in range(settings.n_groups):
        group_start = max(group_start, start)
        group_stop = min(training.group_ends[i], stop)
        if group_start < group_stop:
            step.learning_rate = training.now.learning_rate * training.group_factors[i]
            move(training, &step, params, group_start, group_stop)
        group_start = training.group_ends[i]


cdef inline void move(
    Training* training, const Step* step, floating* params, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    """Decay and optimizer step of parameters [start, stop), which have one learning rate."""
    cdef const Team* team = &training.team
    cdef const OptimizerSettings* settings = &training.settings.optimizer
    if settings.weight_decay > 0:
        decay_weights(settings, step, params + start, min(stop, team.net.n_coefs) - start)
    optimizer_step(
        settings, step, params + start, <const floating*> team.grad + start,
        <floating*> training.moments + start, team.net.n_params, stop - start)


cdef inline void work_on_piece_of_step(void* context, int _, Py_ssize_t piece) noexcept nogil:
    cdef Training* training = <Training*> context
    cdef Team* team = &training.team
    cdef Py_ssize_t pieces = pieces_of_step(team)
    cdef Py_ssize_t start = piece_start(team.net.n_params, piece, pieces)
    cdef Py_ssize_t stop = piece_start(team.net.n_params, piece + 1, pieces)
    if team.item_size == sizeof(float):
        take_step(training, <float*> team.params, start, stop)
    else:
        take_step(training, <double*> team.params, start, stop)


cdef inline bint rows_are_read_in_place(const Training* training) noexcept nogil:
    """Whether a batch is one row of a matrix, which nothing has to change or to convert."""
    cdef const Team* team = &training.team
    return (
        training.batch_size == 1 and team.inputs.dense != NULL and team.ws.dropout == NULL
        and team.net.objective.label_smoothing <= 0
    )


cdef inline void train_rows(Training* training, floating* params) noexcept nogil:
    """An epoch of plain steps of one row each; params is team.params."""
    cdef Team* team = &training.team
    cdef const NetworkSizes* net = team.net
    cdef const Inputs* inputs = team.inputs
    cdef const Workspace* ws = &team.ws
    cdef Step* step = &training.now
    cdef double row_work = 3.0 * <double> net.n_coefs
    cdef double scale = data_scale(net, 1), loss
    cdef floating* deltas = <floating*> ws.deltas[net.n_layers - 1]
    cdef Block block = locate_rows(
        net, inputs, team.order, 0, 0, 1, 1, ws, sizeof(floating))
    cdef Py_ssize_t i, row
    for i in range(team.n):
        row = team.order[i]
        if training.rates != NULL:
            step.learning_rate = training.rates[i]
        if inputs.weights != NULL:
            block.weights = <const floating*> inputs.weights + row
            if (<const floating*> block.weights)[0] <= 0:
                continue
            scale = data_scale(net, (<const floating*> block.weights)[0])
        block.dense = <const floating*> inputs.dense + row * net.n_features
        if inputs.targets != NULL:
            block.targets = <const floating*> inputs.targets + row * net.n_outputs
        else:
            one_hot_rows(
                inputs.labels, net.n_outputs, team.order, i, 1, <floating*> ws.targets)
        forward_block(net, params, inputs, &block, ws)
        losses_of_block(net, &block, ws, <const floating*> ws.outputs)
        loss_deltas(net, &block, -step.learning_rate * scale, ws, deltas)
        deltas_to_hidden_layers(net, params, &block, ws)
        loss = sum_losses(ws.losses, <const floating*> block.weights, 1)
        gradient_of_block(net, params, inputs, &block, 0, 1, ws, params, True)
        step.n_steps += 1
        team.total_loss += scale * loss
        if interrupted(&team.poll, row_work):
            raise_flag(&team.stop)
            break


cdef inline void train_batches(Training* training, floating* params) noexcept nogil:
    """An epoch; params is team.params."""
    cdef Team* team = &training.team
    cdef const TrainingSettings* settings = &training.settings
    cdef Py_ssize_t first = 0, rows = 0
    cdef Py_ssize_t batch = -1
    cdef double weight_sum, scale, loss, penalty
    cdef Step* step = &training.now
    cdef Dropout* dropout = team.ws.dropout
    cdef bint plain = steps_are_plain(training)
    step[0] = training.step
    team.moves_params = plain
    begin_steps(&settings.optimizer, step)
    if plain and rows_are_read_in_place(training):
        train_rows(training, params)
        training.step.n_steps = step.n_steps
        return
    while first + rows < team.n and not read_flag(&team.stop):
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
            loss = work_on_batch(
                team, <const floating*> params, first, rows, -step.learning_rate * scale, params,
                True, False)
            if read_flag(&team.stop):
                break
            count_step(&settings.optimizer, step)
            team.total_loss += scale * loss * <double> rows
            continue
        team.l2 = settings.l2 / (2 * weight_sum)
        team.l1 = settings.l1 / weight_sum
        loss = work_on_batch(
            team, <const floating*> params, first, rows, scale, <floating*> team.grad, False, True)
        if read_flag(&team.stop):
            break
        if settings.max_grad_norm > 0:
            find_clipping(training)
        count_step(&settings.optimizer, step)
        if team.crew == NULL:
            take_step(training, params, 0, team.net.n_params)
        else:
            run_phase(team.crew, pieces_of_step(team), work_on_piece_of_step, training)
        penalty = (
            team.l2 * square_norm_of_coefs(team) + team.l1 * absolute_norm_of_coefs(team))
        team.total_loss += (scale * loss + penalty) * <double> rows
    training.step.n_steps = step.n_steps


cdef inline void step_along_gradient(void* context) noexcept nogil:
    """What run_together runs: one step along team.grad, which has the penalty's gradient in it."""
    cdef Training* training = <Training*> context
    cdef Team* team = &training.team
    cdef Step* step = &training.now
    step[0] = training.step
    begin_steps(&training.settings.optimizer, step)
    team.l2 = team.l1 = 0
    if training.settings.max_grad_norm > 0:
        find_clipping(training)
    count_step(&training.settings.optimizer, step)
    run_phase(team.crew, pieces_of_step(team), work_on_piece_of_step, training)
    training.step.n_steps = step.n_steps


cdef inline void train_all(void* training) noexcept nogil:
    """What run_together runs."""
    cdef Team* team = &(<Training*> training).team
    if team.item_size == sizeof(float):
        train_batches(<Training*> training, <float*> team.params)
    else:
        train_batches(<Training*> training, <double*> team.params)
