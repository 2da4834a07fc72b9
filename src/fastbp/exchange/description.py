"""What a fitted estimator computes, as plain records: all that ONNX and C are generated from.

A Description is a network's:

    front       f = the front of the inputs x, or x itself (front.py has its equations)
    layers      a = g_l(a W_l + b_l) for each hidden layer; the last one has no g: z = a W + b
    output      p = output(z): identity, logistic, softmax, exp or increasing (_kernels/losses.pxd)
    labels      of a classifier: what predict returns, from p
    values      what predict_proba, or a regressor's predict, returns, from p

Everything is computed in `dtype`. Activations are named as in _kernels/activations.pxd, which has
their equations.

A TableDescription is that of a tabular estimator:

    columns     of the table become float32 inputs (tables/encoder.py), computed in float64
    members     networks, each a Description
    values      the mean over the members, in float64, of their probabilities, or of their values
                on the scale of y (tables/target_scales.py); probabilities are divided by their sum
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..classes import LabelRule, ProbabilityRule
from ..classifier import BackpropClassifier
from ..front import Front, as_front
from ..objective import OUTPUTS, loss_record
from ..regressor import BackpropRegressor
from ..tables.classifier import TabularClassifier
from ..tables.encoder import LevelColumn, NumberColumn
from ..tables.regressor import TabularRegressor
from ..tables.target_scales import TargetScale
from ..types import Array, FloatArray
from .functions import check_functions


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes
    ----------
    coef : ndarray of shape (fan_in, fan_out)
    intercept : ndarray of shape (fan_out,), or None
    activation : str or None
        None for the last layer, whose function is the record's `output_activation`.
    """

    coef: FloatArray
    intercept: FloatArray | None
    activation: str | None


@dataclass(frozen=True)
class Labels:
    """How a classifier comes from outputs p (n_samples, n_outputs) to labels.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels. With the rule 'each above half' the numbers of the columns.
    rule : {'each above half', 'largest', 'above half'}
        'each above half': a row of 0 and 1, p_k > 1/2. 'largest': classes[argmax p], the first one
        of equals. 'above half': classes[(p_0 > 1/2) % n_classes], for one output and at most two
        classes.
    """

    classes: Array
    rule: LabelRule


@dataclass(frozen=True)
class Description:
    """A fitted classifier or regressor of one network.

    Attributes
    ----------
    class_name : str
    dtype : dtype
        float32 or float64: of inputs, arithmetic and values.
    n_features : int
    feature_names : tuple of str, or None
    layers : tuple of Layer
        At least one. Their arrays are views of the estimator's parameters.
    output_activation : {'identity', 'logistic', 'softmax', 'exp', 'increasing'}
    values_rule : {'outputs', 'ones', 'complement', 'shares', 'mean'}
        What values are made of outputs p: p itself; ones (a single class); (1 - p, p); p / sum(p),
        where a row of zeros counts as one of ones; or p_0 alone, the mean of 'gaussian', whose
        standard deviation is exp(p_1 / 2).
    n_values : int
        Columns of the values.
    is_vector : bool
        Whether predict returns them as a vector (n_samples,): a regressor with one column.
    labels : Labels, or None for regressors
    gives_probabilities : bool
        Whether the values are probabilities, as predict_proba returns them. A classifier with
        identity output has no predict_proba; its values are the outputs.
    front : Front, or None
        The sizes: n_features, n_periodic, width.
    front_params : dict of str to ndarray
        As ``Network.front_params``; empty without a front.
    """

    class_name: str
    dtype: np.dtype[np.floating[Any]]
    n_features: int
    feature_names: tuple[str, ...] | None
    layers: tuple[Layer, ...]
    output_activation: str
    values_rule: ProbabilityRule | Literal["mean"]
    n_values: int
    is_vector: bool
    labels: Labels | None = None
    gives_probabilities: bool = False
    front: Front | None = None
    front_params: dict[str, FloatArray] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """Outputs of the network, before the values are made of them."""
        return self.layers[-1].coef.shape[1]

    @property
    def has_std(self) -> bool:
        """Whether exp(p_1 / 2) is a standard deviation."""
        return self.values_rule == "mean"


