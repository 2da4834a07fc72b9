"""Executors: where the tasks of a fit run, on a cluster or in this process.

A task is a function and its arguments, among them tasks, and what an executor holds. `start` has
tasks computed and returns what the executor holds of them, `results` waits for the values, and
`answer` is both for a task of a round.

On a cluster a task is never tied to a worker, and whatever is held can be computed again from the
tasks before it: the scheduler does that when a worker is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import dask
import distributed
from dask.base import compute
from dask.delayed import delayed

# Seconds between two looks at whether the scheduler is still there, and how long it may take to
# answer: a busy one may need some, one that is gone without a word would never do it.
LOOK = 2.0
PATIENCE = 60.0


class Executor(Protocol):
    """What a fit needs of an executor."""

    n_threads: int

    def task(self, function: Callable[..., Any], *arguments: Any) -> Any: ...
    def start(self, tasks: Sequence[Any]) -> list[Any]: ...
    def results(self, held: Sequence[Any]) -> list[Any]: ...
    def answer(self, task: Any) -> Any: ...


def executor_for(client: Any) -> Executor:
    """Of a client, of the current client where None is given, or of this process without one."""
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError:
            return InProcess()
    return OnCluster(client)


def _task(function, *arguments):
    return delayed(function, pure=False)(*arguments)


class InProcess:
    """Dask's threads in this process, where there is no client."""

    n_threads: int = 1

    def task(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return _task(function, *arguments)

    def start(self, tasks: Sequence[Any]) -> list[Any]:
        values = compute(*tasks, scheduler="threads", optimize_graph=False)
        return [delayed(value, pure=False, traverse=False) for value in values]

    def results(self, held: Sequence[Any]) -> list[Any]:
        return list(compute(*held, scheduler="sync"))

    def answer(self, task: Any) -> Any:
        (value,) = compute(task, scheduler="threads", optimize_graph=False)
        return value


class OnCluster:
    """The workers of a client's cluster.

    Raises
    ------
    ClusterLostError
        From every method, once the scheduler is gone or the client is closed.
    """

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        self._check()
        # of the workers that are there now; it decides how data are grouped, but not the result
        self.n_threads: int = max(1, sum(client.nthreads().values()))

    def task(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return _task(function, *arguments)

    def start(self, tasks: Sequence[Any]) -> list[Any]:
        self._check()
        # unoptimised: fused with others, a message would travel once for each shard
        return self._client.compute(list(tasks), optimize_graph=False)

    def results(self, held: Sequence[Any]) -> list[Any]:
        return [self._result(future) for future in held]

    def answer(self, task: Any) -> Any:
        # Parameters that take more than 10 MB are no mistake of the user's.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
            held = self.start([task])
        return self._result(*held)

    def _result(self, future):
        while True:
            try:
                return future.result(timeout=LOOK)
            except distributed.TimeoutError:
                if future.status == "error":
                    raise  # of the task itself
                self._check(asks=True)
            except distributed.CancelledError as error:
                raise ClusterLostError(f"{LOST} ({error})") from None

    def _check(self, *, asks=False):
        if self._client.status != "running":
            raise ClusterLostError(f"{LOST} (the client is {self._client.status})")
        if asks:
            try:
                scheduler: Any = self._client.scheduler
                self._client.sync(scheduler.identity, callback_timeout=PATIENCE)
            except (distributed.TimeoutError, OSError) as error:
                raise ClusterLostError(f"{LOST} (it does not answer: {error})") from None


LOST = (
    "The connection to Dask's scheduler is lost, or the client was closed. The estimator is as it "
    "was before; with the parameter checkpoint, the same fit goes on from the last epoch that was "
    "written."
)


class ClusterLostError(RuntimeError):
    """A fit cannot go on: the scheduler is gone, or the client was closed."""
