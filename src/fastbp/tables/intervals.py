"""Prediction intervals with a coverage that is measured, not assumed: conformal prediction.

For each row i, let lo_i(x) and hi_i(x) be the predictions at x of those networks that did not see
row i: the mean for both, or the lowest and the highest of several quantiles. Let s_i(x) be the
standard deviation of y that they predict, or 1. With

    E_i = max(lo_i(x_i) - y_i, y_i - hi_i(x_i)) / s_i(x_i)

and r = ceil(coverage (n + 1)), the interval at x is

    from  the r-th largest of   lo_i(x) - s_i(x) E_i
    to    the r-th smallest of  hi_i(x) + s_i(x) E_i        over all rows i

Barber, Candes, Ramdas and Tibshirani, "Predictive inference with the jackknife+", Annals of
Statistics 49 (2021), arXiv 1905.02928: CV+, whose coverage is about the one asked for, and at least
1 - 2 (1 - coverage) - sqrt(2 / n) whatever the data are, if their rows are exchangeable. Romano,
Patterson and Candes, "Conformalized quantile regression", NeurIPS (2019): the errors of quantiles.
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free predictive inference for
regression", JASA 113 (2018): errors in relation to the spread.

Rows that the same networks did not see share lo, hi and s, and so are kept as one group.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .folds import Split

# Halvings of the range that a bound is searched in: to 2**-50 of it.
N_HALVINGS = 50


@dataclass(frozen=True)
class ConformalErrors:
    """What the rows that were held out say about the errors of predictions.

    Attributes
    ----------
    members : ndarray of shape (n_groups, n_members) of bool
        The networks that did not see the rows of a group.
    errors : list of ndarray
        Of each group, sorted.
    """

    members: NDArray[np.bool_]
    errors: list[FloatArray]

    @classmethod
    def of(
        cls, y: FloatArray, outputs: FloatArray, stds: FloatArray, splits: list[Split]
    ) -> ConformalErrors:
        """From what is predicted for rows that were held out, and NaN for others.

        outputs (n_samples, n_outputs): the first is the lower end, the last the upper one.
        """
        unseen = np.zeros((len(y), len(splits)), bool)
        for k, (_, held_out) in enumerate(splits):
            unseen[held_out, k] = True
        errors = np.maximum(outputs[:, 0] - y, y - outputs[:, -1]) / stds
        members, group = np.unique(unseen, axis=0, return_inverse=True)
        sets = [np.sort(errors[group.reshape(-1) == g]) for g in range(len(members))]
        known = np.flatnonzero(members.any(axis=1))
        return cls(members[known], [sets[g] for g in known])

    def interval(self, outputs: FloatArray, stds: FloatArray, coverage: float) -> FloatArray:
        """(n_samples, 2) bounds, of what each network predicts.

        outputs (n_members, n_samples, n_outputs), stds (n_members, n_samples).

        They are infinite where there are too few rows for such a coverage.
        """
        n = sum(len(one) for one in self.errors)
        rank = ceil(coverage * (n + 1))
        if rank > n:
            infinite = np.full(outputs.shape[1], np.inf)
            return np.column_stack([-infinite, infinite])
        groups = [outputs[members].mean(axis=0) for members in self.members]
        lows = np.array([group[:, 0] for group in groups])
        highs = np.array([group[:, -1] for group in groups])
        spreads = np.array([stds[members].mean(axis=0) for members in self.members])
        lower, upper = self._bound(-lows, spreads, rank), self._bound(highs, spreads, rank)
        return np.column_stack([-lower, upper])

    def _bound(self, centers, spreads, rank):
        """The rank-th smallest of all centers[g] + spreads[g] * errors[g], for each column."""
        first = np.array([errors[0] for errors in self.errors])
        last = np.array([errors[-1] for errors in self.errors])
        low = (centers + spreads * first[:, np.newaxis]).min(axis=0)
        high = (centers + spreads * last[:, np.newaxis]).max(axis=0)
        for _ in range(N_HALVINGS):
            middle = low + (high - low) / 2
            count = sum(
                np.searchsorted(errors, (middle - center) / spread, side="right")
                for errors, center, spread in zip(self.errors, centers, spreads, strict=True)
            )
            enough = count >= rank
            high, low = np.where(enough, middle, high), np.where(enough, low, middle)
        return high