@dataclass(frozen=True)
class TableDescription:
    """A fitted tabular estimator.

    Attributes
    ----------
    class_name : str
    columns : tuple of NumberColumn or LevelColumn
        Of the table, in its order. Their inputs follow each other part by part: see PARTS of
        tables/encoder.py.
    column_names : tuple of str
        Of the columns; x0, x1, ... where the table had no names.
    members : tuple of Description
        The networks, over encoded columns.
    classes : ndarray of shape (n_classes,), or None for regressors
    target_scale : TargetScale, or None for classifiers
    has_std : bool
        Whether the networks predict a standard deviation.
    """

    class_name: str
    columns: tuple[NumberColumn | LevelColumn, ...]
    column_names: tuple[str, ...]
    members: tuple[Description, ...]
    classes: Array | None
    target_scale: TargetScale | None
    has_std: bool

    @property
    def n_values(self) -> int:
        """Columns of the values."""
        return self.members[0].n_values


def describe_table(estimator: TabularClassifier | TabularRegressor) -> TableDescription:
    """The TableDescription of a fitted TabularClassifier or TabularRegressor.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    """
    check_is_fitted(estimator)
    columns = tuple(estimator.encoder_._columns)
    names = getattr(estimator, "feature_names_in_", [f"x{i}" for i in range(len(columns))])
    is_classifier = isinstance(estimator, TabularClassifier)
    members = tuple(map(describe_model, estimator.estimators_))
    return TableDescription(
        class_name=type(estimator).__name__,
        columns=columns,
        column_names=tuple(map(str, names)),
        members=members,
        classes=estimator.classes_ if is_classifier else None,
        target_scale=None if is_classifier else estimator._target_scale,
        has_std=members[0].has_std,
    )


def describe_model(estimator: BackpropClassifier | BackpropRegressor) -> Description:
    """The Description of a fitted BackpropClassifier or BackpropRegressor.

    Raises
    ------
    TypeError
        For another class.
    NotFittedError
        If the estimator is not fitted.
    ValueError
        For an activation or an output that has no form in functions.py.
    """
    if not isinstance(estimator, (BackpropClassifier, BackpropRegressor)):
        raise TypeError(
            "A fitted BackpropClassifier or BackpropRegressor is needed, got "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    network = estimator.network_
    check_functions(network.hidden_activations, network.output_activation)
    names = getattr(estimator, "feature_names_in_", None)
    shared: dict[str, Any] = {
        "class_name": type(estimator).__name__,
        "dtype": network.dtype,
        "n_features": network.layer_sizes[0],
        "feature_names": None if names is None else tuple(map(str, names)),
        "layers": _layers(network),
        "output_activation": network.output_activation,
        "front": as_front(network.front, network.n_periodic, network.layer_sizes[0]),
        "front_params": network.front_params,
    }
    if isinstance(estimator, BackpropClassifier):
        return _describe_classifier(estimator, shared)
    is_gaussian = network.loss_name == "gaussian"
    n_values = network.layer_sizes[-1] - loss_record(network.loss_name).n_extra
    return Description(
        **shared,
        values_rule="mean" if is_gaussian else "outputs",
        n_values=n_values,
        is_vector=n_values == 1,
    )


def _describe_classifier(classifier, shared):
    classes, network = classifier._classes, classifier.network_
    output, n_outputs = network.output_activation, network.layer_sizes[-1]
    gives_probabilities = OUTPUTS[output].gives_probabilities
    rule: ProbabilityRule = "outputs"
    if gives_probabilities:
        rule = classes.probability_rule(output)
    return Description(
        **shared,
        values_rule=rule,
        n_values=n_outputs if rule == "outputs" else len(classes.labels),
        is_vector=False,
        labels=Labels(classes.labels, classes.label_rule(n_outputs)),
        gives_probabilities=gives_probabilities,
    )


def _layers(network):
    intercepts = network.intercepts or (None,) * len(network.coefs)
    activations = (*network.hidden_activations, None)
    return tuple(map(Layer, network.coefs, intercepts, activations))
