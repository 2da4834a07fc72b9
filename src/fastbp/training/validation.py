"""Validation: the loss and the score of a network on held-out samples, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..data import DataSet
from ..network import Network
from ..types import FloatArray


class Validation:
    """The loss and the score of a network on held-out samples.

    Parameters
    ----------
    network : Network
        Measured while it is trained.
    data : DataSet
        Of the network's dtype.
    rows : ndarray of intp or None
        Those of the data that are held out; None: all.
    score : callable (outputs, loss) -> float
        Higher is better. outputs (n_samples, n_outputs) are the network's, loss is theirs.
    n_threads : int or None, default=None
    """

    def __init__(
        self,
        network: Network,
        data: DataSet,
        rows: NDArray[np.intp] | None,
        score: Callable[[FloatArray, float], float],
        n_threads: int | None = None,
    ) -> None:
        self._network, self._rows, self._score = network, rows, score
        n_rows = len(data) if rows is None else len(rows)
        self._outputs = np.empty((n_rows, network.layer_sizes[-1]), network.dtype)
        # without the penalties, which say nothing about new samples
        self._evaluator = network.evaluator(
            data.kernel_samples(), l2=0.0, gradient=False, n_threads=n_threads
        )

    def measure(self) -> tuple[float, float]:
        """(mean loss without penalty, score) at the network's present parameters."""
        loss = self._evaluator.evaluate(
            self._network.params, outputs=self._outputs.reshape(-1), order=self._rows
        )
        return loss, self._score(self._outputs, loss)


def split_off_validation(
    data: DataSet,
    settings: SimpleNamespace,
    random_state: np.random.RandomState,
    is_classifier: bool,
) -> tuple[NDArray[np.intp], DataSet]:
    """Indices of the training samples, and the DataSet of the validation samples.

    Two classes are stratified, as in scikit-learn's MLP.
    """
    n_samples = len(data)
    is_binary = is_classifier and data.targets.n_outputs == 1
    order, held_out = train_test_split(
        np.arange(n_samples),
        random_state=random_state,
        test_size=settings.validation_fraction,
        stratify=data.targets.values if is_binary else None,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            f"dataset: validation_fraction={settings.validation_fraction} of {n_samples} samples "
            f"are {len(held_out)}."
        )
    for side, rows in (("training", order), ("validation", held_out)):
        if data.weights is not None and not data.weights[rows].any():
            raise ValueError(
                f"sample_weight is zero for all {len(rows)} samples of the {side} set that "
                "early_stopping splits off; change validation_fraction or random_state, or "
                "leave samples without weight out."
            )
    return order, data.rows(held_out)
