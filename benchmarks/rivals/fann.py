"""FANN 2.2 (the Fast Artificial Neural Network library, in C) through ctypes: incremental training.

    run(shape, X, y, epochs) -> (coefs, intercepts)

fann_train_epoch with FANN_TRAIN_INCREMENTAL is gradient descent with a step after every row, in
the rows' order. These settings make it descend half the squared error, without other factors:

- the activation is FANN_SIGMOID with steepness s = 0.5: 1 / (1 + exp(-2 s x)), derivative
  2 s y (1 - y), is the logistic function;
- the error function is FANN_ERRORFUNC_LINEAR: the default, FANN_ERRORFUNC_TANH, is not the
  gradient of any loss;
- the momentum is 0, and all activations stay within [0.01, 0.99], where FANN does not clip the
  derivative.

compare.py checks that FANN reaches the same objective as the others. The library is looked up
where the system keeps it (Debian: libfann2); libfloatfann computes in float32. The time that FANN
needs to set weights is quadratic in their number, so each fit copies a template made in advance.
"""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_uint, c_void_p
from ctypes.util import find_library
from functools import cache
from itertools import pairwise

import numpy as np
from instruments.workloads import SEED

LIBRARY = "floatfann"
FANN_TRAIN_INCREMENTAL, FANN_TRAIN_RPROP = 0, 2
FANN_ERRORFUNC_LINEAR = 0
FANN_SIGMOID = 3


class Connection(Structure):
    """struct fann_connection"""

    _fields_ = [("from_neuron", c_uint), ("to_neuron", c_uint), ("weight", c_float)]


class TrainData(Structure):
    """struct fann_train_data"""

    _fields_ = [
        ("errno_f", c_int),
        ("error_log", c_void_p),
        ("errstr", c_char_p),
        ("num_data", c_uint),
        ("num_input", c_uint),
        ("num_output", c_uint),
        ("input", POINTER(c_void_p)),
        ("output", POINTER(c_void_p)),
    ]


@cache
def library():
    lib = ctypes.CDLL(find_library(LIBRARY))
    for name in ("create_standard_array", "copy"):
        getattr(lib, f"fann_{name}").restype = c_void_p
    lib.fann_create_train.restype = POINTER(TrainData)
    lib.fann_train_epoch.argtypes = [c_void_p, POINTER(TrainData)]
    return lib


def run(shape, X, y, epochs):
    lib = library()
    net = c_void_p(lib.fann_copy(template(shape)))
    # FANN 2.2 does not copy this setting: without it, the copy would train by Rprop
    set_training_algorithm(net, FANN_TRAIN_INCREMENTAL)
    data = make_data(X, shape.target_matrix(y, X.dtype))
    for _ in range(epochs):
        lib.fann_train_epoch(net, data)
    params = split(get_connections(net)["weight"], shape.layer_sizes)
    lib.fann_destroy_train(data)
    lib.fann_destroy(net)
    return params


def make_data(X, targets):
    """FANN's copy of two contiguous float32 arrays."""
    data = library().fann_create_train(*(c_uint(n) for n in (*X.shape, targets.shape[1])))
    # FANN allocates the rows of each as one block
    ctypes.memmove(data.contents.input[0], X.ctypes.data, X.nbytes)
    ctypes.memmove(data.contents.output[0], targets.ctypes.data, targets.nbytes)
    return data


def make_net(layer_sizes):
    """Logistic units, and the gradient of half the squared error."""
    lib = library()
    sizes = (c_uint * len(layer_sizes))(*layer_sizes)
    net = c_void_p(lib.fann_create_standard_array(c_uint(len(sizes)), sizes))
    for part in ("hidden", "output"):
        getattr(lib, f"fann_set_activation_function_{part}")(net, c_int(FANN_SIGMOID))
        getattr(lib, f"fann_set_activation_steepness_{part}")(net, c_float(0.5))
    lib.fann_set_train_error_function(net, c_int(FANN_ERRORFUNC_LINEAR))
    return net


def set_training_algorithm(net, algorithm):
    library().fann_set_training_algorithm(net, c_int(algorithm))


@cache
def template(shape):
    """A net with the initial weights of all libraries."""
    lib = library()
    net = make_net(shape.layer_sizes)
    lib.fann_set_learning_rate(net, c_float(shape.learning_rate))
    lib.fann_set_learning_momentum(net, c_float(shape.momentum))
    params = shape.initial_params(np.float32, np.random.RandomState(SEED))
    connections = get_connections(net)
    for units, coef, intercept in zip(
        layer_units(connections, shape.layer_sizes), *shape.layer_views(params), strict=True
    ):
        units["weight"] = np.vstack([coef, intercept]).T
    lib.fann_set_weight_array(
        net, connections.ctypes.data_as(POINTER(Connection)), c_uint(len(connections))
    )
    return net


def get_connections(net):
    """An array with the fields of Connection."""
    lib = library()
    connections = np.empty(lib.fann_get_total_connections(net), np.dtype(Connection))
    lib.fann_get_connection_array(net, connections.ctypes.data_as(POINTER(Connection)))
    return connections


def layer_units(connections, layer_sizes):
    """A view (fan_out, fan_in + 1) by layer: the weights of each unit, then its bias."""
    views, start = [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        end = start + (fan_in + 1) * fan_out
        views.append(connections[start:end].reshape(fan_out, fan_in + 1))
        start = end
    return views


def split(weights, layer_sizes):
    views = layer_units(weights, layer_sizes)
    return [view[:, :-1].T for view in views], [view[:, -1] for view in views]
