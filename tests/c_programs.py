"""C files of fastbp.to_c, compiled and called, and how far their numbers may be from predict's."""

import ctypes
import os
import shlex
import subprocess

import numpy as np
from reference import ACTIVATIONS, ReferenceNetwork
from scipy.special import expit, softmax
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor

# Each compiler with its options for a machine. .ci/run names more, that of a microcontroller too.
COMPILERS = os.environ.get("FASTBP_C_COMPILERS", os.environ.get("CC", "gcc")).split(";")
# The first for the numbers: functions of many models are compiled fastest without optimisation.
QUICK = ["-O0", "-w"]
# Every word of the compilers. With -std=c99 gcc fuses no product with an addition by itself.
STRICT = ["-O1", "-Werror", "-Wall", "-Wextra", "-pedantic", "-Wdouble-promotion", "-Wconversion"]
STRICT += ["-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wcast-qual"]

# How far values may be from predict's, in the units of rounding_units. Predict for one row and for
# many differ by up to 2.
MOST_UNITS = 4


def compile_c(text, path, *options, compiler=COMPILERS[0]):
    """Compile a text to the file `path`; what the compiler says is the error."""
    source = path.with_suffix(".c")
    source.write_text(text)
    libraries = [] if "-c" in options else ["-lm"]
    command = [
        *shlex.split(compiler),
        "-std=c99",
        *options,
        "-o",
        str(path),
        str(source),
        *libraries,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[:5000]}"


class Library:
    """The functions of C files, called for each row of a matrix."""

    def __init__(self, text, folder, *options):
        path = folder / "models.so"
        compile_c(text, path, *(options or QUICK), "-shared", "-fPIC")
        self.functions = ctypes.CDLL(str(path))

    def call(self, name, X, *shapes, restype=None):
        """(what is returned, arrays that are written) for each row of X."""
        function = getattr(self.functions, name)
        function.restype = restype
        X = np.ascontiguousarray(X)
        outs = [np.full((len(X), size), -1, dtype) for size, dtype in shapes]
        returned = [
            function(*(ctypes.c_void_p(one[row].ctypes.data) for one in (X, *outs)))
            for row in range(len(X))
        ]
        return (np.array(returned), *outs) if restype else outs

    def values(self, name, X, n_values):
        (values,) = self.call(f"{name}_predict", X, (n_values, X.dtype))
        return values


def network_of(model):
    """(scaler or None, estimator) of a model."""
    return (model[0], model[1]) if hasattr(model, "steps") else (None, model)


def ulps(values, dtype):
    """The distance of a number to the next one of the type; near 0 the smallest normal number."""
    return np.maximum(np.spacing(np.abs(values).astype(dtype)), np.finfo(dtype).tiny).astype(float)


def values_of(model, X):
    """What NAME_predict computes, as Python does: (n_samples, n_values)."""
    scaler, net = network_of(model)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    if isinstance(net, BackpropRegressor):
        return model.predict(X).reshape(len(X), -1)
    return net.network_.forward(X if scaler is None else scaler.transform(X))


def rounding_units(model, X):
    """For each value, how far it moves if each sum of the network is off by an ulp.

    The ulp is one of the sum of the terms' magnitudes: this is what a sum in another order, or with
    fused multiply-adds, may differ by, some ulps at most. What a function returns is off by an ulp
    of its own. Errors are taken on to the outputs by derivatives, with all signs alike.
    """
    scaler, net = network_of(model)
    twin, dtype = ReferenceNetwork.like(net.network_), X.dtype
    inputs = X if scaler is None else scaler.transform(X)
    a, units = inputs.astype(float), np.zeros(inputs.shape)
    if isinstance(scaler, StandardScaler) and scaler.with_mean:
        # scikit-learn up to 1.8 subtracts in float64
        units = ulps(np.abs(X) + np.abs(scaler.mean_), dtype)
        units = (units / scaler.scale_ if scaler.with_std else units) + ulps(a, dtype)
    if twin.front is not None:
        front, m = twin.unpack_front(twin.params), len(twin.unpack_front(twin.params).w)
        turns = np.abs(front.w * a[:, :m, None]) + np.abs(front.b)
        cosines, sines = np.cos(front.angles(a)), np.sin(front.angles(a))
        of_waves = 2 * np.pi * np.abs(sines) * ulps(turns, dtype) + ulps(cosines, dtype)
        terms = np.einsum("njh,jhr->njr", np.abs(cosines), np.abs(front.V)) + np.abs(front.c)
        of_e = np.einsum("njh,jhr->njr", of_waves, np.abs(front.V)) + ulps(terms, dtype)
        units = np.concatenate([units, of_e.reshape(len(X), -1)], axis=1) * np.abs(front.s)
        a = front.forward(a)
        units += ulps(a, dtype)
    coefs, intercepts = twin.unpack(twin.params)
    for layer, coef in enumerate(coefs):
        intercept = intercepts[layer] if len(intercepts) else np.zeros(coef.shape[1])
        terms = np.abs(a) @ np.abs(coef) + np.abs(intercept)
        units = units @ np.abs(coef) + ulps(terms, dtype)
        z = a @ coef + intercept
        if layer < len(coefs) - 1:
            function, derivative = ACTIVATIONS[twin.hidden_activations[layer]]
            a = function(z)
            slopes = np.maximum(*(np.abs(derivative(z + sign * units)) for sign in (-1, 1)))
            units = slopes * units + ulps(a, dtype)
    return _units_of_values(net, z, units, dtype)


def _units_of_values(net, z, units, dtype):
    output = net.out_activation_
    if output == "identity":
        return units[:, :1] if net.loss == "gaussian" else units
    if output == "increasing":
        steps = np.concatenate([np.ones_like(z[:, :1]), expit(z[:, 1:])], axis=1)
        sums = np.cumsum(np.abs(np.concatenate([z[:, :1], np.logaddexp(0, z[:, 1:])], axis=1)), 1)
        return np.cumsum(steps * units, axis=1) + ulps(sums, dtype)
    if output == "exp":
        return np.exp(z) * units + ulps(np.exp(z), dtype)
    if output == "softmax":
        p = softmax(z, axis=1)
        return p * (units + (p * units).sum(axis=1, keepdims=True)) + ulps(p, dtype)
    p = expit(z)
    units = p * (1 - p) * units + ulps(p, dtype)
    if isinstance(net, BackpropRegressor) or net._classes.multilabel:
        return units
    n_classes = len(net.classes_)
    if n_classes == 1:
        return np.zeros_like(units)
    if n_classes == 2:
        return np.concatenate([units + ulps(1 - p, dtype), units], axis=1)
    total = p.sum(axis=1, keepdims=True)
    share = p / total
    return (units + share * units.sum(axis=1, keepdims=True)) / total + ulps(share, dtype)
