"""BaseTabular: how a tabular estimator is fitted, whatever it predicts.

Takes a raw table and targets; returns a fitted ensemble. On the way:

    _begin_targets  y is checked and becomes what networks learn (the subclass's problem)
    TableEncoder    the table becomes columns of numbers
    make_splits     who trains on which rows
    train_members   the networks, side by side
    _finish         predictions for the rows that a member has not seen

A fit that fails leaves the estimator as it was.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..checks import as_weights, has_validation
from ..parameters import SHARED, check_parameters
from ..sklearn_types import HintedParameters, fits
from ..types import Array, ArrayLike, FloatArray, LayerSizes, MatrixLike, RandomState
from ..whole_fits import whole_fit
from .columns import check_is_table
from .encoder import TableEncoder
from .ensemble import EncodedTable, train_members
from .folds import Split, make_splits
from .importance import n_rows_used, permutation_importances
from .presets import Preset, preset_of

if TYPE_CHECKING:
    from typing import Self

CONSTRAINTS: dict[str, list[Any]] = {
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    **{
        name: SHARED[name]
        for name in (
            "hidden_layer_sizes",
            "max_iter",
            "max_time",
            "n_threads",
            "random_state",
            "verbose",
        )
    },
    "preset": [None, Preset, Mapping],
}


class BaseTabular(HintedParameters, BaseEstimator):
    """What the classifier and the regressor share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]]

    n_estimators: int
    hidden_layer_sizes: int | LayerSizes
    max_iter: int
    max_time: float | None
    n_threads: int | None
    random_state: RandomState
    verbose: bool | int
    preset: Preset | Mapping[str, Any] | None

    encoder_: TableEncoder
    estimators_: list[Any]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: Array
    oob_score_: float
    feature_importances_: FloatArray

    def _validate_params(self):
        check_parameters(self)

    @fits
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the encoder and the networks to a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            A raw table, of pandas, polars, pyarrow or NumPy: numbers, booleans, categories and text
            of few different values, with missing values in all of them.
        y : array-like of shape (n_samples,)
            Class labels, or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0 of the rows; ones by default. Rows without weight are left out.
        X_val, y_val, sample_weight_val : like the above, default=None
            Rows to choose the best epoch by, raw as X is. All networks then train on all rows of
            X, and there are no out-of-bag estimates.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For data or parameters that cannot be used. The estimator is then as it was before.
        KeyboardInterrupt
            For Ctrl-C before each network has an epoch; the estimator is as it was before. Later
            there is a warning, and the networks keep what they have reached.
        """
        has_validation(X_val, y_val, sample_weight_val)
        with whole_fit(self):
            return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def _fit(self, X, y, sample_weight, validation):
        preset = preset_of(self.preset)
        random_state = check_random_state(self.random_state)
        # of their own, so that the seeds of the first members do not depend on how many follow
        random_state_of_folds, random_state_of_rows = (
            np.random.RandomState(seed) for seed in random_state.randint(2**31 - 1, size=2)
        )
        check_is_table(X)
        y, validation = self._checked_targets(y), self._checked_validation(*validation)
        check_consistent_length(X, y)
        weights = as_weights(sample_weight, len(y), np.float64)
        if weights is not None and not weights.all():
            rows = np.flatnonzero(weights)
            X, y, weights = _safe_indexing(X, rows), y[rows], weights[rows]
        targets, weights = self._begin_targets(y, weights, preset)
        encoder = TableEncoder(**preset.encoder_parameters()).fit(X, targets)
        self._take_names(encoder)
        encoded = encoder.transform(X)
        table = EncodedTable(
            encoded, targets, _as_float32(weights), self._validation(encoder, *validation)
        )
        splits: list[Split | None] = [None] * self.n_estimators
        if validation[0] is None:
            codes = self._codes_to_stratify(targets)
            sizes = (len(y), self.n_estimators, preset.n_folds)
            splits = [*make_splits(codes, *sizes, random_state_of_folds)]
        members = [
            self._member(preset, encoder, len(y) if split is None else len(split[0]), random_state)
            for split in splits
        ]
        train_members(
            members,
            table,
            splits,
            n_threads=self.n_threads,
            max_time=self.max_time,
            ends_of_waves=preset.ends_of_waves(self.max_iter),
            after_member=self._reporter(members),
        )
        for member in members:
            member.n_threads = self.n_threads
        self.encoder_, self.estimators_ = encoder, members
        self.n_iter_ = max(member.n_iter_ for member in members)
        self.feature_importances_ = self._importances(table, splits, random_state_of_rows)
        self._forget_out_of_bag()
        if validation[0] is None:
            self._estimate_out_of_bag(y, weights, self._held_out(table, splits), splits, table)
        return self

    def _take_names(self, encoder):
        self.n_features_in_ = encoder.n_features_in_
        self.__dict__.pop("feature_names_in_", None)
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_

    def _checked_validation(self, X_val, y_val, sample_weight_val):
        if X_val is None:
            return None, None, None
        with _named_validation():
            check_is_table(X_val)
            y_val = self._checked_targets(y_val)
            check_consistent_length(X_val, y_val)
        weights = as_weights(sample_weight_val, len(y_val), np.float64, "sample_weight_val")
        return X_val, y_val, weights

    def _validation(self, encoder, X_val, y_val, weights):
        if X_val is None:
            return None, None, None
        with _named_validation():
            targets, weights = self._more_targets(y_val, weights, "y_val")
            return encoder._encode(X_val, self), targets, _as_float32(weights)

    def _member(self, preset, encoder, n_training, random_state):
        member = self._make_member(
            hidden_layer_sizes=self.hidden_layer_sizes,
            max_iter=self.max_iter,
            random_state=int(random_state.randint(2**31 - 1)),
            **preset.member_parameters(n_training, encoder.n_numbers_),
        )
        check_parameters(member)
        return member

    def _reporter(self, members: list[Any]) -> Callable[[int], None] | None:
        if not self.verbose:
            return None

        def report(k):
            member = members[k]
            best = int(np.argmin(member.validation_loss_curve_))
            line = (
                f"Network {k + 1} of {len(members)}: {member.n_iter_} epochs, smallest validation "
                f"loss {member.validation_loss_curve_[best]:.6f} in epoch {best + 1}"
            )
            # at once with its end, since another thread may print
            print(f"{line}\n", end="")

        return report

    def _importances(self, table, splits, random_state):
        n_features = self.n_features_in_

        def cases():
            for member, split in zip(self.estimators_, splits, strict=True):
                rows = np.arange(len(table.validation[0])) if split is None else split[1]
                X, y, weights = (
                    table.validation if split is None else (table.X, table.y, table.weights)
                )
                rows = random_state.permutation(rows)[: n_rows_used(len(rows), n_features)]
                targets = self._network_targets(y[rows])
                yield member.network_, X[rows], targets, None if weights is None else weights[rows]

        columns = self.encoder_.feature_of_column_
        return permutation_importances(cases(), columns, n_features, random_state)

    def _held_out(self, table, splits, predict=None):
        """The mean of the predictions of those members that have not seen a row; NaN without."""
        total: Any = None
        n_members = np.zeros(len(table.X))
        for member, (_, rows) in zip(self.estimators_, splits, strict=True):
            outputs = (predict or self._predictions_of)(member, table.X[rows])
            outputs = outputs.reshape(len(rows), -1)
            if total is None:
                total = np.zeros((len(table.X), outputs.shape[1]))
            total[rows] += outputs
            n_members[rows] += 1
        with np.errstate(invalid="ignore"):
            return total / n_members[:, np.newaxis]

    def _encoded(self, X):
        check_is_fitted(self)
        return self.encoder_._encode(X, self)

    def _predictions_of_members(self, encoded):
        """An array (n_samples, n_outputs) of each member in turn."""
        return [self._predictions_of(member, encoded) for member in self.estimators_]

    @property
    def loss_curves_(self) -> list[list[float]]:
        """Training loss of each epoch, for each network."""
        return [member.loss_curve_ for member in self._fitted_members("loss_curves_")]

    @property
    def validation_loss_curves_(self) -> list[list[float]]:
        """Loss of the held-out rows after each epoch, for each network."""
        members = self._fitted_members("validation_loss_curves_")
        return [member.validation_loss_curve_ for member in members]

    def _fitted_members(self, attribute):
        # AttributeError, so that hasattr and check_is_fitted see an unfitted estimator
        if "estimators_" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted"
            )
        return self.estimators_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    @abstractmethod
    def _make_member(self, **parameters):
        """A network that has not been fitted."""

    @abstractmethod
    def _checked_targets(self, y):
        """y as an array without missing values."""

    @abstractmethod
    def _begin_targets(self, y, weights, preset):
        """(what networks learn, weights of the rows); takes what is to be known of y."""

    @abstractmethod
    def _more_targets(self, y, weights, name):
        """The same for targets of the user's validation rows."""

    @abstractmethod
    def _network_targets(self, targets: Array) -> Array:
        """What networks learn, as Network's methods take it."""

    @abstractmethod
    def _codes_to_stratify(self, targets: Array) -> NDArray[np.intp] | None:
        """The classes that each fold gets a share of."""

    @abstractmethod
    def _predictions_of(self, member: Any, encoded: FloatArray) -> FloatArray:
        """Predictions of a network, of shape (n_samples, n_outputs), as they are averaged."""

    @abstractmethod
    def _forget_out_of_bag(self):
        """Remove the estimates of an earlier fit."""

    @abstractmethod
    def _estimate_out_of_bag(self, y, sample_weight, outputs, splits, table):
        """Take what is known from predictions of rows that were not seen."""


@contextmanager
def _named_validation():
    """Errors say that they are about X_val and y_val."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"X_val and y_val cannot be used. {error}") from error


def _as_float32(weights):
    """Weights in the type of the networks, which can hold some of them."""
    if weights is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        single = weights.astype(np.float32)
    holds = np.isfinite(single).all() and single.any()
    # what no weights are, NaN or zeros alone, is said by the checks of the networks
    if not holds and np.isfinite(weights).all() and weights.any():
        raise ValueError(
            f"sample_weight has values from {weights.min():g} to {weights.max():g}, which float32 "
            "cannot hold; scale the weights, for example to a mean of 1."
        )
    return single
