"""Validation: what a network is worth on samples that it is not trained on, epoch by epoch."""

import numpy as np

from .. import _kernels


class Validation:
    """The loss and the score of a network on held-out samples.

    Parameters
    ----------
    network : Network
        Looked at as it is trained.
    data : DataSet
        Of the network's dtype.
    score : callable (outputs, loss) -> float
        Higher is better. outputs (n_samples, n_outputs) are the network's, loss is theirs.
    """

    def __init__(self, network, data, score):
        self._network, self._score = network, score
        self._outputs = np.empty((data.X.shape[0], network.layer_sizes[-1]), network.dtype)
        # without the penalties: they say nothing about new samples
        self._evaluator = _kernels.core.Evaluator(
            network._plan, data.kernel_samples(), 0.0, gradient=False
        )

    def measure(self):
        """(mean loss without penalty, score) at the network's present parameters."""
        loss = self._evaluator.evaluate(self._network.params, outputs=self._outputs.reshape(-1))
        return loss, self._score(self._outputs, loss)
