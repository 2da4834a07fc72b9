"""Checkpoints: a fit that is cut off goes on from where it was, in another process.

After each epoch a Checkpoint takes a copy of all that the run needs to continue: parameters,
TrainingState, the random state and the order of the samples. It writes the copy to its file when
the interval is over, at the end, and when an exception ends the run. ``fit`` with the same data
and parameters finds the file, checks that it is of this very run, and continues: the result has the
same bits as that of a run that was never cut off. (L-BFGS starts again from its point: SciPy keeps
the rest to itself.)
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ..archives import ModelFileError, from_json, read_archive, to_json, write_archive
from ..types import Path
from ..user_warnings import warn
from .saved_state import arrays_of, check_array, numbers_of, read_state
from .schedules import ENDING_SCHEDULES

if TYPE_CHECKING:
    from .run import Run

# Parameters that may be others when a run is resumed.
FREE = {"checkpoint", "checkpoint_interval", "verbose", "n_threads", "max_time", "warm_start"}
RUN = "{run}"  # in a path: replaced by what tells this run from others


def describe(
    name: str, parameters: dict[str, Any], arrays: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """What makes a run this run: a dict for JSON.

    Parameters
    ----------
    name : str
        Of the estimator.
    parameters : dict
        All parameters.
    arrays : dict of str to sequence
        By what the user knows them as: arrays, CSR matrices, None.
    """
    free = FREE if parameters["learning_rate"] in ENDING_SCHEDULES else {*FREE, "max_iter"}
    return {
        "estimator": name,
        "parameters": {
            key: _as_json(value) for key, value in sorted(parameters.items()) if key not in free
        },
        "data": {key: _digest(values) for key, values in arrays.items()},
    }


def _as_json(value):
    try:
        return to_json(value)
    except TypeError:
        # of objects only the type is compared
        kind = value if hasattr(value, "__qualname__") else type(value)
        return {"object": f"{kind.__module__}.{kind.__qualname__}"}


def _shown(value):
    try:
        return repr(from_json(value))
    except ModelFileError:
        return str(value)[:80]


def _digest(values):
    digest = hashlib.sha256()
    for value in values:
        parts = [value]
        if sparse.issparse(value):
            parts = [value.data, value.indices, value.indptr]
        for part in parts:
            if part is None:
                digest.update(b"none")
                continue
            array = np.asarray(part)
            if array.dtype.hasobject:
                array = array.astype(str)
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class Checkpoint:
    """The file of one run.

    Parameters
    ----------
    path : str or path-like
        ``{run}`` in it is replaced by 16 letters and digits that other data or parameters change.
    interval : float
        Seconds between two writes, at least.
    description : dict
        From describe.
    random_state : numpy RandomState
        Nothing has been drawn from it yet. If there is a file, it is set to where it was then.

    Raises
    ------
    ValueError
        If the file is of another run; says what differs.
    ModelFileError
        If the file is damaged.
    """

    def __init__(
        self,
        path: Path,
        interval: float,
        description: dict[str, Any],
        random_state: np.random.RandomState,
    ) -> None:
        text = json.dumps(description, sort_keys=True)
        run = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.path: str = os.fspath(path).replace(RUN, run)
        self._interval, self._description = interval, description
        self._saved: Any = None
        self._latest: Any = None
        self._written = -np.inf
        if os.path.exists(self.path):
            self._saved = read_archive(self.path)
            header = self._saved[0]
            self._check(header)
            try:
                _set_random_state(random_state, header.get("random_state_at_start"))
            except ModelFileError as error:
                raise ModelFileError(f"{self.path!r}: {error}") from None
        self._random_state_at_start = to_json(random_state.get_state(legacy=False))

    def _check(self, header):
        if header.get("kind") != "checkpoint" or header.get("format") != 1:
            raise ModelFileError(f"{self.path!r} is no checkpoint of format 1.")
        saved, mine = header.get("run"), self._description
        if not isinstance(saved, dict):
            raise ModelFileError(f"{self.path!r} does not say which run it is of.")
        for part in "parameters", "data":
            theirs = saved.get(part)
            if not isinstance(theirs, dict):
                raise ModelFileError(f"{self.path!r} does not say which {part} it is of.")
            differing = [
                name
                for name in sorted({*theirs, *mine[part]})
                if theirs.get(name) != mine[part].get(name)
            ]
            if differing or saved.get("estimator") != mine["estimator"]:
                raise ValueError(
                    f"checkpoint={self.path!r} is of a run of {saved.get('estimator')} with other "
                    f"{part}: {self._differences(part, differing, theirs)}. Remove the file to "
                    f"start anew, or give each run a file of its own: {RUN} in the path is "
                    "replaced by what tells runs apart."
                )

    def _differences(self, part, names, theirs):
        if part == "data":
            return ", ".join(names)
        mine = self._description[part]
        return ", ".join(
            f"{name}={_shown(theirs.get(name))}, now {_shown(mine.get(name))}" for name in names
        )

    def restore(self, run: Run) -> bool:
        """Put a run where the file has left it; True if it had come to its end."""
        is_finished = False
        if self._saved is not None:
            try:
                is_finished = _restore(run, *self._saved)
            except (ModelFileError, TypeError) as error:
                raise ModelFileError(f"{self.path!r}: {error}") from None
            if run.settings.verbose:
                print(f"Resumed from {self.path!r} after iteration {run.state.n_iter}.")
        self.take(run)
        if self._saved is None:
            # at once: a folder that cannot be written ends the fit before any work
            write_archive(self.path, *self._contents(is_finished=False))
        self._saved, self._written = None, time.monotonic()
        return is_finished

    def take(self, run: Run) -> None:
        """Copy the run as it is now."""
        state = run.state.copy()
        state.order = run.state.order.copy()
        random_state = run.state.random_state.get_state(legacy=False)
        max_iter = int(run.settings.max_iter)
        self._latest = state, random_state, run.network.params.copy(), run.loss, max_iter

    def end_epoch(self, run: Run) -> None:
        """Copy the run, and write the copy if it is time to."""
        self.take(run)
        if time.monotonic() - self._written >= self._interval:
            self.write()

    def write(self, *, is_finished: bool = False) -> None:
        """Write the last copy. A disk that is full costs the file, not the fit."""
        try:
            write_archive(self.path, *self._contents(is_finished))
        except OSError as error:
            warn(
                f"The checkpoint {self.path!r} could not be written: {error}. Training goes on; "
                "the file is as it was.",
                RuntimeWarning,
            )
        self._written = time.monotonic()

    def _contents(self, is_finished):
        state, random_state, params, loss, max_iter = self._latest
        header = {
            "format": 1,
            "kind": "checkpoint",
            "run": self._description,
            "is_finished": is_finished,
            "max_iter": max_iter,
            "random_state_at_start": self._random_state_at_start,
            "random_state": to_json(random_state),
            "loss": to_json(loss),
            "state": numbers_of(state),
        }
        return header, {"params": params, "order": state.order, **arrays_of(state)}


def _set_random_state(random_state, saved):
    try:
        random_state.set_state(from_json(saved))
    except (TypeError, ValueError, KeyError) as error:
        raise ModelFileError(f"its random state cannot be used: {error}") from None


def _restore(run, header, arrays):
    """Make the run the saved one; nothing is changed before all of it is checked."""
    arrays, state = dict(arrays), run.state
    params, order = arrays.pop("params", None), arrays.pop("order", None)
    check_array("params", params, run.network.params.shape, run.network.dtype)
    check_array("order", order, state.order.shape, state.order.dtype)
    if (np.sort(order) != np.sort(state.order)).any():
        raise ModelFileError("order does not have the training samples.")
    saved = read_state(header.get("state"), arrays, run.network.n_params, state.moments.dtype)
    if arrays:
        raise ModelFileError(f"it has the unknown members {sorted(arrays)}.")
    if saved.moments.shape != state.moments.shape:
        raise ModelFileError(f"moments has shape {saved.moments.shape}, not {state.moments.shape}.")
    for name in "validation_loss_curve", "validation_scores", "best_loss", "best_validation_score":
        if (getattr(saved, name) is None) != (getattr(state, name) is None):
            raise ModelFileError(f"{name} is missing, or should be.")
    if len(saved.loss_curve) < saved.n_iter:
        raise ModelFileError(f"it has {saved.n_iter} iterations and a shorter loss_curve.")
    loss, is_finished = from_json(header.get("loss")), header.get("is_finished")
    if type(is_finished) is not bool or not (loss is None or isinstance(loss, float)):
        raise ModelFileError("is_finished or loss is of the wrong type.")
    _set_random_state(state.random_state, header.get("random_state"))
    saved.random_state, saved.order = state.random_state, order
    vars(state).update(vars(saved))
    run.network.params, run.loss = params, loss
    # A run that max_iter has ended goes on if more is asked for now.
    goes_on = saved.n_iter == header.get("max_iter") and saved.n_iter < run.settings.max_iter
    return is_finished and not (goes_on and not run.monitor.is_stagnant)
