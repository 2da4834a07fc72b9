"""A tabular estimator in C: the encoder of its columns, its networks, and the mean of them.

    NAME_encode     x, a row of the table as numbers, becomes the inputs e of the networks
    NAME_network    the networks, see c_network.py
    NAME_member     what one of them predicts
    NAME_code       the number that stands for a level, a text

A level is its place in the encoder's sorted levels. As in Python the networks compute in float, and
all else in double; x and out are of any type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tables.encoder import PARTS, LevelColumn, NumberColumn
from .c_inputs import smooth, smooth_clip
from .c_network import NetworkWriter, layers_of
from .c_program import Function, Program, describe_classes
from .c_text import SIZES, array, string, strings, wrap
from .description import TableDescription

REAL = "float"  # of the networks


class TableWriter:
    """The file of a tabular estimator."""

    def __init__(self, about: TableDescription, name: str, ctype: str) -> None:
        self.about, self.name, self.ctype = about, name, ctype
        self.members, self.n_values = about.members, about.n_values
        self.columns, self.width = _places(about.columns)
        self.tables: list[str] = []
        self.constants = 0
        self.network = NetworkWriter(self.members, name, REAL).write()
        # of the arrays e, p and value
        self.stack = self.network.stack + self.width * SIZES[REAL]
        self.stack += self.members[0].n_outputs * SIZES[REAL] + self.n_values * SIZES["double"]

    def program(self) -> Program:
        helpers = [*self._encode(), "", *self.network.functions, "", *self._member()]
        functions = [self._predict()]
        sizes = {"features": len(self.about.columns), "outputs": self.n_values}
        if self.about.classes is None:
            functions.append(self._predict_std())
        else:
            functions.append(self._label())
            sizes["classes"] = self.n_values
        functions += self._code()
        what = f"{len(self.members)} networks of" if len(self.members) > 1 else "Network:"
        return Program(
            name=self.name,
            title=f"{self.name}: a {self.about.class_name}",
            about=[f"{what} {layers_of(self.members[0])}."],
            sizes=sizes,
            functions=functions,
            classes=self.about.classes,
            tables=self.tables + self.network.tables,
            helpers=helpers,
            constants=self.constants + self.network.constants,
        )

    # --- from x to e ----------------------------------------------------------------------------

    def _numbers(self, what: str, values: Any) -> str:
        return self._table("double", what, np.array(values, np.float64))

    def _integers(self, what: str, values: Any) -> str:
        return self._table("int", what, np.array(values))

    def _table(self, ctype, what, values):
        full = f"{self.name}_{what}"
        self.tables += array(f"static const {ctype} {full}", values, ctype)
        self.constants += values.size * SIZES[ctype]
        return full

    def _encode(self) -> list[str]:
        parts = [
            *self._encode_numbers(),
            *self._encode_signs(),
            *self._encode_levels(),
            *self._encode_bins(),
        ]
        clip = [*smooth_clip(self.name), ""] if self.columns["number"] else []
        return [
            *clip,
            f"static void {self.name}_encode(const {self.ctype} *x, {REAL} *e)",
            "{",
            "    int j;",
            "",
            *parts,
            "}",
        ]

    def _x(self, place: str) -> str:
        return f"(double)x[{place}]" if self.ctype == "float" else f"x[{place}]"

    def _encode_numbers(self) -> list[str]:
        columns, missing = self.columns["number"], self.columns["missing"]
        if not columns:
            return []
        features = self._integers("number", [i for i, _, _ in columns])
        self._numbers("center", [one.center for _, one, _ in columns])
        self._numbers("scale", [one.scale or np.inf for _, one, _ in columns])
        scaled = smooth(self.name, "value", "j", REAL)
        lines = [
            "    /* numbers */",
            f"    for (j = 0; j < {len(columns)}; j++) {{",
            f"        const double value = {self._x(f'{features}[j]')};",
            f"        e[j] = isnan(value) ? 0.0F : {scaled};",
            "    }",
        ]
        if missing:
            features = self._integers("missing", [i for i, _, _ in missing])
            lines += [
                f"    for (j = 0; j < {len(missing)}; j++)",
                f"        e[{missing[0][2].start} + j] = isnan(x[{features}[j]]) ? 1.0F : 0.0F;",
            ]
        return lines

    def _encode_signs(self) -> list[str]:
        columns = self.columns["sign"]
        if not columns:
            return []
        features = self._integers("sign", [i for i, _, _ in columns])
        return [
            "    /* two levels: -1 or 1 */",
            f"    for (j = 0; j < {len(columns)}; j++) {{",
            f"        const double code = {self._x(f'{features}[j]')};",
            f"        e[{columns[0][2].start} + j] = code == 0 ? -1.0F : code == 1 ? 1.0F : 0.0F;",
            "    }",
        ]

    def _encode_levels(self) -> list[str]:
        columns = self.columns["level"]
        if not columns:
            return []
        rows = []
        for feature, column, place in columns:
            n = len(column.levels)
            other = n if column.has_others else -1
            missing = n + column.has_others if column.has_missing else -1
            rows.append([feature, place.start, n, other, missing])
        table = self._integers("level", rows)
        start, stop = columns[0][2].start, columns[-1][2].stop
        return [
            "    /* levels: a column for each; level = {feature, first column, levels, that of all",
            "     * others, that of missing ones; -1: none} */",
            f"    for (j = {start}; j < {stop}; j++)",
            "        e[j] = 0;",
            f"    for (j = 0; j < {len(columns)}; j++) {{",
            f"        const int *level = {table}[j];",
            f"        const double code = {self._x('level[0]')};",
            "        int column = level[3];",
            "        if (isnan(code))",
            "            column = level[4];",
            "        else if (code >= 0 && code < level[2] && floor(code) == code)",
            "            column = (int)code;",
            "        if (column >= 0)",
            "            e[level[1] + column] = 1;",
            "    }",
        ]

    def _encode_bins(self) -> list[str]:
        columns = self.columns["bin"]
        if not columns:
            return []
        features = [i for i, one, _ in columns for _ in one.edges[1:]]
        left = [edge for _, one, _ in columns for edge in one.edges[:-1]]
        right = [edge for _, one, _ in columns for edge in one.edges[1:]]
        feature, low, high = (
            self._integers("bin", features),
            self._numbers("left", left),
            self._numbers("right", right),
        )
        part = "(REAL)(part > 0 ? part < 1 ? part : 1 : 0)".replace("REAL", REAL)
        return [
            "    /* how far a number has come through each bin; 0 for NaN */",
            f"    for (j = 0; j < {len(features)}; j++) {{",
            f"        const double value = {self._x(f'{feature}[j]')};",
            f"        const double part = (value - {low}[j]) / ({high}[j] - {low}[j]);",
            f"        e[{columns[0][2].start} + j] = {part};",
            "    }",
        ]

    # --- from e to out --------------------------------------------------------------------------

    def _member(self) -> list[str]:
        """value (n_values,) of member m, and its noise where it has one."""
        name, n = self.name, self.members[0].n_outputs
        has_std = self.members[0].has_std
        arguments = "int m, " if len(self.members) > 1 else ""
        noise = ", double *noise" if has_std else ""
        call = f"{name}_network({'m, ' if arguments else ''}e, p)"
        lines = [
            f"static void {name}_member({arguments}const {REAL} *e, double *value{noise})",
            "{",
            f"    {REAL} p[{n}];",
        ]
        scale = self.about.target_scale
        if scale is None:
            return [*lines, *self._probabilities(call), "}"]
        lines += ["    int k;", "", f"    {call};", f"    for (k = 0; k < {self.n_values}; k++) {{"]
        names = {}
        for what in ("center", "scale", "lowest", "highest"):
            values = np.broadcast_to(getattr(scale, what), self.n_values)
            if np.isfinite(values).all():
                names[what] = self._numbers(f"target_{what}", values)
        center, factor = f"{names['center']}[k]", f"{names['scale']}[k]"
        lines += [f"        value[k] = {center} + {factor} * (double)p[k];"]
        for what, sign in (("lowest", "<"), ("highest", ">")):
            if what in names:
                bound = f"{names[what]}[k]"
                lines += [f"        value[k] = value[k] {sign} {bound} ? {bound} : value[k];"]
        lines += ["    }"]
        if has_std:
            lines += [f"    *noise = {names['scale']}[0] * (double)expf(p[1] / 2);"]
        return [*lines, "}"]

    def _probabilities(self, call: str) -> list[str]:
        rule = self.members[0].values_rule
        if rule == "ones":
            return ["", f"    {call};", "    value[0] = 1;"]
        if rule == "complement":
            both = ["    value[0] = (double)(1 - p[0]);", "    value[1] = (double)p[0];"]
            return ["", f"    {call};", *both]
        return [
            "    int k;",
            "",
            f"    {call};",
            f"    for (k = 0; k < {self.n_values}; k++)",
            "        value[k] = (double)p[k];",
        ]

    def _predict(self) -> Function:
        name, ctype, n, n_members = self.name, self.ctype, self.n_values, len(self.members)
        index, rest = self._call_words()
        noise = "    double noise;" if self.members[0].has_std else ""
        body = [
            f"    {REAL} e[{self.width}];",
            f"    double value[{n}], total[{n}];",
            *([noise] if noise else []),
            "    int k, m;",
            *(["    double sum = 0;"] if self.about.classes is not None else []),
            "",
            f"    {name}_encode(x, e);",
            f"    for (k = 0; k < {n}; k++)",
            "        total[k] = 0;",
            f"    for (m = 0; m < {n_members}; m++) {{",
            f"        {name}_member({index}e, value{rest});",
            f"        for (k = 0; k < {n}; k++)",
            "            total[k] += value[k];",
            "    }",
        ]
        if self.about.classes is not None:
            body += [
                f"    for (k = 0; k < {n}; k++)",
                f"        sum += total[k] /= {n_members};",
                f"    for (k = 0; k < {n}; k++)",
                f"        out[k] = {self._cast('total[k] / sum')};",
            ]
        else:
            body += [
                f"    for (k = 0; k < {n}; k++)",
                f"        out[k] = {self._cast(f'total[k] / {n_members}')};",
            ]
        return Function(
            f"void {name}_predict(const {ctype} *x, {ctype} *out)",
            [*self._about_inputs(), *self._about_outputs()],
            body,
            self.stack + n * SIZES["double"],
        )

    def _cast(self, value: str) -> str:
        """A double as a number of the type of out."""
        return f"(float)({value})" if self.ctype == "float" else value

    def _call_words(self) -> tuple[str, str]:
        """What a call of NAME_member has before and after its arguments e and value."""
        index = "m, " if len(self.members) > 1 else ""
        return index, ", &noise" if self.members[0].has_std else ""

    def _predict_std(self) -> Function:
        name, ctype, n, n_members = self.name, self.ctype, self.n_values, len(self.members)
        index, rest = self._call_words()
        has_noise = self.members[0].has_std
        body = [
            f"    {REAL} e[{self.width}];",
            f"    double values[{n_members}][{n}];",
            *(["    double noise, noises = 0;"] if has_noise else []),
            "    int k, m;",
            "",
            f"    {name}_encode(x, e);",
            f"    for (m = 0; m < {n_members}; m++) {{",
            f"        {name}_member({index}e, values[m]{rest});",
            *(["        noises += noise * noise;"] if has_noise else []),
            "    }",
            f"    for (k = 0; k < {n}; k++) {{",
            "        double mean = 0, variance = 0;",
            f"        for (m = 0; m < {n_members}; m++)",
            "            mean += values[m][k];",
            f"        mean /= {n_members};",
            f"        for (m = 0; m < {n_members}; m++)",
            "            variance += (values[m][k] - mean) * (values[m][k] - mean);",
            f"        variance /= {n_members};",
            *([f"        variance += noises / {n_members};"] if has_noise else []),
            f"        out[k] = {self._cast('mean')};",
            f"        std[k] = {self._cast('sqrt(variance)')};",
            "    }",
        ]
        about = "std: how far the networks are apart"
        if has_noise:
            about += ", together with the noise that they predict"
        return Function(
            f"void {name}_predict_std(const {ctype} *x, {ctype} *out, {ctype} *std)",
            [f"the same, and {about}, as a standard deviation"],
            body,
            self.stack + n * (n_members - 1) * SIZES["double"],
        )

    def _label(self) -> Function:
        n = self.n_values
        body = [
            f"    {self.ctype} p[{n}];",
            "    int k, largest = 0;",
            "",
            f"    {self.name}_predict(x, p);",
            f"    for (k = 1; k < {n}; k++)",
            "        largest = p[k] > p[largest] ? k : largest;",
            "    return largest;",
        ]
        return Function(
            f"int {self.name}_label(const {self.ctype} *x)",
            [f"the place in {self.name}_classes of the class that is predicted"],
            body,
            self.stack + n * (SIZES["double"] + SIZES[self.ctype]),
        )

    def _code(self) -> list[Function]:
        """The function from texts to codes, where there are levels."""
        columns = [
            (i, column)
            for i, column in enumerate(self.about.columns)
            if isinstance(column, LevelColumn)
        ]
        levels = [level for _, column in columns for level in column.levels]
        if not levels:
            return []
        starts = np.cumsum([0, *(len(column.levels) for _, column in columns)])
        rows = [
            [i, start, stop]
            for (i, _), start, stop in zip(columns, starts[:-1], starts[1:], strict=True)
        ]
        table = self._integers("texts_of", rows)
        self.tables += [
            f"static const char *const {self.name}_texts[{len(levels)}] = {{",
            *wrap(strings(levels)),
            "};",
        ]
        body = [
            "    int i, j;",
            "",
            f"    for (i = 0; i < {len(columns)}; i++) {{",
            f"        const int *texts = {table}[i];",
            "        for (j = texts[1]; feature == texts[0] && j < texts[2]; j++) {",
            f"            const char *a = {self.name}_texts[j], *b = text;",
            "            while (*a && *a == *b)",
            "                a++, b++;",
            "            if (*a == *b)",
            "                return j - texts[1];",
            "        }",
            "    }",
            "    return -1;",
        ]
        return [
            Function(
                f"int {self.name}_code(int feature, const char *text)",
                ["the code of a level of x[feature] (text in UTF-8); -1 if it was not in training"],
                body,
                0,
            )
        ]

    # --- what a reader needs to know ------------------------------------------------------------

    def _about_inputs(self) -> list[str]:
        columns = zip(self.about.column_names, self.about.columns, strict=True)
        lines = [f"x    {len(self.about.columns)} numbers, a column of the table each"]
        for i, (name, column) in enumerate(columns):
            first, *others = _about_column(column)
            lines += [f"     x[{i}]  {string(name)}: {first}", *others]
        return lines

    def _about_outputs(self) -> list[str]:
        n = self.n_values
        if self.about.classes is not None:
            classes = self.about.classes.tolist()
            return describe_classes(n, classes, self.name, "the probability")
        what = "the prediction" if n == 1 else "the predictions"
        return [f"out  {n} {'number' if n == 1 else 'numbers'}: {what}, in the units of y"]


def _places(
    columns: Sequence[NumberColumn | LevelColumn],
) -> tuple[dict[str, list[tuple[int, Any, slice]]], int]:
    """For each part of e: (feature, column, place in e), in the order of e; and the width of e."""
    places: dict[str, list[tuple[int, Any, slice]]] = {part: [] for part in PARTS}
    width = 0
    for part, found in places.items():
        for i, column in enumerate(columns):
            size = len(column.endings().get(part, []))
            if size:
                found.append((i, column, slice(width, width + size)))
            width += size
    return places, width


def _about_column(column: NumberColumn | LevelColumn) -> list[str]:
    missing = "NaN: missing"
    if not column.has_missing:
        missing += ", which it never was in training"
    if isinstance(column, NumberColumn):
        return [f"a finite number, not scaled; {missing}"]
    codes = [f"{code} {string(level)}" for code, level in enumerate(column.levels)]
    return [f"the code of a level; -1: another one; {missing}", *wrap(codes, 10 * " ")]
