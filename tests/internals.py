"""Everything that the tests use beyond the public interface of fastbp, in one place.

A part of the package that moves is followed by an edit here. The compiled core in use is
`kernels.core`; the fixture `build` of conftest.py puts each build there in turn.
"""

import itertools
from contextlib import contextmanager

import numpy as np

from fastbp import BackpropClassifier, Network, base, extras, fit_data, threads
from fastbp import _kernels as kernels
from fastbp._kernels import core
from fastbp.data import DataSet, Targets
from fastbp.exchange import functions, onnx_model, onnx_tables
from fastbp.exchange.description import describe_table
from fastbp.objective import LOSSES as LOSS_RECORDS
from fastbp.objective import loss_record
from fastbp.show.layers import layers_html, with_layers
from fastbp.tables.encoder import MAX_LEVELS, TableEncoder
from fastbp.tables.ensemble import EncodedTable, is_worse_wave, train_members
from fastbp.tables.folds import deal_out, make_splits
from fastbp.tables.importance import n_rows_used, permutation_importances
from fastbp.tables.intervals import ConformalErrors
from fastbp.tables.presets import Preset
from fastbp.tables.target_scales import TargetScale
from fastbp.threads import LEAST_CALL, LEAST_STEP, allowed, choose_n_threads
from fastbp.training import levenberg_marquardt, monitor
from fastbp.training.rate_factors import groups_of as rate_groups
from fastbp.training.schedules import (
    ends_of_waves,
    rate_after_epoch,
    rate_after_stagnation,
    step_rates,
)
from fastbp.training.solvers import SOLVERS as SOLVER_RECORDS
from fastbp.training.stochastic import shuffle
from fastbp.training.verdicts import loss_of_constant

__all__ = [
    "ACTIVATIONS",
    "BEST_BUILD",
    "BUILDS",
    "DISPLAY_MODULES",
    "DTYPES",
    "LEAST_CALL",
    "LEAST_STEP",
    "LOSSES",
    "MAX_LEVELS",
    "OPTIMIZERS",
    "OUTPUTS",
    "PAIRS",
    "SOLVERS",
    "UNDEFINED_PAIRS",
    "DataSet",
    "ConformalErrors",
    "EncodedTable",
    "Preset",
    "TargetScale",
    "TableEncoder",
    "Targets",
    "allowed",
    "check_everything",
    "choose_n_threads",
    "n_rows_used",
    "permutation_importances",
    "deal_out",
    "describe_table",
    "make_splits",
    "train_members",
    "core",
    "ends_of_waves",
    "evaluator",
    "in_build",
    "is_worse_wave",
    "extras",
    "kernels",
    "functions",
    "layers_html",
    "levenberg_marquardt",
    "loss_of_constant",
    "monitor",
    "n_targets",
    "onnx_model",
    "onnx_tables",
    "rate_after_epoch",
    "rate_groups",
    "rate_after_stagnation",
    "shuffle",
    "step_rates",
    "threads",
    "trainer",
    "trained_moments",
    "with_layers",
]

# --- registries ---

BUILDS = kernels.available_builds()
BEST_BUILD = BUILDS[-1]
DTYPES = ["float64", "float32"]
ACTIVATIONS = list(core.ACTIVATIONS)
OUTPUTS = list(core.OUTPUTS)
LOSSES = list(core.LOSSES)
UNDEFINED_PAIRS = {
    (loss, output): reason
    for loss, record in LOSS_RECORDS.items()
    for output, reason in record.undefined_for.items()
}
# (output, loss) of every objective that is defined
PAIRS = [
    (output, loss)
    for output, loss in itertools.product(OUTPUTS, LOSSES)
    if (loss, output) not in UNDEFINED_PAIRS
]
OPTIMIZERS = list(core.OPTIMIZERS)
SOLVERS = list(SOLVER_RECORDS)


@contextmanager
def in_build(name):
    """Networks that are built here run in this build of the compiled core."""
    before, kernels.core = kernels.core, kernels.load_build(name)
    try:
        yield
    finally:
        kernels.core = before


DISPLAY_MODULES = ["fastbp.show.curves", "fastbp.show.importance", "fastbp.show.weights"]


def n_targets(net):
    """Columns of a network's y: some losses have outputs without a target."""
    return net.layer_sizes[-1] - loss_record(net.loss_name).n_extra


# --- the compiled core, as a network sets it up ---


def evaluator(net, X, y, weights=None, *, gradient=True, n_threads=1):
    """The loss of a network, and its gradient, by a team of threads."""
    samples = net._samples(X, y, weights)
    return net.evaluator(samples, l2=net.l2, gradient=gradient, n_threads=n_threads)


def trainer(
    net,
    X,
    y,
    weights=None,
    *,
    optimizer,
    learning_rate,
    batch_size,
    alpha,
    n_threads,
    adapts=False,
    **params,
):
    """Epochs of an optimizer with the estimators' defaults, over net.params."""
    params |= dict(solver=optimizer, learning_rate_init=learning_rate, alpha=alpha)
    settings = SOLVER_RECORDS[optimizer].settings(BackpropClassifier(**params).get_params())
    moments = np.zeros((core.N_MOMENTS[optimizer], net.n_params), dtype=net.params.dtype)
    return net.trainer(
        net._samples(X, y, weights),
        moments,
        settings,
        batch_size=batch_size,
        n_steps=0,
        n_threads=n_threads,
        adapts=adapts,
    )


def trained_moments(estimator):
    """The optimizer's moments that partial_fit goes on with."""
    return estimator._training_state.moments


# --- short ways past scikit-learn's checks ---


def check_everything(monkeypatch):
    """From now on every array goes through all checks, whatever is known of it."""
    monkeypatch.setattr(fit_data, "is_kernel_matrix", lambda X, dtypes: False)
    monkeypatch.setattr(base, "plain_array_of", lambda X, names: None)
    monkeypatch.setattr(Network, "try_forward", lambda self, X, n_threads=None: None)
