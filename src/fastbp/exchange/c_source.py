"""A fitted estimator as one C99 file, which needs no more than math.h.

    to_c          the text of a network's estimator, or of a pipeline that begins with a scaler

description.py says what the file computes, c_network.py writes the network, c_inputs.py what stands
before it. Here is what is around them: the header, the functions that a program calls, the labels.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..archives import write_whole
from ..types import Path
from ..versions import VERSION
from .c_inputs import SCALERS, Scaling, read_scaler
from .c_network import SIZES, Code, NetworkWriter
from .c_text import comment, literal, string, wrap
from .description import Description, describe_model

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while".split()
)
CTYPES = {"float32": "float", "float64": "double"}
LARGEST_LONG = 2**31 - 1  # that every C compiler has


def to_c(
    estimator: Any, path: Path | None = None, *, name: str = "model", dtype: Any = None
) -> str:
    check_name(name)
    scaler, model = split_pipeline(estimator)
    description = describe_model(model)
    ctype = ctype_of(dtype, description.dtype)
    scaling = None if scaler is None else read_scaler(scaler)
    names = getattr(estimator, "feature_names_in_", None)
    text = "\n".join(_Source(description, scaling, name, ctype, names).lines()) + "\n"
    if path is not None:
        write_whole(path, lambda file: file.write(text.encode("ascii")))
    return text


def check_name(name: Any) -> None:
    """ValueError unless names in C can begin with it."""
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or name in KEYWORDS:
        raise ValueError(
            f"name={name!r} must be an identifier of C: letters of ASCII, digits and underscores, "
            "a letter first, and not one of C's keywords."
        )


def ctype_of(dtype: Any, own: Any) -> str:
    """The type in C that `dtype` asks for; None: the model's own."""
    try:
        return CTYPES[np.dtype(own if dtype is None else dtype).name]
    except (KeyError, TypeError):
        raise ValueError(f"dtype={dtype!r} must be None, 'float32' or 'float64'.") from None


