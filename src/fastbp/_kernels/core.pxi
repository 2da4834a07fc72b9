"""The entry points of the compiled core; core_<build>.pyx include this file.

    Plan        sizes, activations and objective of a network, checked once
    Samples     one data set: rows of X (dense or CSR), targets, weights
    Evaluator   J and its gradient at any parameters
    Trainer     a run of stochastic training: epochs of mini-batches and optimizer steps
    forward, forward_dense                              outputs
    per_sample_gradients, per_sample_square_norms       of each sample's own loss, by parameters
    input_gradients                                     the same by inputs
    output_jacobian                                     outputs by parameters and by inputs
    shuffle, all_finite

Arrays are C-contiguous float32 or float64, all of a call of one type; whatever their values and
shapes were, fastbp.inputs has checked them before. What is checked here again is what would
read or write outside an array.
"""
import numpy

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pycapsule cimport PyCapsule_GetPointer
from fastbp._kernels.activations cimport (
    ACTIVATION_NAMES, IDENTITY, N_ACTIVATIONS, Activation,
)
from fastbp._kernels.dropout cimport Dropout
from fastbp._kernels.inputs cimport Block
from fastbp._kernels.losses cimport (
    LOSS_NAMES, N_LOSSES, N_OUTPUTS, OUTPUT_NAMES, QUANTILE, USER_LOSS, Loss, Output,
)
from fastbp._kernels.network cimport (
    Layer, NetworkSizes, Workspace, add_square_norms, allocate, delta_to_inputs, forward_rows,
    gradient_of_rows, loss_deltas, output_deltas, padded_stride, release,
)
from fastbp._kernels.shuffling cimport BitGenerator, shuffle_indices
from fastbp._kernels.signals cimport Poll, interrupted
from fastbp._kernels.training cimport (
    MAX_TEAM, Run, dismiss, do_work, enlist, evaluate_member, train_member,
)
from fastbp._kernels.types cimport ADAM, RPROP, SGD, Inputs, Optimizer, Step, floating
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from "simd/cpu.h" nogil:
    int c_cpu_level "cpu_level"() noexcept

cdef extern from *:
    """
    #if defined(__clang__)
    #define FASTBP_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define FASTBP_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
    #define FASTBP_COMPILER "MSVC"
    #else
    #define FASTBP_COMPILER "an unknown compiler"
    #endif
    """
    const char* FASTBP_COMPILER

cdef dict members(const char** names, int n):
    """The members of an enum by their names, which stand in the enum's order."""
    return {names[member].decode(): member for member in range(n)}


COMPILER = FASTBP_COMPILER.decode()
ACTIVATIONS = members(ACTIVATION_NAMES, N_ACTIVATIONS)
OUTPUTS = members(OUTPUT_NAMES, N_OUTPUTS)
LOSSES = members(LOSS_NAMES, N_LOSSES)
OPTIMIZERS = {"sgd": SGD, "adam": ADAM, "rprop": RPROP}
N_MOMENTS = {"sgd": 1, "adam": 2, "rprop": 2}
USER = <int> USER_LOSS
MAX_THREADS = MAX_TEAM


def cpu_level():
    """0: this CPU runs the baseline build only, 1: also AVX2, 2: also AVX-512."""
    return c_cpu_level()


