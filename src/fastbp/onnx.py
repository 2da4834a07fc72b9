"""Converters of skl2onnx for fastbp's steps of pipelines, registered on import.

    import fastbp.onnx
    model = skl2onnx.to_onnx(pipeline, X[:1], target_opset=17)

They are BackpropClassifier, BackpropRegressor, RobustSmoothScaler and PiecewiseLinearEncoder.
Inputs of any numeric type are cast to the type that the estimator was fitted in, as predict does
it; probabilities and numbers come out in the type of the inputs, as of scikit-learn's estimators.
A network as a transformer, before the last step, is refused: skl2onnx would pass on what it
predicts.
A single network or tabular estimator needs no skl2onnx: see :func:`fastbp.to_onnx`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .classifier import BackpropClassifier
from .exchange.description import Description, Labels, describe_model
from .exchange.onnx_graph import ONNX_TYPES, Graph, add_cast
from .exchange.onnx_model import to_onnx
from .exchange.onnx_network import add_labels, add_outputs, add_values, label_array
from .exchange.onnx_tables import add_ramps, add_smooth_scaling
from .exchange.pipelines import NO_STEP, NO_TRANSFORMER, TABULAR
from .extras import import_extra
from .regressor import BackpropRegressor
from .tables.piecewise import PiecewiseLinearEncoder
from .tables.scaling import RobustSmoothScaler

for _package in ("onnx", "skl2onnx"):
    import_extra(_package, "onnx", "fastbp.onnx")

from onnx import numpy_helper  # noqa: E402
from skl2onnx import update_registered_converter  # noqa: E402
from skl2onnx.common.data_types import (  # noqa: E402
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)

__all__ = ["to_onnx"]

# The first opset in which all operators of exchange/ have the form that is used there.
OLDEST_OPSET = 13
NUMERIC = (FloatTensorType, DoubleTensorType, Int64TensorType, BooleanTensorType)
# Operators that make outputs of what the last step predicts, as options of skl2onnx ask for.
OF_OUTPUTS = ("SklearnZipMap", "SklearnZipMapColumns", "SklearnIdentity", "SklearnCast")
OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],
}


def _declare_classifier(operator):
    """Types and shapes of the outputs: labels and probabilities."""
    _check_last(operator, operator.raw_operator)
    _check_inputs(operator)
    description = describe_model(operator.raw_operator)
    options = _options(operator.scope_inst, operator.raw_operator)
    if options["zipmap"] and not description.gives_probabilities:
        raise ValueError(
            "A classifier with output_activation='identity' has no probabilities to map: convert "
            "it with options={id(classifier): {'zipmap': False}}, which gives its outputs."
        )
    n_samples = operator.inputs[0].get_first_dimension()
    labels = _labels(description, options)
    is_many = labels.rule == "each above half"
    is_int = label_array(labels.classes).dtype == np.int64
    kind = Int64TensorType if is_int else StringTensorType
    operator.outputs[0].set_type(kind([n_samples, len(labels.classes)] if is_many else [n_samples]))
    operator.outputs[1].set_type(
        _value_type(operator, options["zipmap"] is True)([n_samples, description.n_values])
    )


def _declare_regressor(operator):
    _check_last(operator, operator.raw_operator)
    _check_inputs(operator)
    description = describe_model(operator.raw_operator)
    n_samples = operator.inputs[0].get_first_dimension()
    operator.outputs[0].set_type(_value_type(operator)([n_samples, description.n_values]))


def _value_type(operator, is_mapped=False):
    """float64 for such inputs, else float32, which is all that onnxruntime's ZipMap takes."""
    is_double = isinstance(operator.inputs[0].type, DoubleTensorType) and not is_mapped
    return DoubleTensorType if is_double else FloatTensorType


def _options(scope, estimator):
    defaults = {"zipmap": True, "output_class_labels": False, "nocl": False}
    return {**defaults, **(scope.get_options(estimator, fail=False) or {})}


def _labels(description: Description, options: dict[str, Any]) -> Labels:
    labels: Any = description.labels
    return Labels(np.arange(len(labels.classes)), labels.rule) if options["nocl"] else labels


def _convert_classifier(scope, operator, container):
    description, graph, p = _begin(scope, operator, container)
    labels = _labels(description, _options(scope, operator.raw_operator))
    add_labels(graph, labels, p, operator.outputs[0].full_name)
    _end(description, graph, p, operator.outputs[1], container)


def _convert_regressor(scope, operator, container):
    description, graph, p = _begin(scope, operator, container)
    _end(description, graph, p, operator.outputs[0], container)


def _begin(scope, operator, container):
    """The description, a graph, and the outputs of the network in it."""
    description = describe_model(operator.raw_operator)
    graph, x = _inputs(scope, operator, container, description.dtype)
    return description, graph, add_outputs(graph, description, x)


