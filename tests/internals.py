"""Everything that the tests use beyond the public interface of fastbp, in one place.

A part of the package that moves is followed by an edit here. The compiled core in use is
`kernels.core`; the fixture `build` of conftest.py puts each build there in turn.
"""

import itertools

import numpy as np

from fastbp import Network, base
from fastbp import _kernels as kernels
from fastbp import displays as display_module
from fastbp._kernels import core
from fastbp.inputs import Targets
from fastbp.network import UNDEFINED_PAIRS
from fastbp.representation import LayersReprMixin, layers_html
from fastbp.training import levenberg_marquardt, monitor, threads
from fastbp.training.schedules import rate_after_epoch, rate_after_stagnation, step_rates
from fastbp.training.threads import LEAST_CALL, LEAST_STEP, allowed, choose_n_threads

__all__ = [
    "ACTIVATIONS",
    "BEST_BUILD",
    "BUILDS",
    "DISPLAY_MODULES",
    "DTYPES",
    "LAYERS",
    "LEAST_CALL",
    "LEAST_STEP",
    "LOSSES",
    "OPTIMIZERS",
    "OUTPUTS",
    "PAIRS",
    "SOLVERS",
    "UNDEFINED_PAIRS",
    "LayersReprMixin",
    "Targets",
    "allowed",
    "check_everything",
    "choose_n_threads",
    "core",
    "evaluator",
    "kernels",
    "layers_html",
    "levenberg_marquardt",
    "monitor",
    "rate_after_epoch",
    "rate_after_stagnation",
    "step_rates",
    "threads",
    "trainer",
    "trained_moments",
]

# --- registries ---

BUILDS = kernels.available_builds()
BEST_BUILD = BUILDS[-1]
DTYPES = ["float64", "float32"]
ACTIVATIONS = list(core.ACTIVATIONS)
OUTPUTS = list(core.OUTPUTS)
LOSSES = list(core.LOSSES)
# (output, loss) of every objective that is defined
PAIRS = [
    (output, loss)
    for output, loss in itertools.product(OUTPUTS, LOSSES)
    if (loss, output) not in UNDEFINED_PAIRS
]
OPTIMIZERS = list(core.OPTIMIZERS)
SOLVERS = [*OPTIMIZERS, "lbfgs", "levenberg_marquardt"]

# Modules of the package from the top down: a module may import what stands after it.
LAYERS = [
    "__init__",
    "versions",
    "displays",
    "estimators",
    "base",
    "representation",
    "callbacks",
    "classes",
    "gradcheck",
    "training",
    "network",
    "inputs",
    "_kernels",
]
DISPLAY_MODULES = [display_module.__name__]


# --- the compiled core, as a network sets it up ---


def evaluator(net, X, y, weights=None, *, gradient=True, n_threads=1):
    """The loss of a network, and its gradient, by a team of threads."""
    samples = net._samples(X, y, weights)
    return kernels.core.Evaluator(
        net._plan, samples, net.l2, gradient=gradient, n_threads=n_threads
    )


def trainer(net, X, y, weights=None, *, optimizer, learning_rate, batch_size, alpha, n_threads):
    """Epochs of an optimizer with its usual constants, over net.params."""
    moments = np.zeros(core.N_MOMENTS[optimizer] * net.n_params, dtype=net.params.dtype)
    return kernels.core.Trainer(
        net._plan,
        net.params,
        moments,
        np.empty_like(net.params),
        net._samples(X, y, weights),
        optimizer=core.OPTIMIZERS[optimizer],
        learning_rate=learning_rate,
        momentum=0.9,
        nesterov=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_steps=0,
        batch_size=batch_size,
        alpha=alpha,
        n_threads=n_threads,
    )


def trained_moments(estimator):
    """The optimizer's moments that partial_fit goes on with."""
    return estimator._training_state.moments


# --- short ways past scikit-learn's checks ---


def check_everything(monkeypatch):
    """From now on every array goes through all checks, whatever is known of it."""
    monkeypatch.setattr(base, "is_kernel_matrix", lambda X, dtypes: False)
    monkeypatch.setattr(Network, "_outputs_if_sound", lambda self, X: None)
