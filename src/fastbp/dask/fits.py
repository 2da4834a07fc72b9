"""A fit over partitions: what fits.py does for one data set, with the data on a cluster.

Takes an estimator without Dask, which has the parameters, and collections; returns it fitted. What
is drawn, in which order, and what becomes of the network and its state are the same as there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from dask.base import compute
from sklearn.base import is_classifier

from ..base import BaseBackprop
from ..checks import as_weights, has_validation
from ..classes import ClassificationProblem
from ..fit_data import Arrays, validation_data
from ..fits import Fit
from ..parameters import parameters_of
from ..random_states import random_source
from ..training.solvers import SOLVERS
from .executors import Executor
from .partitions import (
    blocks_of,
    encode,
    load,
    merge,
    shared_data,
    summarise,
    weight_sums,
    weights_of_classes,
)
from .rounds import Rounds
from .solvers import SharedRun, complaint_about, solver_for
from .sums import levels_of

# Fewer would leave threads idle where workers differ in number or speed; each costs bytes.
SHARDS_PER_THREAD = 2


def fit_on_partitions(
    local: BaseBackprop,
    executor: Executor,
    collections: Arrays,
    validation: Arrays,
    *,
    name: str,
    n_local_epochs: int,
    classes: Any,
    goes_on: bool,
) -> int:
    """Fit an estimator to (X, y, sample_weight); returns the number of rounds.

    name : str
        Of the estimator that the user has, for its checkpoint.
    goes_on : bool
        Whether training continues from the fitted network (warm_start).
    """
    if local.early_stopping and validation[0] is None:
        raise ValueError(
            "early_stopping=True needs X_val and y_val with Dask: no samples are set aside from "
            "the partitions."
        )
    with random_source(local.random_state) as random_state:
        loaded = _Loaded(local, executor, collections)
        facts = merge(loaded.summaries(with_digests=local.checkpoint is not None), classes)
        if goes_on:
            _check_goes_on(local, facts)
            facts = replace(facts, dtype=local.network_.dtype)
        problem = _problem(local, facts, goes_on)
        data = shared_data(facts, problem, len(loaded))
        settings = SOLVERS[local.solver].settings(parameters_of(local))
        solver = solver_for(settings, facts.n_samples)
        shards = loaded.encoded(problem, facts.dtype, solver.dtype)
        sums = _flat(executor.results(_each(executor, weight_sums, shards)))
        data = replace(data, total_weight=_total_weight(sums))
        _take_columns(local, facts)
        held_out = _held_out(local, data, problem, validation)
        fit = Fit(local, data, problem, held_out, random_state, goes_on=goes_on)
        fit.open_checkpoint(_arrays_of(facts, data), name, n_local_epochs=n_local_epochs)
        fit.begin()
        run = SharedRun(
            **vars(fit.begin_run(solver)),
            rounds=Rounds(executor, loaded.levels, shards),
            first=int(np.flatnonzero(sums)[0]),
            largest=facts.largest,
            n_local_epochs=n_local_epochs,
            seed=int(random_state.randint(2**31 - 1)),
        )
        fit.train(run, complaint_about)
        fit.finish()
        return run.rounds.n_rounds


class _Loaded:
    """Shards of checked arrays, which the executor holds."""

    def __init__(self, local, executor, collections):
        self._local, self._executor = local, executor
        X_blocks, y_blocks, weight_blocks = blocks_of(*collections)
        self.levels = levels_of(len(X_blocks), SHARDS_PER_THREAD * executor.n_threads)
        self._nodes = self.levels[-1]
        plain = type(local)(**local.get_params(deep=False))
        checker = executor.task(_same, plain)
        self._shards = executor.start(
            [
                executor.task(
                    load,
                    checker,
                    start,
                    X_blocks[start:stop],
                    y_blocks[start:stop],
                    weight_blocks[start:stop],
                )
                for start, stop in self._nodes
            ]
        )

    def __len__(self):
        return self.levels[0][0][1]

    def summaries(self, *, with_digests):
        of_classes = is_classifier(self._local)
        held = _each(self._executor, summarise, self._shards, of_classes, with_digests)
        return _flat(self._executor.results(held))

    def encoded(self, problem, dtype, solver_dtype):
        task = self._executor.task
        problem = task(_same, problem)
        encoded = self._executor.start(
            [
                task(encode, shard, start, problem, dtype, solver_dtype)
                for (start, _), shard in zip(self._nodes, self._shards, strict=True)
            ]
        )
        # what is encoded may be a copy of it; if that is lost, it is loaded again
        self._shards = []
        return encoded


def _same(value):
    return value


def _each(executor, function, shards, *arguments):
    return executor.start([executor.task(function, shard, *arguments) for shard in shards])


def _flat(shards):
    return [one for shard in shards for one in shard]


def _total_weight(sums):
    total = float(np.sum(sums))
    # for its messages
    as_weights(np.array([total]), 1, np.float64)
    return total


def _problem(local, facts, goes_on):
    if facts.classes is None:
        return local._problem(None, goes_on=goes_on)
    known = facts.classes
    return ClassificationProblem(
        known,
        known.output_activation(local.output_activation),
        {"label_smoothing": local.label_smoothing},
        weights_of_classes(local.class_weight, facts),
    )


def _check_goes_on(local, facts):
    """ValueError where the data are not those of a fitted network that goes on."""
    if facts.classes is not None:
        fitted = local._classes
        same = fitted.multilabel == facts.classes.multilabel
        if not same or set(fitted.labels) != set(facts.classes.labels):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {fitted.labels}, `y` has {facts.classes.labels}"
            )


def _take_columns(local, facts):
    local.n_features_in_ = len(facts.sizes)
    vars(local).pop("feature_names_in_", None)
    if facts.feature_names is not None:
        local.feature_names_in_ = np.array(facts.feature_names, dtype=object)


def _held_out(local, data, problem, validation):
    """The DataSet that the user validates on, computed where it is a collection, or None."""
    if not has_validation(*validation):
        return None
    return validation_data(local, compute(*validation), data, problem)


def _arrays_of(facts, data):
    """What a checkpoint knows the data by."""
    classes = None if facts.classes is None else facts.classes.labels
    name = "X, y or sample_weight, or how they are divided"
    return {name: [facts.digests, np.array(len(data)), classes]}