cdef bint are_finite(const floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint found = False
    for i in range(n):
        # x - x is 0 only for finite x; no branch, so that the loop is vector code
        found |= x[i] - x[i] != 0
    return not found


def all_finite(const floating[::1] array not None):
    """Whether no element is NaN or infinite."""
    cdef bint finite = True
    if array.shape[0] > 0:
        with nogil:
            finite = are_finite(&array[0], array.shape[0])
    return finite


cdef class Plan:
    """Layers and objective of one network.

    layer_sizes: (n_features, hidden..., n_outputs); activations: one int per hidden layer;
    quantiles: one double per output, for QUANTILE; user_loss: the object whose methods loss and
    gradient are called, for USER_LOSS.
    """
    cdef NetworkSizes net
    cdef Layer* layers
    cdef double* quantiles
    cdef object user_loss
    cdef object error           # that the user's loss has raised
    cdef int failed

    def __cinit__(
        self, tuple layer_sizes not None, tuple activations not None, int output, int loss,
        double loss_scale, bint mean, bint fit_intercept, double label_smoothing=0.0,
        double huber_delta=1.0, tuple quantiles=None, object user_loss=None,
    ):
        cdef Py_ssize_t l, start = 0
        cdef NetworkSizes* net = &self.net
        net.n_layers = len(layer_sizes) - 1
        if net.n_layers < 1 or len(activations) != net.n_layers - 1:
            raise ValueError("a network of n layers of weights has n + 1 sizes, n - 1 activations")
        self.layers = <Layer*> calloc(net.n_layers, sizeof(Layer))
        if self.layers == NULL:
            raise MemoryError("no memory for the layers of a network")
        net.layers = self.layers
        net.n_features = layer_sizes[0]
        net.n_outputs = layer_sizes[net.n_layers]
        for l in range(net.n_layers):
            self.layers[l].fan_in = layer_sizes[l]
            self.layers[l].fan_out = layer_sizes[l + 1]
            self.layers[l].coef_start = start
            self.layers[l].activation = <Activation> (
                <int> activations[l] if l < net.n_layers - 1 else <int> IDENTITY)
            start += self.layers[l].fan_in * self.layers[l].fan_out
            net.n_units += self.layers[l].fan_out
        net.n_coefs = start
        for l in range(net.n_layers):
            self.layers[l].intercept_start = start if fit_intercept else -1
            start += self.layers[l].fan_out if fit_intercept else 0
        net.n_params = start
        net.objective.output = <Output> output
        net.objective.loss = <Loss> loss
        net.objective.scale = loss_scale
        net.objective.mean = mean
        net.objective.label_smoothing = label_smoothing
        net.objective.huber_delta = huber_delta
        if net.objective.loss == QUANTILE:
            self.take_quantiles(quantiles)
        self.user_loss = user_loss
        net.objective.user_loss = call_user_loss
        net.objective.user_loss_owner = <void*> self
        net.objective.user_loss_failed = &self.failed

    cdef int take_quantiles(self, tuple quantiles) except -1:
        cdef Py_ssize_t k
        check_size(len(quantiles), self.net.n_outputs)
        self.quantiles = <double*> calloc(self.net.n_outputs, sizeof(double))
        if self.quantiles == NULL:
            raise MemoryError("no memory for the quantiles of a loss")
        for k in range(self.net.n_outputs):
            self.quantiles[k] = quantiles[k]
        self.net.objective.quantiles = self.quantiles
        return 0

    cdef int raise_error_of_user_loss(self) except -1:
        """Raises what the user's loss has raised, once."""
        error, self.error, self.failed = self.error, None, False
        if error is not None:
            raise error
        return 0

    def __dealloc__(self):
        free(self.layers)
        free(self.quantiles)


cdef int call_user_loss(
    void* owner, const void* predictions, const void* targets, Py_ssize_t rows, Py_ssize_t k,
    size_t item_size, double* losses, void* derivatives
) noexcept with gil:
    cdef Plan plan = <Plan> owner
    try:
        if plan.failed:
            return -1
        y = matrix_for_user(targets, rows, k, item_size)
        outputs = matrix_for_user(predictions, rows, k, item_size)
        if losses != NULL:
            take_from_user("loss", plan.user_loss.loss(y, outputs), (rows,), losses, 8)
        else:
            take_from_user(
                "gradient", plan.user_loss.gradient(y, outputs), (rows, k), derivatives, item_size)
    except BaseException as error:
        plan.error, plan.failed = error, True
        return -1
    return 0


cdef matrix_for_user(const void* matrix, Py_ssize_t rows, Py_ssize_t k, size_t item_size):
    # a copy: the user may keep it
    view = PyMemoryView_FromMemory(<char*> matrix, rows * k * item_size, PyBUF_READ)
    array = numpy.frombuffer(bytes(view), dtype=f"f{item_size}").reshape(rows, k)
    return array


cdef int take_from_user(
    str method, values, tuple shape, void* destination, size_t item_size
) except -1:
    array = numpy.asarray(values)
    if array.shape != shape or array.dtype.kind not in "biuf":
        raise ValueError(
            f"the loss's {method}() must return numbers of shape {shape}, got an array of shape "
            f"{array.shape} and dtype {array.dtype}.")
    view = PyMemoryView_FromMemory(<char*> destination, array.size * item_size, PyBUF_WRITE)
    numpy.frombuffer(view, dtype=f"f{item_size}").reshape(shape)[...] = array
    return 0


cdef class Samples:
    """The rows that a call works on. Made by dense_samples and csr_samples; holds its arrays."""
    cdef Inputs inputs
    cdef size_t item_size
    cdef list arrays

    def __len__(self):
        return self.inputs.n_samples


cdef Samples new_samples(
    const floating[::1] example, Py_ssize_t n_samples, Py_ssize_t n_features, list arrays
):
    cdef Samples samples = Samples.__new__(Samples)
    samples.item_size = sizeof(floating)
    samples.inputs.n_samples = n_samples
    samples.inputs.n_features = n_features
    samples.arrays = arrays
    return samples


cdef add_targets(
    Samples samples, const floating[:, ::1] targets, const Py_ssize_t[::1] labels,
    Py_ssize_t n_classes, const floating[::1] weights
):
    cdef Py_ssize_t n = samples.inputs.n_samples
    if targets is not None:
        if targets.shape[0] != n:
            raise ValueError(f"{targets.shape[0]} rows of targets for {n} samples")
        samples.inputs.n_targets = targets.shape[1]
        samples.inputs.targets = &targets[0, 0]
    elif labels is not None:
        if labels.shape[0] != n:
            raise ValueError(f"{labels.shape[0]} labels for {n} samples")
        samples.inputs.n_targets = n_classes
        samples.inputs.labels = &labels[0]
    if weights is not None:
        if weights.shape[0] != n:
            raise ValueError(f"{weights.shape[0]} weights for {n} samples")
        samples.inputs.weights = &weights[0]


def dense_samples(
    const floating[:, ::1] X not None, const floating[:, ::1] targets=None,
    const Py_ssize_t[::1] labels=None, Py_ssize_t n_classes=0, const floating[::1] weights=None,
):
    """Rows of a dense matrix X (n_samples, n_features), at least one of each.

    targets (n_samples, n_outputs), or labels (n_samples,) in [0, n_classes), or neither;
    weights (n_samples,), ones by default, with targets or labels.
    """
    cdef Samples samples = new_samples[floating](
        None, X.shape[0], X.shape[1], [X, targets, labels, weights])
    samples.inputs.dense = &X[0, 0]
    add_targets[floating](samples, targets, labels, n_classes, weights)
    return samples


def csr_samples(
    const floating[::1] data not None, const int[::1] columns not None,
    const Py_ssize_t[::1] row_starts not None, Py_ssize_t n_features,
    const floating[:, ::1] targets=None, const Py_ssize_t[::1] labels=None,
    Py_ssize_t n_classes=0, const floating[::1] weights=None,
):
    """Rows of a CSR matrix: data and columns (n_entries,), row_starts (n_samples + 1,)."""
    cdef Samples samples = new_samples[floating](
        None, row_starts.shape[0] - 1, n_features,
        [data, columns, row_starts, targets, labels, weights])
    if data.shape[0] != columns.shape[0] or row_starts[row_starts.shape[0] - 1] > data.shape[0]:
        raise ValueError("CSR arrays of different lengths")
    if data.shape[0] > 0:
        samples.inputs.data = &data[0]
        samples.inputs.columns = &columns[0]
    samples.inputs.row_starts = &row_starts[0]
    add_targets[floating](samples, targets, labels, n_classes, weights)
    return samples


cdef int check_call(
    Plan plan, Samples samples, Py_ssize_t n_params, size_t item_size, bint with_targets
) except -1:
    if n_params != plan.net.n_params:
        raise ValueError(f"{n_params} parameters for a network of {plan.net.n_params}")
    if samples.item_size != item_size:
        raise TypeError("samples and parameters differ in dtype")
    if samples.inputs.n_features != plan.net.n_features:
        raise ValueError(
            f"{samples.inputs.n_features} features for a network of {plan.net.n_features}")
    if with_targets and samples.inputs.n_targets != plan.net.n_outputs:
        raise ValueError(
            f"{samples.inputs.n_targets} targets for {plan.net.n_outputs} outputs")
    return 0


cdef int check_size(Py_ssize_t size, Py_ssize_t expected) except -1:
    if size != expected:
        raise ValueError(f"an array of {size} elements where {expected} are needed")
    return 0


cdef int forward_all(
    const NetworkSizes* net, const floating* params, const Inputs* inputs,
    floating* predictions, floating* hidden
) except -1:
    """predictions (n_samples, n_outputs) = network(X); hidden activations unless NULL."""
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows
    cdef Workspace ws
    cdef Poll poll
    cdef bint failed = False
    if allocate(&ws, net, n, sizeof(floating), False, False) < 0:
        raise MemoryError("no memory for a block of activations")
    memset(&poll, 0, sizeof(poll))
    with nogil:
        while start < n and not failed:
            rows = min(ws.block_rows, n - start)
            forward_rows(net, params, inputs, NULL, start, rows, &ws)
            memcpy(predictions + start * net.n_outputs, ws.predictions,
                   rows * net.n_outputs * sizeof(floating))
            if hidden != NULL:
                copy_hidden(net, &ws, start, rows, n, hidden)
            start += rows
            failed = interrupted(&poll, <double> net.n_coefs * <double> rows)
        release(&ws)
    if failed:
        raise_pending()
    return 0


def forward(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] predictions not None, floating[::1] hidden=None,
):
    """predictions (n_samples, n_outputs) = network(X).

    hidden (n_samples * the hidden units) receives the hidden activations, layer after layer.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = samples.inputs.n_samples
    check_call(plan, samples, params.shape[0], sizeof(floating), False)
    check_size(predictions.shape[0], n)
    check_size(predictions.shape[1], net.n_outputs)
    if hidden is not None:
        check_size(hidden.shape[0], n * (net.n_units - net.n_outputs))
    forward_all(net, &params[0], &samples.inputs, &predictions[0, 0],
                &hidden[0] if hidden is not None and hidden.shape[0] > 0 else NULL)


def forward_dense(
    Plan plan not None, const floating[::1] params not None,
    const floating[:, ::1] X not None, floating[:, ::1] predictions not None,
):
    """forward for a matrix that has not been checked; False, and nothing done, if unsound.

    For single rows: one call, where Samples and the checks of a matrix would be several.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = X.shape[0]
    cdef Inputs inputs
    if (
        n < 1 or X.shape[1] != net.n_features or <size_t> &X[0, 0] % sizeof(floating) != 0
        or not are_finite(&X[0, 0], n * net.n_features)
    ):
        return False
    check_size(params.shape[0], net.n_params)
    check_size(predictions.shape[0], n)
    check_size(predictions.shape[1], net.n_outputs)
    memset(&inputs, 0, sizeof(inputs))
    inputs.n_samples, inputs.n_features, inputs.dense = n, net.n_features, &X[0, 0]
    forward_all(net, &params[0], &inputs, &predictions[0, 0], NULL)
    return True


