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
from .scaling import row_blocks

# So few errors in the mean of the groups, or in all rows together, are quickly looked through.
FEW_ERRORS, FEW_IN_ALL = 100, 2**15

# Errors of each group, on both sides of a guess, that are sorted to end the search; and guesses
# after which it ends anyway.
N_NEAR, MOST_GUESSES = 4, 200


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
        bound = np.empty(centers.shape[1])
        sizes = [len(errors) for errors in self.errors]
        n_values = sum(sizes) * len(bound)
        if sum(sizes) <= FEW_ERRORS * len(sizes) or n_values <= FEW_IN_ALL:
            group, errors = np.repeat(np.arange(len(sizes)), sizes), np.concatenate(self.errors)
            for rows in row_blocks(len(bound), len(errors)):
                values = centers.T[rows][:, group] + spreads.T[rows][:, group] * errors
                values.partition(rank - 1, axis=1)
                bound[rows] = values[:, rank - 1]
            return bound
        search = _Search(self.errors, rank)
        for rows in row_blocks(len(bound), len(sizes)):
            bound[rows] = search.bound(centers[:, rows], spreads[:, rows])
        return bound


class _Search:
    """Finds the rank-th smallest of all centers[g] + spreads[g] * errors[g] for many columns.

    A guess is compared with the errors of each group, which says how many ranks it is beyond the
    rank. The distance to the error that is each group's share of these ranks away says how densely
    errors lie there, and so where the next guess is (Newton's method). After about four guesses
    only a few errors are left, which are sorted.
    """

    def __init__(self, errors, rank):
        self._errors, self._rank = errors, rank
        self._sizes = np.array([[len(one)] for one in errors])
        self._shares = self._sizes / self._sizes.sum()
        # of each group: infinite ones around its errors, since there may be fewer than needed
        around = np.full(N_NEAR + 1, np.inf)
        self._padded = np.concatenate([part for one in errors for part in (-around, one, around)])
        ends = np.cumsum(self._sizes + 2 * len(around), axis=0)
        self._first = ends - len(around) - self._sizes  # place of a group's first error

    def bound(self, centers, spreads):
        found = np.empty(centers.shape[1])
        columns = np.arange(len(found))
        # were the groups alike; the bound is not beyond the lowest and the highest of these
        places = -(-self._rank * self._sizes // self._sizes.sum()) - 1
        values = self._values(centers, spreads, places)
        low, high = values.min(axis=0), values.max(axis=0)
        guess = (self._shares * values).sum(axis=0)
        ulps = 4 * np.spacing(np.abs(centers).max(axis=0) + np.maximum(np.abs(low), np.abs(high)))
        for k in range(MOST_GUESSES):
            counts = self._counts(centers, spreads, guess)
            beyond = counts.sum(axis=0) - self._rank
            is_near = np.abs(beyond) <= N_NEAR
            if is_near.any():
                found[columns[is_near]] = self._nearest(
                    centers[:, is_near], spreads[:, is_near], counts[:, is_near], beyond[is_near]
                )
            is_high = beyond >= 0
            largest = self._values(centers, spreads, counts - 1).max(axis=0)
            high, low = np.where(is_high, largest, high), np.where(is_high, low, guess)
            is_closed = ~is_near & (high - low <= 2 * ulps)
            found[columns[is_closed]] = high[is_closed]
            rest = ~is_near & ~is_closed
            if not rest.any():
                return found
            columns, low, high, ulps = columns[rest], low[rest], high[rest], ulps[rest]
            centers, spreads = centers[:, rest], spreads[:, rest]
            guess, counts, beyond = guess[rest], counts[:, rest], beyond[rest]
            places = counts - 1 - np.rint(self._shares * beyond).astype(np.intp)
            places = np.clip(places, 0, self._sizes - 1)
            values = self._values(centers, spreads, places)
            with np.errstate(divide="ignore", invalid="ignore"):  # of equal errors: no such guess
                guess = guess - beyond / ((counts - 1 - places) / (guess - values)).sum(axis=0)
            guess = self._checked(k, guess, values, low, high, ulps)
        found[columns] = high
        return found

    def _checked(self, k, guess, values, low, high, ulps):
        """The next guess, or another one where that is not between low and high."""
        middle = low + (high - low) / 2
        if k > 3 and k % 4 == 1:  # many errors of a group may be equal
            guess = values[k // 4 % len(values)] + ulps
        if k > 3 and k % 4 == 2:  # the bound itself, where many values are equal to it?
            guess = high - ulps
        if k > 3 and k % 4 == 3:  # lest guesses come near from one side in ever smaller steps
            return middle
        return np.where((low < guess) & (guess < high), guess, middle)

    def _counts(self, centers, spreads, guess):
        """How many of each group are not above a guess."""
        groups = zip(self._errors, centers, spreads, strict=True)
        return np.array(
            [
                np.searchsorted(errors, (guess - center) / spread, side="right")
                for errors, center, spread in groups
            ]
        )

    def _values(self, centers, spreads, places):
        return centers + spreads * self._padded[self._first + places]

    def _nearest(self, centers, spreads, counts, beyond):
        """The bound, where it is at most N_NEAR of the values beyond or before a guess."""
        near = np.arange(-N_NEAR - 1, N_NEAR)[:, np.newaxis, np.newaxis]
        values = self._values(centers, spreads, counts + near).reshape(-1, len(beyond))
        values.sort(axis=0)
        n_below = (N_NEAR + 1) * len(counts)
        return np.take_along_axis(values, (n_below - 1 - beyond)[np.newaxis], axis=0)[0]
