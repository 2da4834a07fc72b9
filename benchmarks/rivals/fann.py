"""FANN 2.2 (the Fast Artificial Neural Network library, in C) through ctypes: incremental training.

    run(shape, X, y, epochs) -> (coefs, intercepts)

fann_train_epoch with FANN_TRAIN_INCREMENTAL is gradient descent with a step for every row, in the
rows' order. Its numbers are those of half the squared error and no other factor, once

- the activation is FANN_SIGMOID with steepness s = 0.5: 1 / (1 + exp(-2 s x)), derivative
  2 s y (1 - y), is the logistic function;
- the error function is FANN_ERRORFUNC_LINEAR: the default, FANN_ERRORFUNC_TANH, is no loss's
  gradient;
- the momentum is 0, and no activation leaves [0.01, 0.99], where FANN clips the derivative.

compare.py checks that FANN ends at the same objective as the others. The library is found where
the system has it (Debian: libfann2); libfloatfann computes in float32. Setting weights takes FANN
a time quadratic in their number, so every fit copies a template that was made before.
"""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_uint, c_void_p
from ctypes.util import find_library
from functools import cache

import numpy as np
from instruments.workloads import SEED

from rivals.numpy_mlp import NumpyMLP, target_matrix

LIBRARY = "floatfann"
FANN_TRAIN_INCREMENTAL = 0
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
    # FANN 2.2 copies everything but this, and the copy would train by Rprop
    lib.fann_set_training_algorithm(net, c_int(FANN_TRAIN_INCREMENTAL))
    data = lib.fann_create_train(c_uint(len(X)), c_uint(X.shape[1]), c_uint(shape.n_outputs))
    Y = target_matrix(y, shape.output, X.dtype)
    # the rows that FANN allocates lie one after the other
    ctypes.memmove(data.contents.input[0], X.ctypes.data, X.nbytes)
    ctypes.memmove(data.contents.output[0], Y.ctypes.data, Y.nbytes)
    for _ in range(epochs):
        lib.fann_train_epoch(net, data)
    params = split(weights(net)["weight"], shape.layer_sizes)
    lib.fann_destroy_train(data)
    lib.fann_destroy(net)
    return params


@cache
def template(shape):
    """A net with everybody's initial weights."""
    lib = library()
    sizes = (c_uint * len(shape.layer_sizes))(*shape.layer_sizes)
    net = c_void_p(lib.fann_create_standard_array(c_uint(len(sizes)), sizes))
    for part in ("hidden", "output"):
        getattr(lib, f"fann_set_activation_function_{part}")(net, c_int(FANN_SIGMOID))
        getattr(lib, f"fann_set_activation_steepness_{part}")(net, c_float(0.5))
    lib.fann_set_train_error_function(net, c_int(FANN_ERRORFUNC_LINEAR))
    lib.fann_set_learning_rate(net, c_float(shape.learning_rate))
    lib.fann_set_learning_momentum(net, c_float(shape.momentum))
    drawn = NumpyMLP.of_shape(shape, np.float32, np.random.RandomState(SEED))
    connections = weights(net)
    for flat, coef, intercept in zip(
        layers(connections, shape.layer_sizes), drawn.coefs, drawn.intercepts, strict=True
    ):
        flat["weight"] = np.vstack([coef, intercept]).T
    lib.fann_set_weight_array(
        net, connections.ctypes.data_as(POINTER(Connection)), c_uint(len(connections))
    )
    return net


def weights(net):
    """FANN's connections: an array with the fields of Connection."""
    lib = library()
    connections = np.empty(lib.fann_get_total_connections(net), np.dtype(Connection))
    lib.fann_get_connection_array(net, connections.ctypes.data_as(POINTER(Connection)))
    return connections


def layers(connections, layer_sizes):
    """By layer, a view (fan_out, fan_in + 1): FANN has a unit's weights, then its bias."""
    views, start = [], 0
    for fan_in, fan_out in zip(layer_sizes[:-1], layer_sizes[1:], strict=True):
        end = start + (fan_in + 1) * fan_out
        views.append(connections[start:end].reshape(fan_out, fan_in + 1))
        start = end
    return views


def split(flat, layer_sizes):
    views = layers(flat, layer_sizes)
    return [view[:, :-1].T for view in views], [view[:, -1] for view in views]