def split_pipeline(estimator: Any) -> tuple[Any, Any]:
    """(scaler or None, model) of an estimator or a pipeline; TypeError for other pipelines."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    steps = [(name, step) for name, step in estimator.steps if step not in (None, "passthrough")]
    *before, (_, model) = steps
    for name, step in before:
        if not isinstance(step, SCALERS) or len(before) > 1:
            raise TypeError(
                f"The step {name!r} of the pipeline, {type(step).__name__}, cannot be written in "
                "C: what can is a single StandardScaler or RobustSmoothScaler before the network."
            )
    return (before[0][1] if before else None), model


class _Source:
    """The file of a single network."""

    def __init__(
        self,
        description: Description,
        scaling: Scaling | None,
        name: str,
        ctype: str,
        feature_names: Any,
    ) -> None:
        self.about, self.scaling, self.name, self.ctype = description, scaling, name, ctype
        self.feature_names = feature_names
        self.is_constant = description.values_rule == "ones"

    def lines(self) -> list[str]:
        name, code = self.name, self._network()
        prototypes = [f"{head};" for head, _ in self._functions()]
        sizes = {"features": self.about.n_features, "outputs": self.about.n_values}
        if self.about.labels is not None:
            sizes["classes"] = len(self.about.labels.classes)
        entries = [f"{name}_n_{what} = {size}" for what, size in sizes.items()]
        parts = [
            comment(self._header(code)),
            ["#include <math.h>"],
            [f"enum {{ {', '.join(entries)} }};", *prototypes],
            self._classes(),
            code.tables,
            code.functions,
            *([head, "{", *body, "}"] for head, body in self._functions()),
        ]
        lines: list[str] = []
        for part in filter(None, parts):
            lines += [*([""] if lines else []), *part]
        return lines

    def _network(self) -> Code:
        if self.is_constant:
            return Code([], [], 0, 0)
        writer = NetworkWriter([self.about], self.name, self.ctype)
        if self.scaling is None:
            return writer.write()
        n, scaling = self.about.n_features, self.scaling
        code = writer.write(
            lambda source, target: scaling.lines(self.name, self.ctype, n, source, target)
        )
        functions = scaling.functions(self.name)
        return Code(
            scaling.tables(self.name) + code.tables,
            [*functions, *([""] if functions else []), *code.functions],
            code.stack,
            code.constants + scaling.constants,
        )

    # --- the functions that a program calls -----------------------------------------------------

    def _functions(self) -> list[tuple[str, list[str]]]:
        """(head, lines of the body) of each."""
        name, ctype = self.name, self.ctype
        functions = [(f"void {name}_predict(const {ctype} *x, {ctype} *out)", self._predict())]
        if self.about.has_std:
            head = f"void {name}_predict_std(const {ctype} *x, {ctype} *out, {ctype} *std)"
            exp = "expf" if ctype == "float" else "exp"
            body = [*self._outputs(), "    out[0] = p[0];", f"    std[0] = {exp}(p[1] / 2);"]
            functions.append((head, body))
        if self.about.labels is not None:
            rule = self.about.labels.rule
            if rule == "each above half":
                head = f"void {name}_labels(const {ctype} *x, int *out)"
            else:
                head = f"int {name}_label(const {ctype} *x)"
            functions.append((head, self._label(rule)))
        return functions

    def _outputs(self):
        return [f"    {self.ctype} p[{self.about.n_outputs}];", "", f"    {self.name}_network(x, p);"]

    def _predict(self):
        rule, n, name = self.about.values_rule, self.about.n_outputs, self.name
        if rule == "ones":
            return ["    (void)x;", "    out[0] = 1;"]
        if rule == "complement":
            return [f"    {name}_network(x, out + 1);", "    out[0] = 1 - out[1];"]
        if rule == "mean":
            return [*self._outputs(), "    out[0] = p[0];"]
        if rule == "outputs":
            return [f"    {name}_network(x, out);"]
        return [
            f"    {self.ctype} total = 0;",
            "    int k;",
            "",
            f"    {name}_network(x, out);",
            f"    for (k = 0; k < {n}; k++)",
            "        total += out[k];",
            f"    for (k = 0; k < {n}; k++)",
            f"        out[k] = total > 0 ? out[k] / total : 1 / {literal(n, self.ctype)};",
        ]

    def _label(self, rule):
        n, half = self.about.n_outputs, literal(0.5, self.ctype)
        if rule == "above half":
            if len(self.about.labels.classes) == 1:
                return ["    (void)x;", "    return 0;"]
            return [*self._outputs(), f"    return p[0] > {half};"]
        if rule == "largest":
            return [
                f"    {self.ctype} p[{n}];",
                "    int k, largest = 0;",
                "",
                f"    {self.name}_network(x, p);",
                f"    for (k = 1; k < {n}; k++)",
                "        largest = p[k] > p[largest] ? k : largest;",
                "    return largest;",
            ]
        return [
            f"    {self.ctype} p[{n}];",
            "    int k;",
            "",
            f"    {self.name}_network(x, p);",
            f"    for (k = 0; k < {n}; k++)",
            f"        out[k] = p[k] > {half};",
        ]

    # --- what a reader needs --------------------------------------------------------------------

    def _classes(self) -> list[str]:
        if self.about.labels is None:
            return []
        ctype, words = class_table(self.about.labels.classes)
        return [
            f"extern {ctype}{self.name}_classes[{len(words)}];",
            f"{ctype}{self.name}_classes[{len(words)}] = {{",
            *wrap(words),
            "};",
        ]

    def _header(self, code):
        about, name = self.about, self.name
        lines = [
            f"{name}: a {about.class_name}, written by fastbp {VERSION} (fastbp.to_c). C99; needs "
            "math.h only.",
            "",
        ]
        return lines


def class_table(classes: Any) -> tuple[str, list[str]]:
    """The type of a table of class labels, up to its name, and its entries."""
    values = classes.tolist()
    if classes.dtype.kind in "iu":
        if all(-LARGEST_LONG <= value <= LARGEST_LONG for value in values):
            return "const long ", [str(value) for value in values]
    elif classes.dtype.kind == "f":
        return "const double ", [literal(value, "double") for value in values]
    return "const char *const ", [string(value) for value in values]
