"""BaseDaskBackprop: what the estimators for Dask share. Parameters, fitted attributes, to_local."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..base import BaseBackprop
from ..layer_arrays import LayerArrays
from ..network import Network
from ..parameters import check_parameters, parameters_of
from ..sklearn_types import HintedParameters
from ..types import Array, LayerSizes
from ..whole_fits import whole_fit
from .executors import executor_for
from .fits import fit_on_partitions
from .predictions import predict_lazily

Class = TypeVar("Class", bound=type)

# The parameters that only the estimators for Dask have, and their defaults.
OWN: dict[str, Any] = {"n_local_epochs": 1}
CONSTRAINTS: dict[str, list[Any]] = {"n_local_epochs": [Interval(Integral, 1, None, closed="left")]}


def with_parameters_of(plain: type[BaseBackprop]) -> Callable[[Class], Class]:
    """Give a class the parameters of an estimator, with their defaults, and OWN."""
    signature = inspect.signature(plain.__init__)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in OWN.items()
    ]
    signature = signature.replace(parameters=[*signature.parameters.values(), *own])

    def decorate(cls: Class) -> Class:
        def __init__(self, *args, **kwargs):  # noqa: N807
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            for name, value in bound.arguments.items():
                if name != "self":
                    setattr(self, name, value)

        __init__.__signature__ = signature  # type: ignore[attr-defined]
        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate


class BaseDaskBackprop(HintedParameters, BaseEstimator):
    """What classifier and regressor share; `_plain` is the estimator without Dask."""

    _plain: ClassVar[type[BaseBackprop]]
    _parameter_constraints: ClassVar[dict[str, list[Any]]]

    n_local_epochs: int
    warm_start: bool

    network_: Network
    n_iter_: int
    n_rounds_: int
    loss_: float
    loss_curve_: list[float]
    n_features_in_: int
    feature_names_in_: Array
    _local: BaseBackprop

    if TYPE_CHECKING:  # with_parameters_of writes it

        def __init__(
            self,
            hidden_layer_sizes: int | LayerSizes = (100,),
            *,
            n_local_epochs: int = 1,
            **parameters: Any,
        ) -> None: ...

    def _validate_params(self):
        check_parameters(self)

    def _fit(self, collections, validation, client, classes=None):
        with whole_fit(self):
            goes_on = self.warm_start and "_local" in vars(self)
            parameters = {
                name: value for name, value in parameters_of(self).items() if name not in OWN
            }
            local = self.to_local() if goes_on else self._plain()
            for name, value in parameters.items():
                setattr(local, name, value)
            n_rounds = fit_on_partitions(
                local,
                executor_for(client),
                collections,
                validation,
                name=type(self).__name__,
                n_local_epochs=self.n_local_epochs,
                classes=classes,
                goes_on=goes_on,
            )
            self._take(local)
            self.n_rounds_ = n_rounds
        return self

    def _take(self, local):
        """The fitted attributes of an estimator without Dask."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        fitted = {name: value for name, value in vars(local).items() if name.endswith("_")}
        self.__dict__.update(fitted, _local=local)

    def to_local(self) -> Any:
        """The fitted estimator without Dask.

        It needs no cluster: it predicts arrays, can be saved with :func:`fastbp.save_model`, and
        trained on with ``partial_fit``.

        Returns
        -------
        BackpropClassifier or BackpropRegressor
            A copy, which a later fit does not change.
        """
        check_is_fitted(self)
        return copy.deepcopy(self._local)

    def predict(self, X: Any) -> Any:
        """Predict, partition by partition.

        Parameters
        ----------
        X : Dask array or DataFrame of shape (n_samples, n_features)
            An array in memory is predicted at once.

        Returns
        -------
        Dask array, Series or DataFrame
            Lazy, and divided as X: an array for an array; for a DataFrame a Series, or a DataFrame
            where there are several outputs, with the index of X.
        """
        check_is_fitted(self)
        return predict_lazily(self._local, X, "predict")

    @property
    def coefs_(self) -> LayerArrays:
        """Weight matrices, as those of the estimator without Dask."""
        return self._fitted("coefs_").coefs_

    @property
    def intercepts_(self) -> LayerArrays:
        """Intercept vectors, as those of the estimator without Dask."""
        return self._fitted("intercepts_").intercepts_

    def _fitted(self, attribute):
        # AttributeError, so that hasattr sees an unfitted estimator
        if "_local" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted"
            )
        return self._local

    def __sklearn_is_fitted__(self) -> bool:
        return "_local" in vars(self)