cdef void copy_hidden(
    const NetworkSizes* net, const Workspace* ws, Py_ssize_t start, Py_ssize_t rows,
    Py_ssize_t n, floating* hidden
) noexcept nogil:
    """Rows [start, start + rows) of each hidden layer's activations, n rows a layer."""
    cdef Py_ssize_t l, i, width
    for l in range(net.n_layers - 1):
        width = net.layers[l].fan_out
        for i in range(rows):
            memcpy(hidden + (start + i) * width,
                   <const floating*> ws.activations[l] + i * ws.strides[l],
                   width * sizeof(floating))
        hidden += n * width


cdef int raise_pending() except -1:
    """The exception that a signal handler has set goes on."""
    return -1


cdef int team_size(const NetworkSizes* net, int n_threads, Py_ssize_t batch_size):
    """Threads that a batch has rows for, and that there can be."""
    if net.objective.loss == USER_LOSS:
        return 1  # Python runs in one at a time
    return max(1, min(n_threads, batch_size, <int> MAX_TEAM))


cdef int raise_failure(const Run* run, Plan plan) except -1:
    plan.raise_error_of_user_loss()
    if not run.stop:
        raise RuntimeError(
            f"{run.barrier.members - 1} more threads cannot be started; set n_threads=1")
    return raise_pending()


