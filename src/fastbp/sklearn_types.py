"""The types that scikit-learn does not state: of its decorators, and of methods that it passes on.

Nothing here does anything that scikit-learn would not do by itself, but for better messages about
arguments and parameters that there are not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import sklearn.base
import sklearn.utils.metaestimators

from .near_names import hint_of_argument, hint_of_parameter
from .types import Array, ArrayLike, FloatArray, MatrixLike, MaybeSparse

if TYPE_CHECKING:
    from typing import Literal, Self

Method = TypeVar("Method", bound=Callable[..., Any])
Request = bool | str | None  # what set_fit_request takes for each argument of fit


def fits(method: Method) -> Method:
    """For a method that fits: the parameters are checked first, by ``_validate_params``."""
    fit = sklearn.base._fit_context(prefer_skip_nested_validation=True)(method)
    arguments = inspect.signature(method).parameters

    @functools.wraps(fit)
    def checked(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in arguments:
                parameters = estimator.get_params(deep=False)
                raise TypeError(
                    f"{type(estimator).__name__}.{method.__name__}() got an unexpected keyword "
                    f"argument {name!r}.{hint_of_argument(name, arguments, parameters)}"
                )
        return fit(estimator, *args, **kwargs)

    return cast(Method, checked)


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """For a method that exists only where `check`, given the estimator, does not raise."""

    def decorate(method: Method) -> Method:
        return cast(Method, sklearn.utils.metaestimators.available_if(check)(method))

    return decorate


class HintedParameters:
    """For an estimator: set_params says which parameter was probably meant."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as every estimator does; an unknown name is answered with a near one.

        Parameters
        ----------
        **params : dict
            Parameters of the constructor.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an unknown name.
        """
        estimator: Any = super()
        try:
            return estimator.set_params(**params)
        except ValueError as error:
            known = estimator._get_param_names()
            unknown = [name for name in params if name not in known]
            if not unknown:
                raise
            raise ValueError(f"{error}{hint_of_parameter(unknown[0], known)}") from None


class InheritedMethods:
    """Signatures of what the estimators inherit from scikit-learn; empty when it runs."""

    if TYPE_CHECKING:

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...

        def score(
            self, X: MatrixLike, y: MatrixLike, sample_weight: ArrayLike | None = None
        ) -> float: ...

        def fit_transform(
            self, X: MatrixLike, y: MatrixLike | None = None, **fit_params: Any
        ) -> FloatArray | MaybeSparse: ...

        def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array: ...

        def set_output(
            self, *, transform: Literal["default", "pandas", "polars"] | None = None
        ) -> Self: ...

        def set_fit_request(
            self,
            *,
            sample_weight: Request = ...,
            X_val: Request = ...,
            y_val: Request = ...,
            sample_weight_val: Request = ...,
        ) -> Self: ...

        def set_partial_fit_request(
            self,
            *,
            sample_weight: Request = ...,
            classes: Request = ...,
            X_val: Request = ...,
            y_val: Request = ...,
            sample_weight_val: Request = ...,
        ) -> Self: ...

        def set_score_request(self, *, sample_weight: Request = ...) -> Self: ...

        def set_callbacks(self, *callbacks: Any) -> Self: ...
