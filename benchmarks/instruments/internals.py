"""Everything private in fastbp that a benchmark touches.

    build_name()                    the compiled core in use, "core_avx2" for example
    best_builds()                   the two best builds that run here, the best one last
    compiler_of("avx2")             the compiler of a build; None: the build does not run here
    compiled_forward(network, X)    the compiled forward pass alone: a function, and its outputs
    timed_evaluations()             a context: the seconds spent in the compiled loss and gradient

A change of these parts of fastbp needs to be followed up here only.
"""

from contextlib import contextmanager
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np


def build_name():
    from fastbp import _kernels

    return _kernels.core.__name__.rpartition(".")[2]


def best_builds():
    from fastbp import _kernels

    return _kernels.available_builds()[-2:]


def compiler_of(build):
    from fastbp import _kernels

    if build not in _kernels.available_builds():
        return None
    return _kernels.load_build(build).COMPILER


def compiled_forward(network, X):
    """X is checked here, once. Each call of the function fills the same array of outputs."""
    from fastbp._kernels import core
    from fastbp.data import kernel_samples

    outputs = np.empty((len(X), network.layer_sizes[-1]), network.dtype)
    forward = partial(core.forward, network._plan, network.params, kernel_samples(X), outputs)
    return forward, outputs


@contextmanager
def timed_evaluations():
    """Yields an object whose `seconds` grow by the time of each evaluation within the context."""
    from fastbp._kernels import core

    spent = SimpleNamespace(seconds=0.0)

    class TimedEvaluator(core.Evaluator):
        def evaluate(self, *arguments):
            start = perf_counter()
            loss = super().evaluate(*arguments)
            spent.seconds += perf_counter() - start
            return loss

    with patch.object(core, "Evaluator", TimedEvaluator):
        yield spent
