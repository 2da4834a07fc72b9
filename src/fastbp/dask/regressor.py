"""DaskBackpropRegressor: BackpropRegressor for Dask collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dask.base import compute
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from .. import parameters
from ..regressor import BackpropRegressor, pinball_score
from ..sklearn_types import fits
from .base import CONSTRAINTS, BaseDaskBackprop, with_parameters_of

if TYPE_CHECKING:
    from typing import Self


@with_parameters_of(BackpropRegressor)
class DaskBackpropRegressor(RegressorMixin, BaseDaskBackprop):
    """BackpropRegressor for data that are divided among the workers of a Dask cluster.

    How it trains, and what its results depend on, is said of :class:`DaskBackpropClassifier`.

    Parameters
    ----------
    n_local_epochs : int, default=1
        Epochs that each partition trains between two averages, with sgd and adam in batches. More
        of them save communication, and come to another result. ``max_iter`` and everything else
        that counts epochs counts averages; the losses are those of the last local epoch.
    **parameters
        All parameters of :class:`BackpropRegressor`, with the same defaults. ``batch_size`` is that
        within a partition, ``early_stopping`` needs ``X_val`` and ``y_val``, ``n_threads`` is that
        of each task (None: one), and the solver 'levenberg_marquardt' is not available.

    Attributes
    ----------
    n_rounds_ : int
        How often parameters were sent to the workers.
    **attributes
        All public attributes of :class:`BackpropRegressor`.

    See Also
    --------
    BackpropRegressor

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from fastbp.dask import DaskBackpropRegressor
    >>> rng = np.random.default_rng(0)
    >>> blocks = [da.from_array(rng.standard_normal((50, 2))) for _ in range(4)]
    >>> X = da.concatenate(blocks)
    >>> y = X[:, 0] * X[:, 1]
    >>> model = DaskBackpropRegressor((16,), solver="lbfgs", tol=1e-2, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _plain = BackpropRegressor
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **parameters.OF_REGRESSOR,
        **CONSTRAINTS,
    }

    @fits
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        client: Any = None,
    ) -> Self:
        """Fit the network to partitions.

        Parameters
        ----------
        X : Dask array or DataFrame of shape (n_samples, n_features)
            float32 trains in float32, everything else in float64.
        y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict; divided at the same rows as X. A partition may have any number of
            rows.
        sample_weight : Dask array or Series of shape (n_samples,), default=None
            Weights >= 0 of the samples; ones by default.
        X_val, y_val, sample_weight_val : arrays, or collections, like the above, default=None
            Samples to validate on after each epoch. They must fit into the memory of this process.
        client : distributed.Client, default=None
            By default the current client. Where there is none, this process does all the work.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For data or parameters that cannot be used; says in which partition. The estimator is
            then as it was before.
        ClusterLostError
            If the scheduler is gone or the client was closed. The estimator is as it was before,
            and with ``checkpoint`` the same call goes on later.
        """
        return self._fit((X, y, sample_weight), (X_val, y_val, sample_weight_val), client)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2, or for several quantiles the mean of their D^2 pinball scores.

        Predictions and y, not X, come into the memory of this process.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; or arrays.

        Returns
        -------
        float
        """
        outputs, y, weights = compute(self.predict(X), y, sample_weight)
        quantiles = self._fitted("score")._quantiles()
        if quantiles:
            return float(pinball_score(y, outputs, quantiles, weights))
        return float(r2_score(y, outputs, sample_weight=weights))
