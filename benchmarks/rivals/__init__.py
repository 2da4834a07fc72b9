"""The libraries that are compared: a module for each, and RIVALS, the columns that they fill.

Every module trains a Shape (instruments/workloads.py) by one function:

    run(shape, X, y, epochs) -> (coefs, intercepts)      coefs of shape (fan_in, fan_out)

A call does all that a user of the library waits for: checks, initial weights, encoding of the
targets, shuffling, every step, and the training loss of every epoch. Initial weights, the order
of the rows, Adam's constants and the L2 penalty are the same everywhere, so all libraries end
with the same weights, up to rounding. instruments/timing.py checks that before it prints a number.

Threads: `run` of PyTorch and of fastbp takes n_threads as well. threadpoolctl limits every BLAS,
and JAX reads NPROC (compare.py sets both). FANN and Numba's loops have one thread.
"""

from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec

from instruments.columns import FANN, FASTBP, JAX, NUMBA, NUMPY, PYTORCH, SKLEARN

# --- which shapes a library can train


def takes_everything(shape):
    return True


def takes_dense_batches(shape):
    return shape.solver != "lbfgs" and shape.density == 1


def takes_mini_batches(shape):
    # with batches of one row, PyTorch's overhead is some hundred times the work
    return takes_dense_batches(shape) and shape.batch_size > 1


def takes_canonical_losses(shape):
    return shape.output != "squared_logistic"


def takes_incremental(shape):
    # FANN has this pair of output and loss only
    return shape.batch_size == 1 and shape.output == "squared_logistic"


# --- the columns


@dataclass(frozen=True)
class Rival:
    """A column: its module in this folder, the package or C library it needs, its shapes."""

    module: str
    needs: str
    takes: Callable = takes_dense_batches
    is_c_library: bool = False
    has_n_threads: bool = False

    @property
    def is_installed(self):
        return bool((find_library if self.is_c_library else find_spec)(self.needs))

    def load(self, n_threads=1):
        """Import the library; returns its run function."""
        run = import_module(f"rivals.{self.module}").run
        return partial(run, n_threads=n_threads) if self.has_n_threads else run


RIVALS = {
    NUMPY: Rival("numpy_mlp", "numpy"),
    NUMBA: Rival("numba_mlp", "numba"),
    SKLEARN: Rival("sklearn_mlp", "sklearn", takes_canonical_losses),
    PYTORCH: Rival("torch_mlp", "torch", takes_mini_batches, has_n_threads=True),
    JAX: Rival("jax_mlp", "jax"),
    FANN: Rival("fann", "floatfann", takes_incremental, is_c_library=True),
    FASTBP: Rival("fastbp_mlp", "fastbp", takes_everything, has_n_threads=True),
}


def load_rivals(titles=tuple(RIVALS), n_threads=1):
    """title -> (run function, takes), of those that are installed."""
    return {
        title: (RIVALS[title].load(n_threads), RIVALS[title].takes)
        for title in titles
        if RIVALS[title].is_installed
    }
