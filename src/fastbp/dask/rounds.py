"""Rounds: what the workers compute of one message, and the sum of it.

A message holds the parameters and how to use them. Each partition makes a vector of float64 of it;
the answer is the sum of these vectors, in the order of sums.py. A message is sent once to each
worker that holds data, and each shard sends back one vector, whatever the number of its partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..network import Network
from ..training.rate_factors import groups_of
from ..training.stochastic import largest_batch
from ..types import FloatArray
from .executors import Executor
from .partitions import Part
from .sums import Node, add_up

# Each of them adds up the vectors of 2 ** 3 shards: few tasks, and no worker gets all vectors.
LEVELS_OF_A_SUM = 3


@dataclass(frozen=True)
class GradientMessage:
    """Asks for J and its gradient.

    Attributes
    ----------
    network : Network
        With the parameters; its losses are summed and scaled by 1 / (the sum of all weights).
    penalised : int
        The partition that adds the penalty: as one of the terms it is in the sum once.
    n_threads : int or None
    """

    network: Network
    penalised: int
    n_threads: int | None


def gradient_of(part: Part, message: GradientMessage) -> FloatArray:
    """J, then its gradient: (1 + n_params,)."""
    network = message.network
    has_penalty = part.number == message.penalised
    evaluator = network.evaluator(
        part.samples,
        l2=network.l2 if has_penalty else 0.0,
        l1=network.l1 if has_penalty else 0.0,
        n_threads=message.n_threads,
    )
    grad = np.empty(network.n_params, network.dtype)
    loss = evaluator.evaluate(network.params, grad)
    return np.concatenate([[loss], grad])


@dataclass(frozen=True)
class TrainingMessage:
    """Asks for local epochs.

    Attributes
    ----------
    network : Network
        With the parameters to begin with.
    moments : ndarray of shape (n_moments, n_params)
    settings : SimpleNamespace
        What a Trainer reads, batch_size, shuffle, learning_rate_factors and n_threads.
    n_steps : float
        Optimizer steps until now.
    rates : float or ndarray
        Learning rates of the steps of an epoch of the largest partition.
    seed : int
    round : int
        With seed and the number of a partition it determines all that is random there.
    n_local_epochs : int
    weight_sum : float
        Of all samples.
    """

    network: Network
    moments: FloatArray
    settings: SimpleNamespace
    n_steps: float
    rates: float | FloatArray
    seed: int
    round: int
    n_local_epochs: int
    weight_sum: float


def train_on(part: Part, message: TrainingMessage) -> FloatArray:
    """(loss, n_steps, parameters, moments) after local epochs, times the partition's share."""
    settings, n = message.settings, len(part.data)
    network, moments = message.network.copy(), message.moments.copy()
    seeds = np.random.SeedSequence([message.seed, message.round, part.number])
    random_state = np.random.RandomState(np.random.MT19937(seeds))
    batch_size = min(largest_batch(settings.batch_size), n)
    trainer = network.trainer(
        part.samples,
        moments,
        settings,
        batch_size=batch_size,
        n_steps=message.n_steps,
        dropout_seed=int(random_state.randint(1, 2**31 - 1)),
        groups=groups_of(network, settings.learning_rate_factors),
        n_threads=1 if settings.n_threads is None else settings.n_threads,
        adapts=False,
    )
    order = np.arange(n)
    rates = _rates_of(message.rates, -(-n // batch_size))
    if rates is None:
        trainer.learning_rate = float(message.rates)
    for _ in range(message.n_local_epochs):
        if settings.shuffle:
            random_state.shuffle(order)
        loss = trainer.train_epoch(order, rates)
    share = part.data.weight_sum / message.weight_sum
    numbers = [loss, trainer.n_steps]
    return np.concatenate([numbers, network.params, moments.ravel()], dtype=np.float64) * share


def _rates_of(rates, n_steps):
    """Rates of n_steps steps, spread over the epoch as those that are given; None: all the same."""
    if not isinstance(rates, np.ndarray):
        return None
    return rates[np.arange(n_steps) * len(rates) // n_steps]


class Rounds:
    """Sends messages to shards, and adds up what they answer.

    Parameters
    ----------
    executor : Executor
    levels : list of list of (start, stop)
        Of the tree of partitions; each node of the last one is a shard.
    shards : list
        Of encoded partitions, as the executor holds them.
    """

    def __init__(self, executor: Executor, levels: list[list[Node]], shards: Sequence[Any]) -> None:
        self._executor, self._levels, self._shards = executor, levels, shards
        self.n_rounds: int = 0

    def total(self, function: Callable[[Part, Any], FloatArray], message: Any) -> FloatArray:
        """The sum over all partitions of function(part, message)."""
        self.n_rounds += 1
        task = self._executor.task
        # a task of its own: each worker fetches it once, and if it is lost it is computed again
        sent = task(_pass_on, message)
        level = len(self._levels) - 1
        nodes = self._levels[level]
        vectors = [
            task(_answer_of, function, node, shard, sent)
            for node, shard in zip(nodes, self._shards, strict=True)
        ]
        while level > 0:
            level = max(level - LEVELS_OF_A_SUM, 0)
            parents = self._levels[level]
            vectors = [task(add_up, *_below(parent, nodes, vectors)) for parent in parents]
            nodes = parents
        return self._executor.answer(vectors[0])


def _below(parent, nodes, vectors):
    """The nodes below a node of the tree, and their vectors."""
    places = [k for k, (start, _) in enumerate(nodes) if parent[0] <= start < parent[1]]
    return [nodes[k] for k in places], [vectors[k] for k in places]


def _pass_on(message):
    return message


def _answer_of(function, node, shard, message):
    """The sum over the partitions of a shard; None where none has samples."""
    leaves = [(number, number + 1) for number in range(*node)]
    return add_up(leaves, [None if part is None else function(part, message) for part in shard])
