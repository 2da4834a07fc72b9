"""A network in a graph of ONNX: outputs, values and labels of a Description (description.py).

Takes the name of the inputs; returns the names of the results.
"""

from __future__ import annotations

import numpy as np

from ..types import Array
from .description import Description, Labels
from .functions import add_activation
from .onnx_graph import Graph, add_cast, add_columns, axes


def add_outputs(graph: Graph, description: Description, x: str) -> str:
    """Outputs p (n_samples, n_outputs) of the network for inputs x (n_samples, n_features)."""
    a = x if description.front is None else _add_front(graph, description, x)
    for number, layer in enumerate(description.layers):
        coef = graph.constant(layer.coef, f"coefs_{number}")
        if layer.intercept is None:
            z = graph.add("MatMul", a, coef)
        else:
            intercept = graph.constant(layer.intercept, f"intercepts_{number}")
            z = graph.add("Gemm", a, coef, intercept)
        a = z if layer.activation is None else add_activation(graph, layer.activation, z)
    return _add_output(graph, description, a)


def add_values(graph: Graph, description: Description, p: str, output: str | None = None) -> str:
    """The values (n_samples, n_values) of outputs p, by the name `output`."""
    rule = description.values_rule
    if rule == "complement":
        return graph.add("Concat", graph.add("Sub", 1.0, p), p, axis=1, output=output)
    if rule == "ones":
        return graph.add("Add", graph.add("Mul", p, 0.0), 1.0, output=output)
    if rule == "shares":
        total = graph.add("ReduceSum", p, axes(1), keepdims=1)
        no_class = add_cast(graph, graph.add("Equal", total, 0.0), graph.dtype)
        total = graph.add("Add", total, graph.add("Mul", no_class, float(description.n_outputs)))
        return graph.add("Div", graph.add("Add", p, no_class), total, output=output)
    if rule == "mean":
        return add_columns(graph, p, 0, 1, output=output)
    return graph.add("Identity", p, output=output)


def add_std(graph: Graph, p: str, output: str | None = None) -> str:
    """The standard deviation (n_samples, 1) of the loss 'gaussian'."""
    log_variance = add_columns(graph, p, 1, 2)
    return graph.add("Exp", graph.add("Mul", log_variance, 0.5), output=output)


def add_labels(graph: Graph, labels: Labels, p: str, output: str) -> str:
    """The labels (n_samples,) of outputs p, or (n_samples, n_classes) of 0 and 1."""
    if labels.rule == "each above half":
        return add_cast(graph, graph.add("Greater", p, 0.5), np.int64, output=output)
    if labels.rule == "largest":
        code = graph.add("ArgMax", p, axis=1, keepdims=0)
    else:
        is_second = add_cast(graph, graph.add("Greater", p, 0.5), np.int64)
        code = graph.add("Squeeze", is_second, axes(1))
        if len(labels.classes) == 1:
            code = graph.add("Mul", code, axes(0))
    return add_class_of_code(graph, labels.classes, code, output)


def add_class_of_code(graph: Graph, classes: Array, code: str, output: str) -> str:
    """The classes at the places `code`, by the name `output`."""
    return graph.add("Gather", graph.constant(label_array(classes), "classes"), code, output=output)


def label_array(classes: Array) -> Array:
    """Labels in a type that ONNX has: strings as an array of objects, or int64.

    Booleans and whole numbers of a floating type become int64, as skl2onnx makes them.

    Raises
    ------
    ValueError
        For labels that are neither strings nor whole numbers of 64 bits.
    """
    if classes.dtype.kind in "OU" and all(isinstance(one, str) for one in classes.tolist()):
        return classes.astype(object)
    whole = None
    if classes.dtype.kind in "biufO":
        with np.errstate(invalid="ignore"):
            try:
                whole = classes.astype(np.int64)
            except (TypeError, ValueError, OverflowError):
                whole = None
    if whole is None or (whole != classes).any():
        raise ValueError(
            "ONNX has labels of strings and of 64-bit integers, got classes of "
            f"{classes.dtype}: {classes[:3].tolist()} ...; fit with one of these as labels."
        )
    return whole


def _add_output(graph, description, z):
    name = description.output_activation
    if name == "softmax":
        return graph.add("Softmax", z, axis=1)
    if name == "logistic":
        return add_activation(graph, "logistic", z)
    if name == "exp":
        return graph.add("Exp", z)
    if name == "increasing" and description.n_outputs > 1:
        first = add_columns(graph, z, 0, 1)
        steps = add_activation(graph, "softplus", add_columns(graph, z, 1, description.n_outputs))
        steps = graph.add("Concat", first, steps, axis=1)
        return graph.add("CumSum", steps, np.array(1, dtype=np.int64))
    return z  # identity, or increasing of one output


def _add_front(graph, description, x):
    front, params = description.front, description.front_params
    f, n_periodic = x, front.n_periodic
    if n_periodic:
        columns = x if n_periodic == front.n_features else add_columns(graph, x, 0, n_periodic)
        # (n_periodic, n_samples, 1): the samples of one input side by side
        xs = graph.add("Unsqueeze", graph.add("Transpose", columns, perm=[1, 0]), axes(2))
        frequencies = graph.constant(params["frequencies"][:, np.newaxis], "frequencies")
        phases = graph.constant(params["phases"][:, np.newaxis], "phases")
        turns = graph.add("Add", graph.add("Mul", xs, frequencies), phases)
        # cos(2 pi r) = sin(2 pi (1/4 - |r|)) of the fraction r of a turn
        fraction = graph.add("Abs", graph.add("Sub", turns, graph.add("Round", turns)))
        angle = graph.add("Mul", graph.add("Sub", 0.25, fraction), 2 * np.pi)
        weights = graph.constant(params["weights"], "front_weights")
        intercepts = graph.constant(params["intercepts"][:, np.newaxis], "front_intercepts")
        mixed = graph.add("MatMul", graph.add("Sin", angle), weights)
        mixed = graph.add("Add", mixed, intercepts)
        rows = graph.add("Transpose", mixed, perm=[1, 0, 2])
        flat = graph.add("Reshape", rows, axes(0, front.width - front.n_features))
        f = graph.add("Concat", x, flat, axis=1)
    return graph.add("Mul", f, graph.constant(params["scale"], "front_scale"))
