# Stubs of the compiled core; every build has the same entry points (core.pxi).
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPILER: str
ACTIVATIONS: dict[str, int]
OUTPUTS: dict[str, int]
LOSSES: dict[str, int]
OPTIMIZERS: dict[str, int]
N_MOMENTS: dict[str, int]
MAX_THREADS: int
USER: int
WAVES: tuple[int, int]

class Plan:
    def __init__(
        self,
        layer_sizes: tuple[int, ...],
        activations: tuple[int, ...],
        output: int,
        loss: int,
        loss_scale: float,
        mean: bool,
        fit_intercept: bool,
        label_smoothing: float = ...,
        huber_delta: float = ...,
        quantiles: tuple[float, ...] | None = ...,
        user_loss: Any = ...,
        n_periodic: int = ...,
    ) -> None: ...

class Samples:
    def __len__(self) -> int: ...

class Trainer:
    learning_rate: float
    @property
    def n_threads(self) -> int: ...
    @property
    def n_steps(self) -> float: ...
    def __init__(
        self,
        plan: Plan,
        params: NDArray[Any],
        moments: NDArray[Any],
        samples: Samples,
        settings: Any,
        *,
        optimizer: int,
        batch_size: int,
        n_steps: float,
        dropout_seed: int = ...,
        groups: tuple[NDArray[Any], NDArray[Any]] | None = ...,
        n_threads: int = ...,
        adapts: bool = ...,
    ) -> None: ...
    def train_epoch(self, order: NDArray[Any], rates: NDArray[Any] | None = ...) -> float: ...
    def step(self, grad: NDArray[Any]) -> None: ...
    def params_are_finite(self) -> bool: ...

def cpu_level() -> int: ...
def set_delays(seed: int) -> None: ...
def crew_sizes(seconds: NDArray[Any]) -> list[int]: ...
def all_finite(array: NDArray[Any]) -> bool: ...
def dense_samples(
    X: NDArray[Any],
    targets: NDArray[Any] | None = ...,
    labels: NDArray[Any] | None = ...,
    n_classes: int = ...,
    weights: NDArray[Any] | None = ...,
) -> Samples: ...
def csr_samples(
    data: NDArray[Any],
    columns: NDArray[Any],
    row_starts: NDArray[Any],
    n_features: int,
    targets: NDArray[Any] | None = ...,
    labels: NDArray[Any] | None = ...,
    n_classes: int = ...,
    weights: NDArray[Any] | None = ...,
) -> Samples: ...
def forward(
    plan: Plan,
    params: NDArray[Any],
    samples: Samples,
    outputs: NDArray[Any],
    hidden: NDArray[Any] | None = ...,
    n_threads: int = ...,
) -> None: ...

forward_dense: dict[str, Callable[[Plan, NDArray[Any], NDArray[Any], NDArray[Any], int], bool]]

class Evaluator:
    def __init__(
        self,
        plan: Plan,
        samples: Samples,
        l2: float,
        l1: float = ...,
        *,
        gradient: bool = ...,
        n_threads: int = ...,
        adapts: bool = ...,
    ) -> None: ...
    def evaluate(
        self,
        params: NDArray[Any],
        grad: NDArray[Any] | None = ...,
        outputs: NDArray[Any] | None = ...,
        order: NDArray[np.intp] | None = ...,
    ) -> float: ...

def per_sample_gradients(
    plan: Plan,
    params: NDArray[Any],
    samples: Samples,
    grads: NDArray[Any],
    n_threads: int = ...,
) -> None: ...
def per_sample_square_norms(
    plan: Plan,
    params: NDArray[Any],
    samples: Samples,
    square_norms: NDArray[Any],
    n_threads: int = ...,
) -> None: ...
def input_gradients(
    plan: Plan,
    params: NDArray[Any],
    samples: Samples,
    grads: NDArray[Any],
    n_threads: int = ...,
) -> None: ...
def output_jacobian(
    plan: Plan,
    params: NDArray[Any],
    samples: Samples,
    outputs: NDArray[Any],
    by_params: NDArray[Any] | None = ...,
    by_inputs: NDArray[Any] | None = ...,
    n_threads: int = ...,
) -> None: ...
def shuffle(order: NDArray[Any], bit_generator: Any) -> None: ...
