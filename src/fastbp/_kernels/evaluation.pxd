"""J of all samples, or of some, and its gradient: one batch, by a team of threads.

Takes an Evaluation; returns J in team.total_loss, and, unless they are NULL, the gradient in
team.grad and the outputs in team.outputs.
"""
from .inputs cimport sum_of_weights
from .team cimport (
    Team, absolute_norm_of_coefs, add_penalty_gradient, data_scale, piece_start, pieces_of_step,
    run_phase, square_norm_of_coefs, work_on_batch,
)
from .types cimport floating


cdef struct Evaluation:
    Team team                   # with l2 and l1 of the penalty


cdef inline void add_piece_of_penalty(void* context, int _, Py_ssize_t piece) noexcept nogil:
    cdef Team* team = <Team*> context
    cdef Py_ssize_t pieces = pieces_of_step(team)
    cdef Py_ssize_t start = piece_start(team.net.n_params, piece, pieces)
    cdef Py_ssize_t stop = piece_start(team.net.n_params, piece + 1, pieces)
    if team.item_size == sizeof(float):
        add_penalty_gradient(
            team, <const float*> team.params, <float*> team.grad, start, stop)
    else:
        add_penalty_gradient(
            team, <const double*> team.params, <double*> team.grad, start, stop)


cdef inline void evaluate(Team* team, const floating* params) noexcept nogil:
    cdef double weight_sum = sum_of_weights(
        <const floating*> team.inputs.weights, team.order, 0, team.n)
    cdef double scale = data_scale(team.net, weight_sum)
    cdef double loss = work_on_batch(
        team, params, 0, team.n, scale, <floating*> team.grad, False, True)
    if team.grad != NULL and (team.l2 > 0 or team.l1 > 0):
        run_phase(team.crew, pieces_of_step(team), add_piece_of_penalty, team)
    team.total_loss = (
        scale * loss + team.l2 * square_norm_of_coefs(team)
        + team.l1 * absolute_norm_of_coefs(team))


cdef inline void evaluate_all(void* evaluation) noexcept nogil:
    """What run_together runs."""
    cdef Team* team = &(<Evaluation*> evaluation).team
    if team.item_size == sizeof(float):
        evaluate(team, <const float*> team.params)
    else:
        evaluate(team, <const double*> team.params)
