"""The types that the package's annotations are made of.

A parameter that takes a name has a Literal, so that editors complete it and type checkers find
typing errors. tests/package/test_types.py compares each with the table that it repeats. Shapes and
meanings are said in the docstrings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike as ArrayLike  # exported
from numpy.typing import NDArray

# --- arrays -------------------------------------------------------------------------------------

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
Array: TypeAlias = NDArray[Any]


class SparseMatrix(Protocol):
    """A matrix or array of SciPy's, which does not state its types."""

    def tocsr(self, copy: bool = False) -> Any: ...

    def toarray(self) -> Any: ...


Matrix: TypeAlias = FloatArray | Any  # or a CSR matrix: what has passed the checks
MatrixLike: TypeAlias = ArrayLike | SparseMatrix
FloatDType: TypeAlias = Literal["float64", "float32"] | type[np.floating[Any]] | np.dtype[Any]

# Stands for None in the type of a result that is None only where the user has asked for it: type
# checkers then do not demand a test for None before each use.
MaybeNone: TypeAlias = Any
MaybeSparse: TypeAlias = Any  # likewise, for a sparse matrix that the user has asked for

# --- parameters ---------------------------------------------------------------------------------

Activation: TypeAlias = Literal[
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "silu",
    "gelu",
    "mish",
]
Activations: TypeAlias = Activation | Sequence[Activation]
OutputActivation: TypeAlias = Literal["identity", "logistic", "softmax", "exp", "increasing"]
ClassifierOutput: TypeAlias = Literal["auto", "logistic", "softmax", "identity"]
RegressorOutput: TypeAlias = Literal["auto"] | OutputActivation
LossOfClasses: TypeAlias = Literal["log_loss", "squared_error"]
LossOfNumbers: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile", "gaussian"
]
LossName: TypeAlias = LossOfClasses | LossOfNumbers
# of TabularRegressor
LossOfTables: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "poisson", "gamma", "quantile", "gaussian"
]
FrontName: TypeAlias = Literal["scale", "periodic"]
LearningRateFactors: TypeAlias = Mapping[str, Any] | None
Reduction: TypeAlias = Literal["mean", "sum"]
SolverName: TypeAlias = Literal["lbfgs", "sgd", "adam", "rprop", "levenberg_marquardt"]
Schedule: TypeAlias = Literal[
    "constant", "invscaling", "adaptive", "cosine", "one_cycle", "coslog4", "exponential"
]
LearningRate: TypeAlias = Schedule | Callable[[int], float]
BatchSize: TypeAlias = int | Literal["auto"]
LayerSizes: TypeAlias = Sequence[int] | IntArray
Quantiles: TypeAlias = float | Sequence[float] | FloatArray
ClassWeight: TypeAlias = (
    Mapping[Any, float] | Sequence[Mapping[Any, float]] | Literal["balanced"] | None
)
RandomState: TypeAlias = int | np.integer[Any] | np.random.RandomState | None
Scoring: TypeAlias = str | Callable[..., float] | None
Path: TypeAlias = str | os.PathLike[str]
# of fit_batches: tuples (X, y) or (X, y, sample_weight), anew for each epoch
Batches: TypeAlias = Callable[[], Iterable[tuple[Any, ...]]] | Iterable[tuple[Any, ...]]


class UserLoss(Protocol):
    """A loss of the user's own; see Network."""

    def loss(self, y: FloatArray, outputs: FloatArray, /) -> ArrayLike: ...

    def gradient(self, y: FloatArray, outputs: FloatArray, /) -> ArrayLike: ...
