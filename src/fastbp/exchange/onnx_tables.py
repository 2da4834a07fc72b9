"""What a tabular estimator is in an ONNX graph.

Takes a TableDescription and a name for each column of a table, which is an input (n_samples, 1):

    numbers                                     float64, NaN where a value is missing
    booleans, and categories of numbers         the same
    text, and categories of text                strings, "" where a value is missing

Returns the names of its results. Numbers are encoded in float64, with the roundings of
tables/encoder.py, so that the networks see the same float32 inputs as in predict.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables.encoder import PARTS, LevelColumn, NumberColumn
from ..tables.scaling import BOUND, SATURATED
from ..types import Array, FloatArray
from .description import TableDescription
from .onnx_graph import ML_DOMAIN, Graph, add_cast, axes
from .onnx_network import add_class_of_code, add_outputs, add_std, add_values

LARGEST_WHOLE = 2**53  # to which all whole numbers are a float64


def input_type(column: NumberColumn | LevelColumn, name: str) -> str:
    """The type of a column's input, a key of ONNX_TYPES.

    Raises
    ------
    ValueError
        For levels that no type of ONNX has.
    """
    if isinstance(column, NumberColumn):
        return "float64"
    texts = [level for level in column.levels if isinstance(level, str)]
    if len(texts) < len(column.levels):
        if texts:
            raise ValueError(
                f"The column {name!r} holds text and numbers, and a column of ONNX has one type. "
                "Fit with all of its values as text."
            )
        numbers = [level for level in column.levels if not isinstance(level, str)]
        too_large = [level for level in numbers if abs(level) > LARGEST_WHOLE]
        if too_large:
            raise ValueError(
                f"The column {name!r} holds the category {too_large[0]}, which is no float64. "
                "Fit with its categories as text."
            )
        return "float64"
    if "" in texts and column.has_missing:
        raise ValueError(
            f"The column {name!r} holds empty text and missing values, and text of ONNX cannot be "
            'missing: "" stands for it. Fit with another text instead of the empty one.'
        )
    return "str"


def add_table(graph: Graph, description: TableDescription, names: list[str]) -> str:
    """The inputs (n_samples, n_columns) of the networks, in float32."""
    graph.dtype = np.dtype(np.float64)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    numbers = {
        name: column
        for name, column in zip(names, description.columns, strict=True)
        if isinstance(column, NumberColumn)
    }
    if numbers:
        _add_numbers(graph, list(numbers), list(numbers.values()), parts)
    for name, column in zip(names, description.columns, strict=True):
        if isinstance(column, LevelColumn):
            _add_levels(graph, name, column, parts)
    graph.dtype = np.dtype(np.float32)
    found = [name for part in PARTS for name in parts[part]]
    return found[0] if len(found) == 1 else graph.add("Concat", *found, axis=1)


def _add_numbers(graph, names, columns, parts):
    x = names[0] if len(names) == 1 else graph.add("Concat", *names, axis=1)
    is_missing = graph.add("IsNaN", x)
    centers, scales = np.array([[column.center, column.scale] for column in columns]).T
    scaled = graph.add("Where", is_missing, 0.0, add_smooth_scaling(graph, x, centers, scales))
    parts["number"].append(add_cast(graph, scaled, np.float32))
    with_missing = [i for i, column in enumerate(columns) if column.has_missing]
    if with_missing:
        flags = graph.add("Gather", is_missing, axes(*with_missing), axis=1)
        parts["missing"].append(add_cast(graph, flags, np.float32))
    edges = [np.array(column.edges) for column in columns]
    if any(map(len, edges)):
        parts["bin"].append(add_cast(graph, add_ramps(graph, x, edges), np.float32))


def add_smooth_scaling(graph: Graph, x: str, centers: FloatArray, scales: FloatArray) -> str:
    """What scale_smoothly of tables/scaling.py makes of float64 x; NaN stays NaN."""
    divisors = np.where(scales == 0, np.inf, scales)
    z = graph.add("Div", graph.add("Sub", x, centers), divisors)
    z = graph.add("Clip", z, -SATURATED, SATURATED)
    ratio = graph.add("Div", z, BOUND)
    square = graph.add("Mul", ratio, ratio)
    return graph.add("Div", z, graph.add("Sqrt", graph.add("Add", square, 1.0)))


def add_ramps(graph: Graph, x: str, edges: Sequence[FloatArray]) -> str:
    """What ramps of tables/piecewise.py makes of float64 x, given the edges of each column."""
    places = np.repeat(np.arange(len(edges)), [max(0, len(one) - 1) for one in edges])
    left = np.concatenate([one[:-1] for one in edges])
    width = np.concatenate([one[1:] for one in edges]) - left
    values = graph.add("Gather", x, places, axis=1)
    parts = graph.add("Div", graph.add("Sub", values, left), width)
    parts = graph.add("Clip", parts, 0.0, 1.0)
    return graph.add("Where", graph.add("IsNaN", parts), 0.0, parts)


def _add_levels(graph, name, column, parts):
    n_levels = len(column.levels)
    other = n_levels if column.has_others else -1
    missing = n_levels + column.has_others if column.has_missing else -1
    if input_type(column, name) == "str":
        codes = {level: code for code, level in enumerate(column.levels)}
        codes = {"": missing, **codes}
        code = graph.add(
            "LabelEncoder",
            name,
            domain=ML_DOMAIN,
            keys_strings=list(codes),
            values_int64s=list(codes.values()),
            default_int64=other,
        )
    else:
        code = _add_codes_of_numbers(graph, name, column, other, missing)
    if column.is_sign:
        signs = graph.add("Sub", _add_flags(graph, code, 1), _add_flags(graph, code, 0))
        parts["sign"].append(signs)
    else:
        width = n_levels + column.has_others + column.has_missing
        if width:
            parts["level"].append(_add_flags(graph, code, *range(width)))


def _add_flags(graph, code, *codes):
    """Columns of float32: 1 where the code is this one, else 0."""
    return add_cast(graph, graph.add("Equal", code, axes(*codes)), np.float32)


def _add_codes_of_numbers(graph, name, column, other, missing):
    """The place of each number among the levels, as int64 (n_samples, 1)."""
    levels = np.array([float(level) for level in column.levels])
    is_level = add_cast(graph, graph.add("Equal", name, levels), np.int64)
    # 1 + the place, or 0 for a number that is no level
    places = graph.add("Mul", is_level, axes(*range(1, len(levels) + 1)))
    place = graph.add("ReduceSum", places, axes(1), keepdims=1)
    is_known = graph.add("Greater", place, axes(0))
    code = graph.add("Where", is_known, graph.add("Sub", place, axes(1)), axes(other))
    return graph.add("Where", graph.add("IsNaN", name), axes(missing), code)


def add_members(
    graph: Graph, description: TableDescription, x: str, values: str, std: str | None
) -> None:
    """The mean of what the networks make of x, by the name `values`, in float64.

    std : the name of the standard deviations of predict(X, return_std=True), or None
    """
    means, variances = [], []
    scale = description.target_scale
    for member in description.members:
        graph.dtype = member.dtype
        p = add_outputs(graph, member, x)
        outputs = add_values(graph, member, p)
        deviation = add_std(graph, p) if description.has_std else None
        graph.dtype = np.dtype(np.float64)
        outputs = add_cast(graph, outputs, np.float64)
        if scale is not None:
            outputs = graph.add("Add", graph.add("Mul", outputs, scale.scale), scale.center)
            outputs = graph.add("Max", outputs, scale.lowest)
            outputs = graph.add("Min", outputs, scale.highest)
        means.append(outputs)
        if deviation is not None and scale is not None:
            deviation = graph.add("Mul", add_cast(graph, deviation, np.float64), scale.scale)
            variances.append(graph.add("Mul", deviation, deviation))
    if description.classes is None:
        mean = _add_mean(graph, means, values)
    else:
        mean = _add_mean(graph, means)
        total = graph.add("ReduceSum", mean, axes(1), keepdims=1)
        graph.add("Div", mean, total, output=values)
    if std is not None:
        differences = [graph.add("Sub", one, mean) for one in means]
        variance = _add_mean(graph, [graph.add("Mul", one, one) for one in differences])
        if variances:
            variance = graph.add("Add", variance, _add_mean(graph, variances))
        graph.add("Sqrt", variance, output=std)


def _add_mean(graph, names, output=None):
    total = names[0]
    for name in names[1:]:
        total = graph.add("Add", total, name)
    return graph.add("Div", total, float(len(names)), output=output)


def add_table_labels(graph: Graph, classes: Array, probabilities: str, output: str) -> None:
    """The most probable class."""
    code = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    add_class_of_code(graph, classes, code, output)