cdef void* vector_of(object array, Py_ssize_t size, size_t item_size, bint written) except NULL:
    """Where a contiguous vector of floating point numbers lies."""
    cdef const float[::1] singles
    cdef const double[::1] doubles
    if written and not array.flags.writeable:
        raise ValueError("a read-only array where results are written")
    if item_size == sizeof(float):
        singles = array
        check_size(singles.shape[0], size)
        return <void*> &singles[0]
    doubles = array
    check_size(doubles.shape[0], size)
    return <void*> &doubles[0]


cdef class Evaluator:
    """J of all samples, and its gradient, at any parameters; holds the room that this takes."""
    cdef Run run
    cdef tuple held

    def __cinit__(
        self, Plan plan not None, Samples samples not None, double l2, double l1=0.0, *,
        bint gradient=True, int n_threads=1,
    ):
        cdef Run* run = &self.run
        cdef Py_ssize_t n = samples.inputs.n_samples
        check_call(plan, samples, plan.net.n_params, samples.item_size, True)
        self.held = (plan, samples)
        run.net, run.inputs, run.item_size = &plan.net, &samples.inputs, samples.item_size
        run.n, run.l2, run.l1 = n, l2, l1
        if enlist(run, team_size(run.net, n_threads, n), n, False, gradient) < 0:
            raise MemoryError("no memory for a block of activations")

    def __dealloc__(self):
        dismiss(&self.run)

    def evaluate(self, params, grad=None, outputs=None):
        """J; grad (n_params,), unless None, = dJ/dparams; outputs likewise the predictions.

        outputs: a vector (n_samples * n_outputs,).
        """
        cdef Run* run = &self.run
        cdef Py_ssize_t n_params = run.net.n_params
        cdef int failed
        run.params = vector_of(params, n_params, run.item_size, False)
        run.members[0].grad = NULL
        if grad is not None:
            if run.members[0].ws.delta == NULL:
                raise ValueError("an Evaluator without gradients was asked for one")
            run.members[0].grad = vector_of(grad, n_params, run.item_size, True)
        run.predictions = NULL
        if outputs is not None:
            run.predictions = vector_of(outputs, run.n * run.net.n_outputs, run.item_size, True)
        with nogil:
            failed = do_work(run, evaluate_member)
        if failed:
            raise_failure(run, <Plan> self.held[0])
        return run.total_loss


