"""The entry points of the compiled core; core_<build>.pyx include this file.

    Plan           sizes, activations and objective of a network, checked once
    Samples        one data set: rows of X (dense or CSR), targets, weights
    OptimizerStep  hyper-parameters and step count of an optimizer
    forward, loss, loss_gradient, per_sample_gradients, train_epoch

Arrays are C-contiguous float32 or float64, all of a call of one type; whatever their values and
shapes were, fastbp.inputs has checked them before. What is checked here again is what would
read or write outside an array.
"""
from fastbp._kernels.inputs cimport Block, gather_block, sum_of_weights
from fastbp._kernels.losses cimport Loss, Output
from fastbp._kernels.network cimport (
    NetworkSizes, Workspace, allocate, batch_loss, forward_block, let_signals_through,
    per_sample_block, release,
)
from fastbp._kernels.optimizers cimport optimizer_step
from fastbp._kernels.types cimport (
    ADAM, IDENTITY, LOG_LOSS, LOGISTIC, OUTPUT_EXP, OUTPUT_IDENTITY, OUTPUT_LOGISTIC,
    OUTPUT_SOFTMAX, POISSON, RELU, SGD, SQUARED_ERROR, TANH, Activation, Inputs, Layer,
    Optimizer, Step, floating,
)
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef extern from "simd/cpu.h" nogil:
    int c_cpu_level "cpu_level"() noexcept

cdef extern from "simd/fpstate.h" nogil:
    unsigned long long flush_denormals() noexcept
    void restore_denormals(unsigned long long before) noexcept

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

COMPILER = FASTBP_COMPILER.decode()
ACTIVATIONS = {"identity": IDENTITY, "logistic": LOGISTIC, "tanh": TANH, "relu": RELU}
OUTPUTS = {
    "identity": OUTPUT_IDENTITY, "logistic": OUTPUT_LOGISTIC,
    "softmax": OUTPUT_SOFTMAX, "exp": OUTPUT_EXP,
}
LOSSES = {"squared_error": SQUARED_ERROR, "log_loss": LOG_LOSS, "poisson": POISSON}
OPTIMIZERS = {"sgd": SGD, "adam": ADAM}
N_MOMENTS = {"sgd": 1, "adam": 2}


def cpu_level():
    """0: this CPU runs the baseline build only, 1: also AVX2, 2: also AVX-512."""
    return c_cpu_level()


def all_finite(const floating[::1] array not None):
    """Whether no element is NaN or infinite."""
    cdef Py_ssize_t i
    cdef bint found = False
    with nogil:
        for i in range(array.shape[0]):
            # x - x is 0 only for finite x; no branch, so that the loop is vector code
            found |= array[i] - array[i] != 0
    return not found


