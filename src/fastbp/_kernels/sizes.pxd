"""The layers of a network: their sizes, where their parameters lie in its vector, the objective."""
from .activations cimport Activation
from .front cimport Front
from .losses cimport Objective


cdef struct Layer:
    # z = a @ coef + intercept, then the activation; that of the output layer is its Output.
    Py_ssize_t fan_in
    Py_ssize_t fan_out
    Py_ssize_t coef_start       # offsets into the flat parameter vector
    Py_ssize_t intercept_start  # -1: the network has no intercepts
    Activation activation


cdef struct NetworkSizes:
    Py_ssize_t n_layers         # of weights: hidden layers and the output layer
    Py_ssize_t n_features
    Py_ssize_t n_outputs
    Py_ssize_t n_coefs
    Py_ssize_t n_params
    Py_ssize_t n_units          # the sum of fan_out
    Front front
    const Layer* layers
    Objective objective