cdef int gradients_of_rows(
    Plan plan, const floating[::1] params, Samples samples, bint of_outputs,
    floating* predictions, floating* by_params, floating* by_inputs, double* square_norms
) except -1:
    """Gradients of each sample's own loss, scale * w_i * sum_k l, or of each of its outputs.

    Filled unless NULL: predictions (n, n_outputs); by_params (n * m, n_params), by_inputs
    (n * m, n_features), where m is 1 for the loss, else n_outputs; square_norms (n,) of those by
    the parameters.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef const Inputs* inputs = &samples.inputs
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows, k
    cdef Py_ssize_t n_each = net.n_outputs if of_outputs else 1
    cdef Workspace ws
    cdef Block block
    cdef Poll poll
    cdef bint failed = False
    cdef floating* buffer = NULL
    check_call(plan, samples, params.shape[0], sizeof(floating), not of_outputs)
    memset(&ws, 0, sizeof(ws))
    if allocate(&ws, net, n, sizeof(floating), False, True) < 0:
        raise MemoryError("no memory for a block of activations")
    if by_inputs != NULL:
        buffer = <floating*> calloc(
            ws.block_rows * padded_stride(net.n_features, sizeof(floating)) + 16, sizeof(floating))
        if buffer == NULL:
            release(&ws)
            raise MemoryError("no memory for a block of input gradients")
    memset(&poll, 0, sizeof(poll))
    with nogil:
        while start < n and not failed:
            rows = min(ws.block_rows, n - start)
            block = forward_rows(net, &params[0], inputs, NULL, start, rows, &ws)
            if predictions != NULL:
                memcpy(predictions + start * net.n_outputs, ws.predictions,
                       rows * net.n_outputs * sizeof(floating))
            for k in range(n_each):
                if by_params != NULL:
                    begin_deltas(net, &block, of_outputs, k, &ws, <floating*> ws.delta)
                    gradient_of_rows(
                        net, &params[0], inputs, &block, &ws,
                        by_params + (start * n_each + k) * net.n_params, n_each * net.n_params)
                if by_inputs != NULL:
                    begin_deltas(net, &block, of_outputs, k, &ws, <floating*> ws.delta)
                    delta_to_inputs(
                        net, &params[0], rows, &ws, buffer,
                        by_inputs + (start * n_each + k) * net.n_features,
                        n_each * net.n_features)
            if square_norms != NULL:
                begin_deltas(net, &block, of_outputs, 0, &ws, <floating*> ws.delta)
                add_square_norms(
                    net, &params[0], inputs, &block, &ws, square_norms + start)
            start += rows
            failed = plan.failed or interrupted(
                &poll, 3.0 * <double> n_each * <double> net.n_coefs * <double> rows)
        release(&ws)
        free(buffer)
    if failed:
        plan.raise_error_of_user_loss()
        raise_pending()
    return 0


cdef void begin_deltas(
    const NetworkSizes* net, const Block* block, bint of_outputs, Py_ssize_t k,
    const Workspace* ws, floating* deltas
) noexcept nogil:
    if of_outputs:
        output_deltas(net, k, block.rows, ws, deltas)
    else:
        loss_deltas(net, block, net.objective.scale, ws, deltas)


def per_sample_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None,
):
    """grads (n_samples, n_params) = the gradient of scale * w_i * loss of each sample."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_params)
    gradients_of_rows(plan, params, samples, False, NULL, &grads[0, 0], NULL, NULL)


