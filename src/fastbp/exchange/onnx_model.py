"""to_onnx: a fitted estimator as an ONNX model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archives import write_whole
from ..classifier import BackpropClassifier
from ..extras import import_extra
from ..regressor import BackpropRegressor
from ..tables.classifier import TabularClassifier
from ..tables.regressor import TabularRegressor
from ..types import Path
from ..versions import VERSION
from .description import Description, TableDescription, describe_model, describe_table
from .onnx_graph import ML_DOMAIN, ONNX_TYPES, Graph
from .onnx_network import add_labels, add_outputs, add_std, add_values, label_array
from .onnx_tables import add_members, add_table, add_table_labels, input_type
from .pipelines import EXPORTED, NETWORKS, NO_STEP, NO_TRANSFORMER, TABULAR, steps_of, what_to_pass

if TYPE_CHECKING:
    from onnx import ModelProto

# What onnxruntime from 1.13 (October 2022) on loads.
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
MOST_BYTES = 2**31 - 1  # of a protocol buffer

# Names of inputs and outputs, as skl2onnx has them for scikit-learn's MLP with zipmap=False.
INPUT, LABEL, PROBABILITIES, VARIABLE = "X", "label", "probabilities", "variable"
SCORES, STD = "scores", "std"

OTHERS = (
    " For scikit-learn's pipelines and ensembles import fastbp.onnx, and call "
    "skl2onnx.to_onnx(model, X[:1], target_opset=17)."
)


def to_onnx(
    estimator: BackpropClassifier | BackpropRegressor | TabularClassifier | TabularRegressor,
    path: Path | None = None,
) -> ModelProto:
    """Make an ONNX model of a fitted estimator.

    Its input is ``X``, a matrix (n_samples, n_features) of the type that the estimator was fitted
    in, float64 or float32. Its outputs have the names and shapes that skl2onnx gives those of
    scikit-learn's MLP, with its option ``zipmap=False``:

    ===================  ===========================================================
    of a classifier      ``label`` (n_samples,), int64 or string;
                         ``probabilities`` (n_samples, n_classes)
    ... of many labels   ``label`` (n_samples, n_labels) of 0 and 1, int64;
                         ``probabilities`` (n_samples, n_labels)
    of a regressor       ``variable`` (n_samples, n_outputs), also for one output
    ===================  ===========================================================

    A classifier without ``predict_proba`` (``output_activation="identity"``) has ``scores``, the
    outputs of the network, instead of probabilities. A regressor with ``loss="gaussian"`` has
    ``std`` (n_samples, 1) as well.

    A tabular estimator has an input (n_samples, 1) for each column of the table, by its name or
    ``x0``, ``x1``, ...: of strings for text and categories of text, with ``""`` where a value is
    missing, and of float64 for everything else, with NaN. Its probabilities and numbers are
    float64. A TabularRegressor has ``std`` as well, of the shape of ``variable``: what
    ``predict(X, return_std=True)`` returns. Intervals (``predict_interval``) are not in the model.

    Parameters
    ----------
    estimator : BackpropClassifier, BackpropRegressor, TabularClassifier or TabularRegressor
        Fitted.
    path : str or path-like, default=None
        A file to write the model to. At every moment it is the old file or the new one.

    Returns
    -------
    onnx.ModelProto
        Of opset 17 and IR version 8, which onnxruntime reads from 1.13 on.

    Raises
    ------
    ModuleNotFoundError
        Without the package onnx: ``pip install "fastbp[onnx]"``.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        For another estimator, and a pipeline with other steps that do something.
    ValueError
        For labels that ONNX does not have, and for models of more than 2 GB. For a column of a
        table that is no tensor of ONNX: text and numbers in one column, empty text beside missing
        values, categories that are whole numbers beyond 2**53.

    See Also
    --------
    save_model : A file for fastbp itself.

    Examples
    --------
    >>> from fastbp import BackpropClassifier, to_onnx
    >>> X, y = [[0.0, 1.0], [1.0, 0.0]], ["no", "yes"]
    >>> model = to_onnx(BackpropClassifier((3,), solver="lbfgs", random_state=0).fit(X, y))
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    import_extra("onnx", "onnx", "to_onnx")
    estimator = single_estimator(estimator)
    if isinstance(estimator, TABULAR):
        return _table_to_onnx(describe_table(estimator), path)
    description = describe_model(estimator)
    graph = Graph(description.dtype)
    outputs = add_model(graph, description)
    inputs = {INPUT: (description.dtype.name, description.n_features)}
    return finish_model(graph, inputs, outputs, _properties(description), path)


