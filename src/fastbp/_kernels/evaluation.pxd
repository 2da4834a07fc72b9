"""J of all samples, and its gradient: one batch of all rows, by a team of threads.

Takes an Evaluation; returns J in team.total_loss, and, unless they are NULL, the gradient in
team.grad and the outputs in team.outputs.
"""
from .inputs cimport sum_of_weights
from .team cimport (
    ABSOLUTE_NORM, LOSS, SQUARE_NORM, Team, add_gradients, add_penalty, data_scale, grad_of,
    sum_of_members, wait_for_team, work_on_share,
)
from .types cimport floating


cdef struct Evaluation:
    Team team
    double l2
    double l1


cdef inline void evaluate(
    Evaluation* evaluation, int member, const floating* params
) noexcept nogil:
    """What one member does; params is team.params."""
    cdef Team* team = &evaluation.team
    cdef floating* grad = <floating*> team.grad
    cdef double weight_sum = sum_of_weights(
        <const floating*> team.inputs.weights, NULL, 0, team.n)
    cdef double scale = data_scale(team.net, weight_sum)
    work_on_share(
        team, member, params, 0, team.n, scale, <floating*> grad_of(team, member), False)
    wait_for_team(&team.barrier)
    if grad != NULL:
        add_gradients(team, member, grad)
    add_penalty(team, member, params, grad, evaluation.l2, evaluation.l1)
    wait_for_team(&team.barrier)
    if member == 0:
        team.total_loss = (
            scale * sum_of_members(team, LOSS)
            + evaluation.l2 * sum_of_members(team, SQUARE_NORM)
            + evaluation.l1 * sum_of_members(team, ABSOLUTE_NORM))


cdef inline void evaluate_member(void* evaluation, int member) noexcept nogil:
    cdef Team* team = &(<Evaluation*> evaluation).team
    if team.item_size == sizeof(float):
        evaluate(<Evaluation*> evaluation, member, <const float*> team.params)
    else:
        evaluate(<Evaluation*> evaluation, member, <const double*> team.params)