def per_sample_square_norms(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    double[::1] square_norms not None,
):
    """square_norms (n_samples,) = those of the rows of per_sample_gradients."""
    check_size(square_norms.shape[0], samples.inputs.n_samples)
    gradients_of_rows[floating](
        plan, params, samples, False, NULL, NULL, NULL, &square_norms[0])


def input_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None,
):
    """grads (n_samples, n_features) = the gradient of each sample's loss by its inputs."""
    check_size(grads.shape[0], samples.inputs.n_samples)
    check_size(grads.shape[1], plan.net.n_features)
    gradients_of_rows(plan, params, samples, False, NULL, NULL, &grads[0, 0], NULL)


def output_jacobian(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] outputs not None, floating[:, ::1] by_params=None,
    floating[:, ::1] by_inputs=None,
):
    """outputs (n_samples, n_outputs) and, row i * n_outputs + k, the gradient of output ik.

    by_params (n_samples * n_outputs, n_params), by_inputs (n_samples * n_outputs, n_features).
    """
    cdef Py_ssize_t n = samples.inputs.n_samples, k = plan.net.n_outputs
    check_size(outputs.shape[0], n)
    check_size(outputs.shape[1], k)
    if by_params is not None:
        check_size(by_params.shape[0], n * k)
        check_size(by_params.shape[1], plan.net.n_params)
    if by_inputs is not None:
        check_size(by_inputs.shape[0], n * k)
        check_size(by_inputs.shape[1], plan.net.n_features)
    gradients_of_rows(
        plan, params, samples, True, &outputs[0, 0],
        &by_params[0, 0] if by_params is not None else NULL,
        &by_inputs[0, 0] if by_inputs is not None else NULL, NULL)


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


