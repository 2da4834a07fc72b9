"""Workers and schedulers that are lost in the middle of a fit."""

import os
import signal
import time

import pytest
from dask_processes import Cluster
from problems import CUT_SHORT, assert_same_bits, make_classes
from sklearn.base import clone

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
executors = pytest.importorskip("fastbp.dask.executors")
DaskBackpropClassifier = pytest.importorskip("fastbp.dask").DaskBackpropClassifier
ClusterLostError = pytest.importorskip("fastbp.dask").ClusterLostError

pytestmark = [
    pytest.mark.slow,
    CUT_SHORT,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

X, Y = make_classes(n_samples=600)
SIZES = (100, 0, 90, 210, 1, 80, 119)
SOLVERS = [{"solver": "lbfgs"}, {"batch_size": 20}, {"solver": "rprop"}]
LATEST = 60.0  # seconds after which something hangs


def divided(*arrays):
    return [da.from_array(array, chunks=(SIZES, *array.shape[1:])) for array in arrays]


def make(**parameters):
    defaults = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 0, "tol": 0.0}
    return DaskBackpropClassifier(**(defaults | parameters))


def in_round(number, act, monkeypatch):
    """Let something happen while the tasks of a round are under way."""
    start = executors.OnCluster.start
    answers = []

    def start_then_act(self, tasks):
        held = start(self, tasks)
        answers.extend(tasks if len(tasks) == 1 else [])
        if len(answers) == number and not acted:
            acted.append(act())
        return held

    acted = []
    monkeypatch.setattr(executors.OnCluster, "start", start_then_act)
    return acted


@pytest.mark.parametrize("parameters", SOLVERS, ids=str)
def test_a_worker_that_is_lost_leaves_no_trace(parameters, client, monkeypatch):
    """A worker of this process: it is closed without a word to anybody about its data."""
    model = make(**parameters)
    undisturbed = clone(model).fit(*divided(X, Y))
    first, second = client.cluster.workers.values()

    def lose():
        client.sync(first.close, executor_wait=False, reason="lost")

    acted = in_round(3, lose, monkeypatch)
    model.fit(*divided(X, Y), client=client)
    assert acted == [None]
    assert_same_bits(model, undisturbed)
    assert model.n_rounds_ == undisturbed.n_rounds_


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_processes_that_are_killed(tmp_path, monkeypatch):
    models = [make(**parameters) for parameters in SOLVERS[:2]]
    undisturbed = [clone(model).fit(*divided(X, Y)) for model in models]
    cluster = Cluster(tmp_path, 2)
    try:
        client = cluster.client(LATEST)
        for model, expected in zip(models, undisturbed, strict=True):

            def kill():
                cluster.workers.pop(0).kill()
                cluster.add_worker()

            with monkeypatch.context() as patch:
                acted = in_round(3, kill, patch)
                model.fit(*divided(X, Y), client=client)
            assert acted == [None]
            assert_same_bits(model, expected)

        # all workers: the data are loaded again
        def kill_all():
            for worker in cluster.workers:
                worker.kill()
            cluster.add_worker()

        with monkeypatch.context() as patch:
            acted = in_round(3, kill_all, patch)
            model = clone(models[0]).fit(*divided(X, Y), client=client)
        assert acted == [None]
        assert_same_bits(model, undisturbed[0])

        model = clone(models[1])
        model.set_params(checkpoint=tmp_path / "run.npz", checkpoint_interval=0)
        with monkeypatch.context() as patch:
            acted = in_round(3, cluster.scheduler.kill, patch)
            began = time.monotonic()
            with pytest.raises(ClusterLostError, match="checkpoint"):
                model.fit(*divided(X, Y), client=client)
            assert time.monotonic() - began < LATEST
        assert acted == [None] and vars(model) == model.get_params()
        client.close()
        model.fit(*divided(X, Y))
        assert_same_bits(model, undisturbed[1])
        assert model.n_rounds_ < undisturbed[1].n_rounds_
    finally:
        cluster.close()


@pytest.mark.skipif(os.name != "posix", reason="stops a process")
def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "LOOK", 0.2)
    monkeypatch.setattr(executors, "PATIENCE", 1.0)
    cluster = Cluster(tmp_path, 1)
    try:
        client = cluster.client(LATEST)

        def stop():
            os.kill(cluster.scheduler.pid, signal.SIGSTOP)

        in_round(2, stop, monkeypatch)
        began = time.monotonic()
        with pytest.raises(ClusterLostError, match="does not answer"):
            make(solver="rprop").fit(*divided(X, Y), client=client)
        assert time.monotonic() - began < LATEST
        os.kill(cluster.scheduler.pid, signal.SIGCONT)
        client.close()
    finally:
        cluster.close()
