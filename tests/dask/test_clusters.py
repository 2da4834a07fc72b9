"""Fits on a cluster of threads: the same bits as in this process, and what they cost to send."""

import threading

import numpy as np
import pytest
from problems import CUT_SHORT, assert_same_bits, make_classes
from sklearn.base import clone

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
executors = pytest.importorskip("fastbp.dask.executors")
rounds = pytest.importorskip("fastbp.dask.rounds")
DaskBackpropClassifier = pytest.importorskip("fastbp.dask").DaskBackpropClassifier
ClusterLostError = pytest.importorskip("fastbp.dask").ClusterLostError

pytestmark = [
    pytest.mark.slow,
    CUT_SHORT,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

X, Y = make_classes()
SIZES = (10, 0, 9, 20, 1, 8)
SOLVERS = {"lbfgs": {"solver": "lbfgs"}, "adam": {"batch_size": 5}, "rprop": {"solver": "rprop"}}


def divided(*arrays):
    return [da.from_array(array, chunks=(SIZES, *array.shape[1:])) for array in arrays]


def make(**parameters):
    defaults = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
    return DaskBackpropClassifier(**(defaults | parameters))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_cluster_gives_the_bits_of_one_process(name, client):
    model = make(**SOLVERS[name])
    here = clone(model).fit(*divided(X, Y))
    assert_same_bits(model.fit(*divided(X, Y), client=client), here)


def test_the_current_client_is_the_default(client, monkeypatch):
    asked = []
    task = executors.OnCluster.task
    monkeypatch.setattr(
        executors.OnCluster, "task", lambda *args: asked.append(args) or task(*args)
    )
    make(solver="rprop").fit(*divided(X, Y))
    assert not asked
    with client.as_current():
        make(solver="rprop").fit(*divided(X, Y))
    assert asked


def test_two_fits_at_once_with_one_client(client):
    models = [make(random_state=seed, batch_size=5) for seed in (1, 2)]
    expected = [clone(model).fit(*divided(X, Y)) for model in models]
    data = divided(X, Y)
    threads = [
        threading.Thread(target=model.fit, args=data, kwargs={"client": client}) for model in models
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for model, other in zip(models, expected, strict=True):
        assert_same_bits(model, other)


def test_errors_of_workers_are_raised_here(client):
    wrong = X.copy()
    wrong[45] = np.nan
    with pytest.raises(ValueError, match=r"Partition 5: .*NaN"):
        make().fit(*divided(wrong, Y), client=client)


def test_predictions_on_the_cluster(client):
    model = make(solver="rprop").fit(*divided(X, Y), client=client)
    (lazy,) = divided(X)
    labels = client.compute(model.predict(lazy)).result(timeout=60)
    np.testing.assert_array_equal(labels, model.predict(X))


def test_a_message_has_the_parameters_once_and_each_shard_answers_once(client, monkeypatch):
    """What is sent in a round does not grow with the number of partitions."""
    tasks = []
    task = executors.OnCluster.task
    monkeypatch.setattr(
        executors.OnCluster, "task", lambda self, *args: tasks.append(args[0]) or task(self, *args)
    )
    for n_chunks in 8, 48:
        data = [da.from_array(a, chunks=(48 // n_chunks, *a.shape[1:])) for a in (X, Y)]
        tasks.clear()
        model = make(solver="rprop").fit(*data, client=client)
        n_shards = 4  # two for each of two threads
        assert tasks.count(rounds._pass_on) == model.n_rounds_ == 3
        assert tasks.count(rounds._answer_of) == 3 * n_shards
        assert tasks.count(rounds.add_up) == 3


def test_a_client_that_is_closed(client, monkeypatch):
    other = distributed.Client(client.cluster, set_as_default=False)
    total = rounds.Rounds.total

    def close_then_go_on(self, *args):
        if self.n_rounds == 2:
            other.close()
        return total(self, *args)

    monkeypatch.setattr(rounds.Rounds, "total", close_then_go_on)
    model = make(solver="rprop")
    with pytest.raises(ClusterLostError, match="the client is closed"):
        model.fit(*divided(X, Y), client=other)
    assert vars(model) == model.get_params()
    with pytest.raises(ClusterLostError, match="the client is closed"):
        model.fit(*divided(X, Y), client=other)


def test_large_parameters_are_no_reason_to_warn(client):
    """Dask warns of graphs of more than 10 MB; here an error, as all warnings of the tests."""
    wide = np.zeros((48, 2000))
    wide[:, :4] = X
    make(hidden_layer_sizes=(700,), solver="rprop", max_iter=1).fit(
        *divided(wide, Y), client=client
    )