cdef class Trainer:
    """A run of stochastic training: moves params, and the optimizer's moments, epoch by epoch.

    params (n_params,), moments (n_moments * n_params,) and grad (n_params,), which is work space,
    are of the samples' type. The penalty of a batch with weights of the sum n is
    alpha / (2n) * ((1 - l1_ratio) ||W||^2 + 2 l1_ratio |W|). max_grad_norm=0 clips nothing.
    n_steps counts the steps taken. The result depends on n_threads, but not on their timing.
    """
    cdef Run run
    cdef tuple held

    def __cinit__(
        self, Plan plan not None, params, moments, grad, Samples samples not None, *,
        int optimizer, double learning_rate, double momentum, bint nesterov, double beta_1,
        double beta_2, double epsilon, double n_steps, Py_ssize_t batch_size, double alpha,
        double l1_ratio=0.0, double weight_decay=0.0, double max_grad_norm=0.0,
        double dropout=0.0, double input_dropout=0.0, unsigned long long dropout_seed=0,
        int n_threads=1,
    ):
        cdef Run* run = &self.run
        cdef Dropout masks
        cdef Py_ssize_t n_params = plan.net.n_params
        cdef size_t item_size = samples.item_size
        check_call(plan, samples, n_params, item_size, True)
        if batch_size < 1:
            raise ValueError(f"batches of {batch_size}")
        self.held = (plan, params, moments, grad, samples)
        run.net, run.inputs, run.item_size = &plan.net, &samples.inputs, item_size
        run.params = vector_of(params, n_params, item_size, True)
        run.moments = vector_of(
            moments, (1 if optimizer == SGD else 2) * n_params, item_size, True)
        run.batch_size = batch_size
        run.alpha, run.l1_ratio, run.max_grad_norm = alpha, l1_ratio, max_grad_norm
        run.step.optimizer, run.step.learning_rate = <Optimizer> optimizer, learning_rate
        run.step.momentum, run.step.nesterov = momentum, nesterov
        run.step.beta_1, run.step.beta_2, run.step.epsilon = beta_1, beta_2, epsilon
        run.step.n_steps, run.step.weight_decay = n_steps, weight_decay
        masks.hidden, masks.inputs, masks.seed, masks.step = dropout, input_dropout, dropout_seed, 0
        if enlist(run, team_size(run.net, n_threads, batch_size), batch_size, True, True,
                  &masks if dropout > 0 or input_dropout > 0 else NULL) < 0:
            raise MemoryError(f"no memory for a batch of {batch_size}")
        run.members[0].grad = vector_of(grad, n_params, item_size, True)

    def __dealloc__(self):
        dismiss(&self.run)

    @property
    def n_steps(self):
        return self.run.step.n_steps

    @property
    def learning_rate(self):
        return self.run.step.learning_rate

    @learning_rate.setter
    def learning_rate(self, double rate):
        self.run.step.learning_rate = rate

    def train_epoch(
        self, const Py_ssize_t[::1] order not None, const double[::1] rates=None
    ):
        """One pass over samples[order] in batches; an optimizer step of params after each.

        rates: the learning rate of each step, learning_rate for all by default. Returns the mean
        over samples of their batch's loss before its step. A batch whose weights are all zero is
        passed over. Raises KeyboardInterrupt between two steps on Ctrl-C.
        """
        cdef Run* run = &self.run
        cdef int failed
        if order.shape[0] < 1:
            raise ValueError("an epoch without samples")
        run.order, run.n = &order[0], order.shape[0]
        run.rates = NULL
        if rates is not None:
            check_size(rates.shape[0], (run.n + run.batch_size - 1) // run.batch_size)
            run.rates = &rates[0]
        with nogil:
            failed = do_work(run, train_member)
        if failed:
            raise_failure(run, <Plan> self.held[0])
        return run.total_loss / <double> run.n

    def params_are_finite(self):
        """Whether no parameter is NaN or infinite."""
        cdef Py_ssize_t n = self.run.net.n_params
        if self.run.item_size == sizeof(float):
            return are_finite(<const float*> self.run.params, n)
        return are_finite(<const double*> self.run.params, n)