def _inputs(scope, operator, container, dtype):
    """A graph, and the inputs in it as one matrix of a type."""
    opset = container.target_opset_any_domain("")
    if opset < OLDEST_OPSET:
        raise ValueError(f"target_opset={opset} is too old: {OLDEST_OPSET} or later is needed.")
    graph = Graph(dtype, scope.get_unique_variable_name)
    columns = [add_cast(graph, one.full_name, dtype) for one in operator.inputs]
    return graph, columns[0] if len(columns) == 1 else graph.add("Concat", *columns, axis=1)


def _check_inputs(operator):
    """ValueError unless the inputs are the columns that the estimator was fitted to."""
    check_is_fitted(operator.raw_operator)
    name, n_features = type(operator.raw_operator).__name__, operator.raw_operator.n_features_in_
    shapes = [one.type.shape for one in operator.inputs]
    is_sound = all(isinstance(one.type, NUMERIC) for one in operator.inputs)
    if is_sound and all(shape and len(shape) == 2 and shape[1] for shape in shapes):
        is_sound = sum(shape[1] for shape in shapes) == n_features
    elif len(shapes) > 1:
        is_sound = False
    if not is_sound:
        names = [one.onnx_name for one in operator.inputs]
        raise ValueError(
            f"{name} has been fitted to {n_features} columns of numbers, and is to be converted "
            f"with the inputs {names} of the shapes {shapes}."
        )


def _check_last(operator, network):
    """ValueError where a later step takes what a network predicts, in place of its hidden layer.

    Ensembles, searches and the like take it in another way, not as an operator's inputs.
    """
    names = {one.onnx_name for one in operator.outputs}
    for other in operator.scope_inst.operators.values():
        if names.isdisjoint(one.onnx_name for one in other.inputs):
            continue
        if other.type not in OF_OUTPUTS:
            raise ValueError(f"{type(network).__name__}: {NO_TRANSFORMER}")
        _check_last(other, network)


def _end(description, graph, p, output, container):
    """Add the values in the type of `output`, and all of the graph to skl2onnx's."""
    _hand_over(graph, add_values(graph, description, p), output, container)


def _hand_over(graph, values, output, container):
    is_double = isinstance(output.type, DoubleTensorType)
    add_cast(graph, values, np.float64 if is_double else np.float32, output=output.full_name)
    for name, array in graph.constants.items():
        if array.dtype.kind == "O":
            texts = [text.encode() for text in array.ravel()]
            container.add_initializer(name, ONNX_TYPES["str"], array.shape, texts)
        else:
            container.add_initializer(name, None, None, numpy_helper.from_array(array))
    for node in graph.nodes:
        container.add_node(
            node.op,
            list(node.inputs),
            list(node.outputs),
            node.domain,
            name=node.outputs[0],
            **node.attributes,
        )


def _declare_numbers(operator):
    """The output of a transformer: float32 for such inputs, else float64."""
    _check_inputs(operator)
    transformer = operator.raw_operator
    n_columns = len(transformer.get_feature_names_out())
    is_single = all(isinstance(one.type, FloatTensorType) for one in operator.inputs)
    kind = FloatTensorType if is_single else DoubleTensorType
    n_samples = operator.inputs[0].get_first_dimension()
    operator.outputs[0].set_type(kind([n_samples, n_columns]))


def _declare_table(operator):
    raise ValueError(
        f"A {type(operator.raw_operator).__name__} is converted by fastbp.to_onnx, and cannot be a "
        f"step: {NO_STEP}."
    )


def _convert_table(scope, operator, container):
    _declare_table(operator)


def _convert_scaler(scope, operator, container):
    graph, x = _inputs(scope, operator, container, np.float64)
    scaler = operator.raw_operator
    scaled = add_smooth_scaling(graph, x, scaler.center_, scaler.scale_)
    _hand_over(graph, scaled, operator.outputs[0], container)


def _convert_encoder(scope, operator, container):
    graph, x = _inputs(scope, operator, container, np.float64)
    encoded = add_ramps(graph, x, operator.raw_operator.bin_edges_)
    _hand_over(graph, encoded, operator.outputs[0], container)


update_registered_converter(
    BackpropClassifier,
    "FastbpBackpropClassifier",
    _declare_classifier,
    _convert_classifier,
    options=OPTIONS,
)
update_registered_converter(
    BackpropRegressor, "FastbpBackpropRegressor", _declare_regressor, _convert_regressor
)
update_registered_converter(
    RobustSmoothScaler, "FastbpRobustSmoothScaler", _declare_numbers, _convert_scaler
)
update_registered_converter(
    PiecewiseLinearEncoder, "FastbpPiecewiseLinearEncoder", _declare_numbers, _convert_encoder
)
for _estimator in TABULAR:
    update_registered_converter(
        _estimator, f"Fastbp{_estimator.__name__}", _declare_table, _convert_table
    )
