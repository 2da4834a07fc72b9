"""Plan: what the kernels know of one network; and the door to a user's loss, which is Python."""
import numpy

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from fastbp._kernels.sizes cimport Layer, NetworkSizes
from fastbp._kernels.activations cimport IDENTITY, Activation
from fastbp._kernels.front cimport Front, size_front
from fastbp._kernels.denormals cimport restore_denormals, stop_flushing
from fastbp._kernels.losses cimport QUANTILE, Loss, Output
from libc.stdlib cimport calloc, free


cdef class Plan:
    """Layers and objective of one network.

    layer_sizes: (n_features, hidden..., n_outputs). activations: one int per hidden layer.
    n_periodic: inputs with periodic features, of what stands before the first layer; -1: nothing.
    quantiles: one double per output, for QUANTILE. user_loss: the object whose methods loss and
    gradient are called, for USER_LOSS.
    """
    cdef NetworkSizes net
    cdef Layer* layers
    cdef double* quantiles
    cdef object user_loss

    def __cinit__(
        self, tuple layer_sizes not None, tuple activations not None, int output, int loss,
        double loss_scale, bint mean, bint fit_intercept, double label_smoothing=0.0,
        double huber_delta=1.0, tuple quantiles=None, object user_loss=None,
        Py_ssize_t n_periodic=-1,
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
        net.front.n_features = net.front.width = net.n_features
        if n_periodic >= 0:
            self.take_front(n_periodic)
        for l in range(net.n_layers):
            self.layers[l].fan_in = layer_sizes[l] if l > 0 else net.front.width
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
        net.front.start = start
        net.n_params = start + net.front.n_params
        net.objective.output = <Output> output
        net.objective.loss = <Loss> loss
        net.objective.scale = loss_scale
        net.objective.mean = mean
        net.objective.label_smoothing = label_smoothing
        net.objective.huber_delta = huber_delta
        if net.objective.loss == QUANTILE:
            self.take_quantiles(quantiles)
        self.user_loss = user_loss

    cdef int take_front(self, Py_ssize_t n_periodic) except -1:
        cdef Front* front = &self.net.front
        if n_periodic > front.n_features:
            raise ValueError(f"{n_periodic} periodic inputs of {front.n_features}")
        front.exists, front.n_periodic = True, n_periodic
        size_front(front)
        return 0

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

    def __dealloc__(self):
        free(self.layers)
        free(self.quantiles)


cdef class BoundPlan:
    """A Plan as one call uses it, and what the user's loss has raised in that call.

    Several Python threads may use a Plan at once, so nothing is written to the Plan itself.
    """
    cdef Plan plan
    cdef NetworkSizes net       # the plan's, whose user's loss reports to this object
    cdef object error
    cdef int failed

    cdef int raise_error_of_user_loss(self) except -1:
        """Raises what the user's loss has raised, once."""
        error, self.error, self.failed = self.error, None, False
        if error is not None:
            raise error
        return 0


cdef BoundPlan bind_plan(Plan plan):
    cdef BoundPlan bound = BoundPlan.__new__(BoundPlan)
    bound.plan = plan
    bound.net = plan.net
    bound.net.objective.user_loss = call_user_loss
    bound.net.objective.user_loss_owner = <void*> bound
    bound.net.objective.user_loss_failed = &bound.failed
    return bound


cdef int call_user_loss(
    void* owner, const void* outputs, const void* targets, Py_ssize_t rows,
    Py_ssize_t n_outputs, size_t item_size, double* losses, void* derivatives
) noexcept with gil:
    cdef BoundPlan bound = <BoundPlan> owner
    cdef unsigned long long before = stop_flushing()
    try:
        if bound.failed:
            return -1
        user_loss = bound.plan.user_loss
        y = matrix_for_user(targets, rows, n_outputs, item_size)
        p = matrix_for_user(outputs, rows, n_outputs, item_size)
        if losses != NULL:
            take_from_user("loss", user_loss.loss(y, p), (rows,), losses, sizeof(double))
        else:
            take_from_user(
                "gradient", user_loss.gradient(y, p), (rows, n_outputs), derivatives, item_size)
    except BaseException as error:
        bound.error, bound.failed = error, True
        return -1
    finally:
        restore_denormals(before)
    return 0


cdef matrix_for_user(
    const void* matrix, Py_ssize_t rows, Py_ssize_t n_outputs, size_t item_size
):
    # a copy, since the user may keep it
    view = PyMemoryView_FromMemory(<char*> matrix, rows * n_outputs * item_size, PyBUF_READ)
    return numpy.frombuffer(bytes(view), dtype=f"f{item_size}").reshape(rows, n_outputs)


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
