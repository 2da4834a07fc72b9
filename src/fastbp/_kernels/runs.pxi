"""Runs: what works through a whole data set by a team of threads, as often as it is asked to.

An Evaluator computes J and its gradient; a Trainer moves parameters, epoch by epoch, in the order
that shuffle makes. Both hold the memory that the work needs.
"""
from cpython.pycapsule cimport PyCapsule_GetPointer
from fastbp._kernels.crew_size cimport begin_crew_size
from fastbp._kernels.evaluation cimport Evaluation, evaluate_all
from fastbp._kernels.optimizers cimport (
    N_MOMENTS_OF, N_OPTIMIZERS, Optimizer, read_optimizer, read_setting,
)
from fastbp._kernels.shuffling cimport BitGenerator, shuffle_indices
from fastbp._kernels.sizes cimport NetworkSizes
from fastbp._kernels.team cimport (
    DONE, MAX_TEAM, NO_THREADS, Team, allocate_team, free_team, run_together,
)
from fastbp._kernels.training cimport (
    Training, TrainingSettings, step_along_gradient, train_all,
)
from fastbp._kernels.workspace cimport ALIGNMENT, round_up
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


cdef int form_team(
    Team* team, BoundPlan bound, Samples samples, int n_threads, Py_ssize_t batch_rows
) except -1:
    """The rest of a Team, whose gathers, backward, dropout and adapts are set."""
    team.net, team.inputs, team.item_size = &bound.net, &samples.inputs, samples.item_size
    team.batch_rows = batch_rows
    team.n_threads = max(1, min(n_threads, batch_rows, <int> MAX_TEAM))
    team.adapts = team.adapts and team.n_threads > 1
    team.size = begin_crew_size(team.n_threads)
    if allocate_team(team) < 0:
        raise MemoryError(f"no memory for a batch of {batch_rows} rows")
    return 0


cdef int raise_failure(const Team* team, BoundPlan bound, int outcome) except -1:
    """Raises what has kept run_together from its end."""
    if outcome == NO_THREADS:
        raise RuntimeError(
            f"{team.n_threads - 1} more threads cannot be started; set n_threads=1")
    bound.raise_error_of_user_loss()
    return raise_pending()


cdef class Evaluator:
    """J of all samples, or of some, and its gradient, at any parameters.

    gradient: whether gradients will be asked for. adapts: n_threads is the most, and fewer
    work where so many cannot be started or are not faster, instead of a RuntimeError.
    """
    cdef Evaluation evaluation
    cdef BoundPlan bound
    cdef Samples samples

    def __cinit__(
        self, Plan plan not None, Samples samples not None, double l2, double l1=0.0, *,
        bint gradient=True, int n_threads=1, bint adapts=False,
    ):
        cdef Team* team = &self.evaluation.team
        check_call(plan, samples, plan.net.n_params, samples.item_size, True)
        self.bound, self.samples = bind_plan(plan), samples
        team.l2, team.l1 = l2, l1
        team.n = samples.inputs.n_samples
        team.gathers, team.backward, team.adapts = True, gradient, adapts
        form_team(team, self.bound, samples, n_threads, team.n)

    def __dealloc__(self):
        free_team(&self.evaluation.team)

    cdef int take_order(self, const Py_ssize_t[::1] order) except -1:
        """The samples of the next evaluation; None: all as they stand."""
        cdef Team* team = &self.evaluation.team
        cdef Py_ssize_t n_samples = team.inputs.n_samples
        team.order, team.n = NULL, n_samples
        if order is None:
            return 0
        if order.shape[0] < 1:
            raise ValueError("an evaluation without samples")
        if not are_within[Py_ssize_t](&order[0], order.shape[0], n_samples):
            raise ValueError(f"samples outside 0..{n_samples - 1}")
        team.order, team.n = &order[0], order.shape[0]
        return 0

    def evaluate(
        self, params, grad=None, outputs=None, const Py_ssize_t[::1] order=None
    ):
        """J of samples[order]; order None: of all samples as they stand.

        Unless None, grad (n_params,) = dJ/dparams and outputs (n * n_outputs,), where n samples are
        evaluated.
        """
        cdef Team* team = &self.evaluation.team
        cdef Py_ssize_t n_params = team.net.n_params
        cdef int outcome
        self.take_order(order)
        team.params = vector_of(params, n_params, team.item_size, False)
        team.grad = NULL
        if grad is not None:
            if not team.backward:
                raise ValueError("an Evaluator without gradients was asked for one")
            team.grad = vector_of(grad, n_params, team.item_size, True)
        team.outputs = NULL
        if outputs is not None:
            team.outputs = vector_of(outputs, team.n * team.net.n_outputs, team.item_size, True)
        with nogil:
            outcome = run_together(team, evaluate_all, &self.evaluation)
        if outcome != DONE:
            raise_failure(team, self.bound, outcome)
        return team.total_loss


