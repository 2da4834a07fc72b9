"""DaskBackpropClassifier: BackpropClassifier for Dask collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dask.base import compute
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from .. import parameters
from ..classifier import BackpropClassifier, _gives_probabilities
from ..sklearn_types import available_if, fits
from ..types import Array, ArrayLike
from .base import CONSTRAINTS, BaseDaskBackprop, with_parameters_of
from .predictions import predict_lazily

if TYPE_CHECKING:
    from typing import Self


@with_parameters_of(BackpropClassifier)
class DaskBackpropClassifier(ClassifierMixin, BaseDaskBackprop):
    """BackpropClassifier for data that are divided among the workers of a Dask cluster.

    With lbfgs, rprop, and sgd or adam where ``batch_size`` is at least the number of samples,
    training is that of :class:`BackpropClassifier`, to rounding: the workers compute loss and
    gradient of their partitions, which are added up. Otherwise sgd and adam train for local epochs:
    each partition trains on its own, and parameters and moments are averaged by the weights of the
    samples.

    Results depend on the partitions, but not on the workers: not on their number, on who computed
    what, or on whether one was lost and its work was done again.

    Parameters
    ----------
    n_local_epochs : int, default=1
        Epochs that each partition trains between two averages, with sgd and adam in batches. More
        of them save communication, and come to another result. ``max_iter`` and everything else
        that counts epochs counts averages; the losses are those of the last local epoch.
    **parameters
        All parameters of :class:`BackpropClassifier`, with the same defaults. ``batch_size`` is
        that within a partition, ``early_stopping`` needs ``X_val`` and ``y_val``, ``n_threads`` is
        that of each task (None: one), and the solver 'levenberg_marquardt' is not available.

    Attributes
    ----------
    n_rounds_ : int
        How often parameters were sent to the workers.
    **attributes
        All public attributes of :class:`BackpropClassifier`.

    See Also
    --------
    BackpropClassifier

    References
    ----------
    McDonald, Hall and Mann, "Distributed training strategies for the structured perceptron", NAACL
    (2010), and McMahan et al., "Communication-efficient learning of deep networks from
    decentralized data", AISTATS (2017): averaged parameters after local epochs.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from fastbp.dask import DaskBackpropClassifier
    >>> rng = np.random.default_rng(0)
    >>> blocks = [da.from_array(rng.standard_normal((50, 2))) for _ in range(4)]
    >>> X = da.concatenate(blocks)
    >>> y = X[:, 0] > X[:, 1]
    >>> model = DaskBackpropClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    >>> bool((model.predict(X) == y).mean() > 0.95)
    True
    >>> model.to_local()
    BackpropClassifier(hidden_layer_sizes=(8,), random_state=0, solver='lbfgs')
    """

    _plain = BackpropClassifier
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **parameters.OF_CLASSIFIER,
        **CONSTRAINTS,
    }

    classes_: Array
    out_activation_: str
    output_activation: Any

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
        classes: ArrayLike | None = None,
        client: Any = None,
    ) -> Self:
        """Fit the network to partitions.

        Parameters
        ----------
        X : Dask array or DataFrame of shape (n_samples, n_features)
            float32 trains in float32, everything else in float64.
        y : Dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or a label indicator matrix; divided at the same rows as X. A partition
            may have any number of rows and any of the classes.
        sample_weight : Dask array or Series of shape (n_samples,), default=None
            Weights >= 0 of the samples; ones by default.
        X_val, y_val, sample_weight_val : arrays, or collections, like the above, default=None
            Samples to validate on after each epoch. They must fit into the memory of this process.
        classes : array-like of shape (n_classes,), default=None
            All classes, if there may be more than y has.
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
        return self._fit((X, y, sample_weight), (X_val, y_val, sample_weight_val), client, classes)

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Predict class probabilities, partition by partition.

        Parameters
        ----------
        X : Dask array or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        Dask array or DataFrame of shape (n_samples, n_classes)
            Lazy; in the order of ``classes_``, which are the columns of a DataFrame.
        """
        return predict_lazily(self._fitted("predict_proba"), X, "predict_proba")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy. Predictions and y, not X, come into the memory of this process.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; or arrays.

        Returns
        -------
        float
        """
        outputs, y, weights = compute(self.predict(X), y, sample_weight)
        return float(accuracy_score(y, outputs, sample_weight=weights))