cdef class Plan:
    """Layers and objective of one network.

    layer_sizes: (n_features, hidden..., n_outputs); activations: one int per hidden layer.
    """
    cdef NetworkSizes net
    cdef Layer* layers

    def __cinit__(
        self, tuple layer_sizes not None, tuple activations not None, int output, int loss,
        double loss_scale, bint mean, bint fit_intercept,
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
            net.widest = max(net.widest, self.layers[l].fan_out)
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

    def __dealloc__(self):
        free(self.layers)


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
    weights (n_samples,) with targets or labels.
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


cdef class OptimizerStep:
    """How the parameters follow the gradient; n_steps counts the steps taken."""
    cdef Step step
    cdef public double n_steps

    def __cinit__(
        self, int optimizer, double learning_rate, double momentum, bint nesterov,
        double beta_1, double beta_2, double epsilon, double n_steps=0,
    ):
        self.step.optimizer = <Optimizer> optimizer
        self.step.learning_rate = learning_rate
        self.step.momentum = momentum
        self.step.nesterov = nesterov
        self.step.beta_1 = beta_1
        self.step.beta_2 = beta_2
        self.step.epsilon = epsilon
        self.n_steps = n_steps

    @property
    def learning_rate(self):
        return self.step.learning_rate

    @learning_rate.setter
    def learning_rate(self, double rate):
        self.step.learning_rate = rate


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
    if with_targets and (
        samples.inputs.n_targets != plan.net.n_outputs or samples.inputs.weights == NULL
    ):
        raise ValueError(
            f"{samples.inputs.n_targets} targets (and weights) for {plan.net.n_outputs} outputs")
    return 0


cdef int check_size(Py_ssize_t size, Py_ssize_t expected) except -1:
    if size != expected:
        raise ValueError(f"an array of {size} elements where {expected} are needed")
    return 0


def forward(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] predictions not None, floating[::1] hidden=None,
):
    """predictions (n_samples, n_outputs) = network(X).

    hidden (n_samples * the hidden units) receives the hidden activations, layer after layer.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef const Inputs* inputs = &samples.inputs
    cdef const Layer* layer
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows, l, offset
    cdef Workspace ws
    cdef Block block
    check_call(plan, samples, params.shape[0], sizeof(floating), False)
    check_size(predictions.shape[0], n)
    check_size(predictions.shape[1], net.n_outputs)
    if hidden is not None:
        check_size(hidden.shape[0], n * (net.n_units - net.n_outputs))
    if allocate(&ws, net, n, sizeof(floating), False, False) < 0:
        raise MemoryError("no memory for a block of activations")
    try:
        with nogil:
            while start < n:
                rows = min(ws.block_rows, n - start)
                block = gather_block[floating](inputs, NULL, start, rows, NULL,
                                               <floating*> ws.targets, NULL)
                forward_block(net, &params[0], inputs, &block, &ws)
                memcpy(&predictions[start, 0], ws.predictions,
                       rows * net.n_outputs * sizeof(floating))
                if hidden is not None:
                    offset = 0
                    for l in range(net.n_layers - 1):
                        layer = &net.layers[l]
                        memcpy(&hidden[offset + start * layer.fan_out], ws.activations[l],
                               rows * layer.fan_out * sizeof(floating))
                        offset += n * layer.fan_out
                start += rows
                let_signals_through(&ws, <double> net.n_coefs * <double> rows)
    finally:
        release(&ws)


cdef double whole_loss(
    Plan plan, const floating[::1] params, Samples samples, double l2, floating* grad
) except? -1:
    cdef Workspace ws
    cdef double loss = 0
    cdef double weight_sum
    cdef Py_ssize_t n = samples.inputs.n_samples
    check_call(plan, samples, params.shape[0], sizeof(floating), True)
    if allocate(&ws, &plan.net, n, sizeof(floating), False, grad != NULL) < 0:
        raise MemoryError("no memory for a block of activations")
    try:
        with nogil:
            weight_sum = sum_of_weights(<const floating*> samples.inputs.weights, NULL, 0, n)
            batch_loss(&plan.net, &params[0], &samples.inputs, NULL, 0, n, l2, weight_sum, &ws,
                       grad, &loss)
    finally:
        release(&ws)
    return loss


def loss(
    Plan plan not None, const floating[::1] params not None, Samples samples not None, double l2,
):
    """J of all samples."""
    return whole_loss[floating](plan, params, samples, l2, NULL)


def loss_gradient(
    Plan plan not None, const floating[::1] params not None, Samples samples not None, double l2,
    floating[::1] grad not None,
):
    """J of all samples; grad (n_params,) = dJ/dparams."""
    check_size(grad.shape[0], plan.net.n_params)
    return whole_loss[floating](plan, params, samples, l2, &grad[0])


def per_sample_gradients(
    Plan plan not None, const floating[::1] params not None, Samples samples not None,
    floating[:, ::1] grads not None,
):
    """grads (n_samples, n_params) = the gradient of scale * w_i * loss of each sample."""
    cdef const NetworkSizes* net = &plan.net
    cdef const Inputs* inputs = &samples.inputs
    cdef Py_ssize_t n = inputs.n_samples, start = 0, rows
    cdef Workspace ws
    cdef Block block
    check_call(plan, samples, params.shape[0], sizeof(floating), True)
    check_size(grads.shape[0], n)
    check_size(grads.shape[1], net.n_params)
    if allocate(&ws, net, n, sizeof(floating), False, True) < 0:
        raise MemoryError("no memory for a block of activations")
    try:
        with nogil:
            while start < n:
                rows = min(ws.block_rows, n - start)
                block = gather_block[floating](inputs, NULL, start, rows, NULL,
                                               <floating*> ws.targets, NULL)
                forward_block(net, &params[0], inputs, &block, &ws)
                per_sample_block(net, &params[0], inputs, &block, &ws, &grads[start, 0])
                start += rows
                let_signals_through(&ws, 3.0 * <double> net.n_coefs * <double> rows)
    finally:
        release(&ws)


def train_epoch(
    Plan plan not None, floating[::1] params not None, floating[:, ::1] moments not None,
    OptimizerStep rule not None, Samples samples not None, const Py_ssize_t[::1] order not None,
    Py_ssize_t batch_size, double alpha,
):
    """One pass over samples[order] in batches; an optimizer step of params after each.

    The penalty of a batch is alpha / (2 * sum of its weights) * ||W||^2. moments holds one row
    of n_params per moment. Returns the mean over samples of their batch's loss before its step.
    A batch whose weights are all zero is passed over. Raises KeyboardInterrupt between two
    steps on Ctrl-C.
    """
    cdef const NetworkSizes* net = &plan.net
    cdef Py_ssize_t n = order.shape[0], n_params = net.n_params, first = 0, rows = 0
    cdef const Inputs* inputs = &samples.inputs
    cdef double loss = 0, total = 0, weight_sum
    cdef unsigned long long denormals
    cdef Workspace ws
    check_call(plan, samples, params.shape[0], sizeof(floating), True)
    check_size(moments.shape[0], 2 if rule.step.optimizer == ADAM else 1)
    check_size(moments.shape[1], n_params)
    if n < 1 or batch_size < 1:
        raise ValueError(f"{n} samples in batches of {batch_size}")
    if allocate(&ws, net, min(n, batch_size), sizeof(floating), True, True) < 0:
        raise MemoryError(f"no memory for a batch of {batch_size}")
    cdef floating[::1] gradient
    cdef floating* grad = <floating*> calloc(n_params, sizeof(floating))
    denormals = flush_denormals()
    try:
        if grad == NULL:
            raise MemoryError(f"no memory for {n_params} gradients")
        with nogil:
            while first + rows < n:
                first += rows
                rows = min(batch_size, n - first)
                weight_sum = sum_of_weights(
                    <const floating*> inputs.weights, &order[0], first, rows)
                if weight_sum <= 0:
                    continue
                batch_loss(net, &params[0], inputs, &order[0], first, rows,
                           alpha / (2 * weight_sum), weight_sum, &ws, grad, &loss)
                total += loss * <double> rows
                rule.n_steps += 1
                optimizer_step(rule.step, rule.n_steps, &params[0], grad, &moments[0, 0],
                               n_params)
    finally:
        restore_denormals(denormals)
        free(grad)
        release(&ws)
    return total / <double> n
