"""fit_batches: what fits.py does with arrays, with a user's batches.

Takes an estimator and its batches; fits it. CheckedBatches (batches.py) stand in place of the
arrays, a Stream (training/streams.py) in place of the DataSet.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import Any

from sklearn.base import is_regressor

from .batches import CheckedBatches, LabelCounts
from .callbacks import FitCallbacks
from .checks import as_whole_number, has_validation
from .fit_data import NO_ARRAYS, Arrays, dtypes_for, validation_data
from .fits import Fit, continues
from .objective import penalty_factors
from .parameters import parameters_of
from .random_states import random_source
from .training.schedules import depends_on_n_steps
from .training.solvers import SOLVERS
from .training.streams import Stream
from .types import ArrayLike, Batches
from .whole_fits import whole_fit


def fit_stream(
    estimator: Any,
    batches: Batches,
    validation: Arrays,
    buffer_rows: int | None,
    classes: ArrayLike | None = None,
) -> None:
    """Fit a BackpropClassifier or BackpropRegressor; its fit_batches says to what, and how.

    If reading fails after one epoch or more, the estimator is fitted before the error is raised.
    """
    solver = SOLVERS[estimator.solver]
    _check(estimator, solver, validation)
    if buffer_rows is not None:
        buffer_rows = as_whole_number("buffer_rows", buffer_rows, 1)
    callbacks = FitCallbacks(estimator, max_epochs=estimator.max_iter)
    with whole_fit(estimator), random_source(estimator.random_state) as random_state:
        goes_on = continues(estimator)
        known = estimator._known_classes(goes_on, classes)
        with closing(_source(estimator, batches, known, goes_on)) as source:
            settings = solver.settings(parameters_of(estimator))
            stream = Stream(source, buffer_rows, settings.batch_size)
            problem = _read_first(estimator, stream, source, settings, known)
            held_out = validation_data(estimator, validation, stream, problem)
            fit = Fit(estimator, stream, problem, held_out, random_state, goes_on=goes_on)
            failure = _train(fit, stream, callbacks)
    if failure is not None:
        raise failure


def _check(estimator, solver, validation):
    if not solver.is_incremental:
        names = " or ".join(repr(name) for name, one in SOLVERS.items() if one.is_incremental)
        raise ValueError(
            f"fit_batches needs solver={names}, got solver={estimator.solver!r}, each step of "
            "which needs all samples."
        )
    if estimator.early_stopping and not has_validation(*validation):
        raise ValueError(
            "fit_batches sets no samples aside: early_stopping=True needs X_val and y_val."
        )


def _source(estimator, batches, known, goes_on):
    """The user's batches, checked; with the counts of the labels, where they have to be known."""
    is_counted = known is None or getattr(estimator, "class_weight", None) == "balanced"
    return CheckedBatches(
        estimator,
        batches,
        dtypes_for(estimator, goes_on),
        resets=not goes_on,
        labels=LabelCounts() if is_counted and not is_regressor(estimator) else None,
    )


def _read_first(estimator, stream, source, settings, known):
    """Fill the buffer; returns the problem that the targets pose, after a pass over all rows where
    it takes one."""
    labels = source.labels
    stream.read_first()
    needs_labels = labels is not None and (
        estimator.class_weight == "balanced" or not labels.classes.multilabel
    )
    needs_n_rows = depends_on_n_steps(settings.learning_rate, settings.warmup_epochs)
    if not stream.is_whole and (needs_labels or needs_n_rows):
        began = time.monotonic()
        stream.count()
        if estimator.verbose:
            seconds = time.monotonic() - began
            print(f"Counted {stream.n_rows} rows, time = {seconds:.2f} s")
    problem = source.problem = estimator._problem_of_stream(source.first_y, labels, known)
    stream.begin()
    return problem


def _train(fit, stream, callbacks):
    """The steps of the Fit; returns what reading has raised after a whole epoch, or None."""
    # the data that a checkpoint knows are the rows in the buffer, which are the first ones
    fit.open_checkpoint(buffer_rows=len(stream))
    fit.begin()
    run = fit.begin_run(after_epoch=callbacks.after_epoch)
    run.stream = stream
    callbacks.begin(*NO_ARRAYS, partial(fit.attributes_in, run))
    fit.train(run)
    _set_penalties(fit, stream)
    fit.finish()
    callbacks.end()
    return run.failure


def _set_penalties(fit, stream):
    """Those of all rows, whose number is known after an epoch at the latest."""
    if fit.state.n_iter > 0 and not stream.weight_sum_is_known:
        stream.read_rest()  # the checkpoint was that of a run that had come to its end
    estimator: Any = fit.estimator
    factors = penalty_factors(estimator.alpha, estimator.l1_ratio, stream.weight_sum)
    fit.network.l1, fit.network.l2 = float(factors["l1"]), float(factors["l2"])
