"""A fitted estimator as one C99 file, which needs no more than math.h.

    to_c          the text of a network's estimator, of a pipeline of a scaler and one, or of a
                  tabular estimator (c_tables.py)

description.py says what the file computes, c_network.py writes the network, c_inputs.py what stands
before it, c_program.py the file. Here are the functions of a network that a program calls.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..archives import write_whole
from ..types import Path
from .c_inputs import SCALERS, Scaling, read_scaler
from .c_network import Code, NetworkWriter, layers_of
from .c_program import Function, Program, describe_classes, describe_inputs
from .c_tables import TableWriter
from .c_text import SIZES, literal
from .description import Description, describe_model, describe_table
from .pipelines import EXPORTED, NETWORKS, NO_STEP, TABULAR, steps_of, what_to_pass

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while".split()
)
OF_ENSEMBLES = " Pass its estimators_ one by one, and combine what they return in your program."
CTYPES = {"float32": "float", "float64": "double"}


def to_c(
    estimator: Any, path: Path | None = None, *, name: str = "model", dtype: Any = None
) -> str:
    """Write a fitted estimator as a C99 file that needs no library but math.h.

    The file allocates nothing and keeps no state. It defines, with T for the type of the numbers
    and NAME for `name`:

    - ``void NAME_predict(const T *x, T *out)``: a row of what ``predict_proba`` of a classifier, or
      ``predict`` of a regressor, returns for the inputs x
    - ``int NAME_label(const T *x)`` of a classifier: the place of the predicted class in
      ``NAME_classes``, a table of the labels. For many labels there is
      ``void NAME_labels(const T *x, int *out)``, 0 or 1 for each.
    - ``void NAME_predict_std(const T *x, T *out, T *std)``: what ``predict(X, return_std=True)``
      returns, with ``loss="gaussian"`` and of a TabularRegressor
    - ``int NAME_code(int feature, const char *text)`` of a tabular estimator: the number that
      stands for a level in x
    - ``NAME_n_features``, ``NAME_n_outputs``, ``NAME_n_classes``: sizes of x, out and
      ``NAME_classes``

    A comment at its beginning says what x and out are, and how many bytes of arrays each function
    needs on the stack. A classifier without ``predict_proba`` (``output_activation="identity"``)
    writes the outputs of its network to out. Of a tabular estimator, x has a number for each column
    of the table: NaN where a value is missing, and for a level its code, which the comment lists.
    ``predict_interval`` is not in the file: it needs the errors of all rows that were held out.

    Parameters
    ----------
    estimator : estimator of fastbp, or Pipeline
        Fitted. A pipeline has a StandardScaler or a RobustSmoothScaler before a network, or
        nothing that does anything.
    path : str or path-like, default=None
        A file to write the text to. At every moment it is the old file or the new one.
    name : str, default='model'
        What all names in the file begin with, so that several can be in one program.
    dtype : {'float32', 'float64'} or dtype, default=None
        float32 is ``float`` in C, float64 is ``double``. By default the type that the estimator
        predicts in. In another one the weights are rounded, and the results are those of that type.
        Of a tabular estimator this is the type of x and out; its networks compute in float.

    Returns
    -------
    str
        The text of the file, in ASCII.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        For what cannot be written in C, such as another step of a pipeline.
    ValueError
        For a name that C does not allow, another dtype, and weights that are not finite in it.

    See Also
    --------
    to_onnx : A model for onnxruntime.
    save_model : A file for fastbp itself.

    Examples
    --------
    >>> from fastbp import BackpropRegressor, to_c
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0]
    >>> net = BackpropRegressor((3,), solver="lbfgs", random_state=0).fit(X, y)
    >>> "void square_predict(const double *x, double *out)" in to_c(net, name="square")
    True
    """
    check_name(name)
    scaler, model = split_pipeline(estimator)
    writer: NetworkProgram | TableWriter
    if isinstance(model, TABULAR):
        writer = TableWriter(describe_table(model), name, ctype_of(dtype, "float64"))
    else:
        description = describe_model(model)
        scaling = None if scaler is None else read_scaler(scaler, description.n_features)
        names = getattr(model if scaler is None else scaler, "feature_names_in_", None)
        ctype = ctype_of(dtype, description.dtype)
        writer = NetworkProgram(description, scaling, name, ctype, names)
    text = writer.program().text()
    if path is not None:
        write_whole(path, lambda file: file.write(text.encode("ascii")))
    return text


def check_name(name: Any) -> None:
    """ValueError unless names in C can begin with it."""
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or name in KEYWORDS:
        raise ValueError(
            f"name={name!r} must be an identifier of C: ASCII letters, digits and underscores, a "
            "letter first, and no keyword."
        )


def ctype_of(dtype: Any, own: Any) -> str:
    """The type in C that `dtype` asks for; None: the model's own."""
    try:
        return CTYPES[np.dtype(own if dtype is None else dtype).name]
    except (KeyError, TypeError):
        raise ValueError(f"dtype={dtype!r} must be None, 'float32' or 'float64'.") from None


