"""The number of threads that a run settles on, from the seconds that its blocks take."""

import numpy as np
import pytest
from internals import DTYPES, core, trainer

from fastbp import Network

N = 40000  # blocks
SECONDS = 1e-4  # of a block with one thread


def share_of(number, times):
    """The part of the blocks of the second half of a run that so many threads work on."""
    sizes = core.crew_sizes(np.tile(SECONDS * np.asarray(times, float), (N, 1)))
    assert set(sizes) <= set(range(1, len(times) + 1))
    return np.mean(np.array(sizes[N // 2 :]) == number)


@pytest.mark.parametrize(
    ("number", "times"),
    [
        (1, [1.0]),
        (2, [1.0, 0.6]),
        (1, [1.0, 1.5]),
        (4, [1.0, 0.6, 0.5, 0.35, 0.5, 0.6, 0.7, 0.8]),
        (16, [1 / n for n in range(1, 17)]),
        (3, [1.0, 0.5, 0.4]),
        (1, [1.0, *15 * [4.0]]),
    ],
)
def test_the_fastest_number_is_found(number, times):
    assert share_of(number, times) > 0.95


def test_a_run_begins_with_one_thread():
    times = np.full((30, 2), SECONDS) * [1, 0.5]
    assert core.crew_sizes(times) == 30 * [1]


def test_slow_helpers_cost_little():
    """At 0.66 times the speed of one thread, all trials together cost less than 5 %."""
    for n_blocks in 300, 3000, 30000:
        times = SECONDS * np.tile([1, 1.5], (n_blocks, 1))
        sizes = core.crew_sizes(times)
        spent = times[np.arange(n_blocks), np.array(sizes) - 1].sum()
        assert spent < 1.05 * times[:, 0].sum()


def test_neighbours_come_and_go():
    quiet, busy = SECONDS * np.array([1, 0.6]), SECONDS * np.array([1.3, 2])
    times = np.vstack([np.tile(quiet, (N, 1)), np.tile(busy, (N, 1)), np.tile(quiet, (N, 1))])
    sizes = np.array(core.crew_sizes(times)).reshape(3, N)
    most_used = [np.bincount(part[N // 2 :]).argmax() for part in sizes]
    assert most_used == [2, 1, 2]


def test_times_that_vary():
    """A number that is right on average stays, although single blocks take ten times as long."""
    rng = np.random.default_rng(0)
    times = SECONDS * rng.choice([0.5, 5.0], p=[0.9, 0.1], size=(N, 1)) * [1, 1.5]
    assert np.mean(np.array(core.crew_sizes(times)) == 1) > 0.9


def begin(dtype, n_threads):
    """A new network, and its run."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 20)).astype(dtype)
    net = Network((20, 60, 1), dtype=dtype, random_state=0)
    settings = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "alpha": 1e-3}
    y = np.sin(X[:, :1])
    return net, trainer(net, X, y, **settings, n_threads=n_threads, adapts=n_threads > 1)


@pytest.mark.parametrize("delay", [0, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_of_a_run_that_changes_its_number(dtype, delay):
    net, run = begin(dtype, 3)
    numbers = []
    core.set_delays(delay)
    try:
        while len(set(numbers[:-10])) < 2 and len(numbers) < 100_000:
            run.train_epoch(np.arange(700))
            numbers.append(run.n_threads)
    finally:
        core.set_delays(0)
    assert len(set(numbers)) > 1
    alone, run = begin(dtype, 1)
    for _ in numbers:
        run.train_epoch(np.arange(700))
    np.testing.assert_array_equal(net.params, alone.params)