cdef int read_settings(TrainingSettings* to, settings, Optimizer optimizer) except -1:
    """The attributes of settings, named as the estimators' parameters; 0 where nobody reads one."""
    cdef double alpha = read_setting(settings, "alpha")
    cdef double l1_ratio = read_setting(settings, "l1_ratio")
    read_optimizer(&to.optimizer, settings, optimizer)
    to.l2, to.l1 = alpha * (1 - l1_ratio), alpha * l1_ratio
    if settings.max_grad_norm is not None:
        to.max_grad_norm = read_setting(settings, "max_grad_norm")
    to.dropout = read_setting(settings, "dropout")
    to.input_dropout = read_setting(settings, "input_dropout")
    return 0


cdef class Trainer:
    """A run of stochastic training: moves params, and the optimizer's moments, epoch by epoch.

    params (n_params,) and moments (n_moments * n_params,) are of the samples' type. settings: any
    object with the attributes learning_rate_init, alpha, l1_ratio, weight_decay, max_grad_norm
    (None: no clipping), dropout and input_dropout, and those that the optimizer reads: momentum
    and nesterovs_momentum, or beta_1, beta_2 and epsilon. n_steps counts the steps taken.
    groups: (ends, factors), None for one of all: ends (n_groups,) of Py_ssize_t, up to n_params,
    divide the parameters into groups, whose learning rates are multiplied by factors (n_groups,).
    adapts: n_threads is the most, and fewer work where so many cannot be started or are not
    faster, instead of a RuntimeError.

    The penalty of a batch whose weights have the sum n is
    alpha / (2n) * ((1 - l1_ratio) ||W||^2 + 2 l1_ratio |W|). The number of threads has no effect
    on the result.
    """
    cdef Training training
    cdef BoundPlan bound
    cdef tuple held
    cdef tuple groups
    cdef void* grad_memory

    def __cinit__(
        self, Plan plan not None, params, moments, Samples samples not None, settings, *,
        int optimizer, Py_ssize_t batch_size, double n_steps, unsigned long long dropout_seed=0,
        tuple groups=None, int n_threads=1, bint adapts=False,
    ):
        cdef Training* training = &self.training
        cdef Team* team = &training.team
        cdef Py_ssize_t n_params = plan.net.n_params
        cdef size_t item_size = samples.item_size
        check_call(plan, samples, n_params, item_size, True)
        if batch_size < 1:
            raise ValueError(f"batches of {batch_size}")
        if not 0 <= optimizer < N_OPTIMIZERS:
            raise ValueError(f"no optimizer has the number {optimizer}")
        self.bound, self.held = bind_plan(plan), (params, moments, samples)
        read_settings(&training.settings, settings, <Optimizer> optimizer)
        if groups is not None:
            self.take_groups(groups[0], groups[1])
        training.batch_size = batch_size
        training.step.learning_rate = settings.learning_rate_init
        training.step.n_steps = n_steps
        team.params = vector_of(params, n_params, item_size, True)
        training.moments = vector_of(
            moments, N_MOMENTS_OF[optimizer] * n_params, item_size, True)
        team.dropout.hidden = training.settings.dropout
        team.dropout.inputs = training.settings.input_dropout
        team.dropout.seed = dropout_seed
        team.gathers, team.backward, team.adapts = True, True, adapts
        team.flushes = True
        form_team(team, self.bound, samples, n_threads, batch_size)
        self.grad_memory = calloc(n_params * item_size + ALIGNMENT, 1)
        if self.grad_memory == NULL:
            raise MemoryError("no memory for a gradient")
        team.grad = <void*> round_up(<size_t> self.grad_memory, ALIGNMENT)

    cdef int take_groups(
        self, const Py_ssize_t[::1] ends, const double[::1] factors
    ) except -1:
        cdef Py_ssize_t i, n = ends.shape[0], end = 0
        check_size(factors.shape[0], n)
        for i in range(n):
            if ends[i] <= end:
                raise ValueError("groups of parameters that do not follow one another")
            end = ends[i]
        check_size(end, self.bound.net.n_params)
        self.groups = (ends, factors)
        self.training.settings.n_groups = n
        self.training.group_ends, self.training.group_factors = &ends[0], &factors[0]
        return 0

    def __dealloc__(self):
        free_team(&self.training.team)
        free(self.grad_memory)

    @property
    def n_threads(self):
        """Of the next step."""
        cdef const Team* team = &self.training.team
        return team.size.n_threads if team.adapts else team.n_threads

    @property
    def n_steps(self):
        return self.training.step.n_steps

    @property
    def learning_rate(self):
        return self.training.step.learning_rate

    @learning_rate.setter
    def learning_rate(self, double rate):
        self.training.step.learning_rate = rate

    def train_epoch(
        self, const Py_ssize_t[::1] order not None, const double[::1] rates=None
    ):
        """One pass over samples[order] in batches; an optimizer step of params after each.

        rates: the learning rate of each step, learning_rate for all by default. Returns the mean
        over samples of their batch's loss before its step. A batch whose weights are all zero is
        passed over. Raises KeyboardInterrupt between two steps on Ctrl-C.
        """
        cdef Training* training = &self.training
        cdef Team* team = &training.team
        cdef int outcome
        if order.shape[0] < 1:
            raise ValueError("an epoch without samples")
        team.order, team.n = &order[0], order.shape[0]
        training.rates = NULL
        if rates is not None:
            check_size(
                rates.shape[0], (team.n + training.batch_size - 1) // training.batch_size)
            training.rates = &rates[0]
        with nogil:
            outcome = run_together(team, train_all, training)
        if outcome != DONE:
            raise_failure(team, self.bound, outcome)
        return team.total_loss / <double> team.n

    def step(self, grad):
        """One optimizer step along a gradient of J (n_params,) that was computed elsewhere.

        The gradient of the penalty is in it, so that alpha has no effect here.
        """
        cdef Training* training = &self.training
        cdef Team* team = &training.team
        cdef Py_ssize_t n_params = team.net.n_params
        cdef int outcome
        memcpy(
            team.grad, vector_of(grad, n_params, team.item_size, False),
            n_params * team.item_size)
        with nogil:
            outcome = run_together(team, step_along_gradient, training)
        if outcome != DONE:
            raise_failure(team, self.bound, outcome)

    def params_are_finite(self):
        """Whether no parameter is NaN or infinite."""
        cdef const Team* team = &self.training.team
        if team.item_size == sizeof(float):
            return are_finite(<const float*> team.params, team.net.n_params)
        return are_finite(<const double*> team.params, team.net.n_params)


def shuffle(Py_ssize_t[::1] order not None, bit_generator):
    """Shuffle order in place as numpy.random.RandomState.shuffle does with that bit generator.

    bit_generator: a numpy.random.BitGenerator, whose lock the caller holds.
    """
    cdef BitGenerator* bits = <BitGenerator*> PyCapsule_GetPointer(
        bit_generator.capsule, "BitGenerator")
    cdef Py_ssize_t n = order.shape[0]
    if n > 1:
        with nogil:
            shuffle_indices(&order[0], n, bits)