def split_pipeline(estimator: Any) -> tuple[Any, Any]:
    """(scaler or None, model) of an estimator or a pipeline; TypeError for what C cannot have."""
    steps, _ = steps_of(estimator)
    *before, (_, model) = steps or [("", estimator)]
    if not isinstance(model, (*NETWORKS, *TABULAR)):
        is_ensemble = hasattr(model, "estimators_")
        raise TypeError(
            f"{type(model).__name__} cannot be written in C: {EXPORTED} can, and pipelines of a "
            f"scaler and a network.{what_to_pass(model) or OF_ENSEMBLES * is_ensemble}"
        )
    if before and isinstance(model, TABULAR):
        name, step = before[0]
        raise TypeError(
            f"{type(model).__name__} after the step {name!r} of a pipeline, {type(step).__name__}, "
            f"cannot be written in C: {NO_STEP}."
        )
    for name, step in before:
        if not isinstance(step, SCALERS) or len(before) > 1:
            raise TypeError(
                f"The step {name!r} of the pipeline, {type(step).__name__}, cannot be written in "
                f"C: {' or '.join(cls.__name__ for cls in SCALERS)} can, as the only step before "
                "a network. Pass the network alone, the last step, and compute its inputs in your "
                "program; or import fastbp.onnx, and call skl2onnx.to_onnx."
            )
    return (before[0][1] if before else None), model


class NetworkProgram:
    """The file of a single network, with or without a scaler before it."""

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

    def program(self) -> Program:
        about, code = self.about, self._network()
        sizes = {"features": about.n_features, "outputs": about.n_values}
        if about.labels is not None:
            sizes["classes"] = len(about.labels.classes)
        return Program(
            name=self.name,
            title=f"{self.name}: a {about.class_name}",
            about=[f"Network: {layers_of(about)}."],
            sizes=sizes,
            functions=self._functions(code.stack),
            classes=None if about.labels is None else about.labels.classes,
            tables=code.tables,
            helpers=code.functions,
            constants=code.constants,
        )

    def _network(self) -> Code:
        if self.about.values_rule == "ones":
            return Code([], [], 0, 0)
        writer = NetworkWriter([self.about], self.name, self.ctype)
        if self.scaling is None:
            return writer.write()
        n, scaling = self.about.n_features, self.scaling
        code = writer.write(
            lambda source, target: scaling.lines(self.name, self.ctype, n, source, target)
        )
        tables, n_bytes = scaling.tables(self.name, self.ctype)
        return Code(
            tables + code.tables,
            scaling.functions(self.name) + code.functions,
            code.stack,
            code.constants + n_bytes,
        )

    # --- the functions that a program calls -----------------------------------------------------

    def _functions(self, stack: int) -> list[Function]:
        name, ctype = self.name, self.ctype
        p = self.about.n_outputs * SIZES[ctype]
        keeps_p = self.about.values_rule == "mean"
        functions = [
            Function(
                f"void {name}_predict(const {ctype} *x, {ctype} *out)",
                [*self._about_inputs(), *self._about_outputs()],
                self._predict(),
                stack + p * keeps_p,
            )
        ]
        if self.about.has_std:
            functions.append(
                Function(
                    f"void {name}_predict_std(const {ctype} *x, {ctype} *out, {ctype} *std)",
                    ["the same, and std[0]: the standard deviation of the target"],
                    [
                        *self._outputs(),
                        "    out[0] = p[0];",
                        f"    std[0] = exp{'f' if ctype == 'float' else ''}(p[1] / 2);",
                    ],
                    stack + p,
                )
            )
        if self.about.labels is not None:
            functions.append(self._labels(self.about.labels, stack, p))
        return functions

    def _outputs(self):
        return [
            f"    {self.ctype} p[{self.about.n_outputs}];",
            "",
            f"    {self.name}_network(x, p);",
        ]

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

    def _labels(self, labels, stack, p):
        n, half = self.about.n_outputs, literal(0.5, self.ctype)
        head = f"int {self.name}_label(const {self.ctype} *x)"
        about = [f"the place in {self.name}_classes of the class that is predicted"]
        if labels.rule == "each above half":
            head = f"void {self.name}_labels(const {self.ctype} *x, int *out)"
            about = [f"out  {n} labels: 1 where the output is above 1/2, else 0"]
            body = [
                *self._outputs_with("int k;"),
                f"    for (k = 0; k < {n}; k++)",
                f"        out[k] = p[k] > {half};",
            ]
        elif labels.rule == "largest":
            body = [
                *self._outputs_with("int k, largest = 0;"),
                f"    for (k = 1; k < {n}; k++)",
                "        largest = p[k] > p[largest] ? k : largest;",
                "    return largest;",
            ]
        elif len(labels.classes) == 1:
            return Function(head, about, ["    (void)x;", "    return 0;"], 0)
        else:
            body = [*self._outputs(), f"    return p[0] > {half};"]
        return Function(head, about, body, stack + p)

    def _outputs_with(self, declaration):
        first, *others = self._outputs()
        return [first, f"    {declaration}", *others]

    # --- what a reader needs to know ------------------------------------------------------------

    def _about_inputs(self):
        trained = "network" if self.scaling is None else "pipeline"
        what = f"finite, in the order and the units that the {trained} was trained with"
        return describe_inputs(self.about.n_features, self.feature_names, what)

    def _about_outputs(self):
        about, n = self.about, self.about.n_values
        if about.labels is None:
            what = "the prediction" if n == 1 else "the predictions"
            return [f"out  {n} {'number' if n == 1 else 'numbers'}: {what}, in the units of y"]
        what = "the probability" if about.gives_probabilities else "the output of the network"
        if n < len(about.labels.classes):
            return [f"out  {n} number: the output of the network, above 1/2 for the second class"]
        return describe_classes(n, about.labels.classes.tolist(), self.name, what)