def single_estimator(estimator: Any) -> Any:
    """The estimator, or the only step of a pipeline that does anything; TypeError for others."""
    steps, idle = steps_of(estimator)
    *before, (_, model) = steps or [("", estimator)]
    for name, step in before:
        if isinstance(step, NETWORKS):
            raise TypeError(f"The step {name!r}, {type(step).__name__}: {NO_TRANSFORMER}")
    if not isinstance(model, (*NETWORKS, *TABULAR)):
        raise TypeError(
            f"to_onnx converts {EXPORTED}, and not {type(model).__name__}."
            f"{what_to_pass(model) or OTHERS}"
        )
    if not before:
        return model
    name, step = before[0]
    if isinstance(model, TABULAR):
        raise TypeError(
            f"{type(model).__name__} after the step {name!r} of a pipeline, {type(step).__name__}, "
            f"cannot be converted: {NO_STEP}."
        )
    without = f" Leave out {', '.join(map(repr, idle))} for it, which does nothing." if idle else ""
    raise TypeError(
        f"to_onnx does not convert the step {name!r} of the pipeline, {type(step).__name__}."
        f"{OTHERS}{without}"
    )


def add_model(graph: Graph, description: Description) -> dict[str, tuple[str, int | None]]:
    """Add all of a description; returns type and columns (None: a vector) of each output."""
    outputs: dict[str, tuple[str, int | None]] = {}
    p, labels, dtype = add_outputs(graph, description, INPUT), description.labels, graph.dtype.name
    if labels is None:
        add_values(graph, description, p, VARIABLE)
        outputs[VARIABLE] = dtype, description.n_values
        if description.has_std:
            add_std(graph, p, STD)
            outputs[STD] = dtype, 1
        return outputs
    add_labels(graph, labels, p, LABEL)
    kind = label_type(labels.classes)
    outputs[LABEL] = kind, len(labels.classes) if labels.rule == "each above half" else None
    values = PROBABILITIES if description.gives_probabilities else SCORES
    add_values(graph, description, p, values)
    outputs[values] = dtype, description.n_values
    return outputs


def _table_to_onnx(description: TableDescription, path: Path | None) -> ModelProto:
    names = input_names(description.column_names)
    graph = Graph(np.float64, reserved=names)
    kinds = [
        input_type(column, name)
        for name, column in zip(description.column_names, description.columns, strict=True)
    ]
    x = add_table(graph, description, names)
    outputs: dict[str, tuple[str, int | None]] = {}
    if description.classes is None:
        add_members(graph, description, x, VARIABLE, STD)
        outputs[VARIABLE] = outputs[STD] = "float64", description.n_values
    else:
        add_members(graph, description, x, PROBABILITIES, None)
        add_table_labels(graph, description.classes, PROBABILITIES, LABEL)
        outputs[LABEL] = label_type(description.classes), None
        outputs[PROBABILITIES] = "float64", description.n_values
    inputs = {name: (kind, 1) for name, kind in zip(names, kinds, strict=True)}
    properties = {
        "class": description.class_name,
        "feature_names": json.dumps(description.column_names),
    }
    return finish_model(graph, inputs, outputs, properties, path)


def input_names(column_names):
    """The names of columns: different from one another, and from those of outputs."""
    taken, names = {LABEL, PROBABILITIES, VARIABLE, STD}, []
    for i, name in enumerate(column_names):
        name = name or f"x{i}"  # no name is no input
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def label_type(classes: Any) -> str:
    """The type of labels, a key of ONNX_TYPES."""
    return "int64" if label_array(classes).dtype == np.int64 else "str"


def _properties(description):
    """What a reader of the file may want to know."""
    properties = {"class": description.class_name}
    if description.feature_names is not None:
        properties["feature_names"] = json.dumps(description.feature_names)
    return properties


def finish_model(
    graph: Graph,
    inputs: Mapping[str, tuple[str, int | None]],
    outputs: Mapping[str, tuple[str, int | None]],
    properties: dict[str, str],
    path: Path | None,
) -> ModelProto:
    """The model of a graph, written to `path` if there is one."""
    from onnx import helper, numpy_helper

    def value_infos(values):
        return [
            helper.make_tensor_value_info(
                name, ONNX_TYPES[kind], ["N"] if n_columns is None else ["N", n_columns]
            )
            for name, (kind, n_columns) in values.items()
        ]

    size = sum(array.nbytes for array in graph.constants.values() if array.dtype.kind != "O")
    if size > MOST_BYTES:
        raise ValueError(
            f"The parameters take {size:,} bytes, and a file of ONNX holds {MOST_BYTES:,}. Fit "
            "with a float32 X, or with fewer units."
        )
    nodes = [
        helper.make_node(
            node.op,
            node.inputs,
            node.outputs,
            # onnxruntime 1.18 makes equal names of several that are empty
            name=node.outputs[0],
            domain=node.domain,
            **node.attributes,
        )
        for node in graph.nodes
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain == ML_DOMAIN for node in graph.nodes):
        opsets.append(helper.make_opsetid(ML_DOMAIN, ML_OPSET))
    model = helper.make_model(
        helper.make_graph(
            nodes, properties["class"], value_infos(inputs), value_infos(outputs), constants
        ),
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="fastbp",
        producer_version=VERSION,
    )
    helper.set_model_props(model, properties)
    if path is not None:
        write_whole(path, lambda file: file.write(model.SerializeToString()))
    return model
