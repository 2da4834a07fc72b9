"""A network in C: tables of its weights, and a function that computes its outputs.

Takes Descriptions of networks of one form (a single network, or the members of an ensemble);
returns lines of C for

    static void NAME_network(const T *x, T *p)            one network
    static void NAME_network(int m, const T *x, T *p)     member m of several

The sum of a unit is computed in the order of predict for many rows: from the intercept on, input
by input, with a fused multiply-add where the processor has a fast one. A layer's weights lie as in
``coefs_``, and the loop over its units is the inner one: compilers make vector code of it without
another order of the additions. A layer reads one of two arrays on the stack and writes the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..front import N_COMPONENTS, N_FREQUENCIES
from .c_text import DTYPES, SIZES, array, literal
from .description import Description, Layer
from .functions import ACTIVATIONS, CFunction

# cos(2 pi t) = sin(2 pi (1/4 - |r|)), r being t without its whole turns, which is exact
COS_OF_TURNS = CFunction(
    "return sinF({two_pi} * ({quarter} - fabsF(z - floorF(z + {half}))));",
    constants={"half": 0.5, "quarter": 0.25, "two_pi": 6.283185307179586},
)


@dataclass(frozen=True)
class Code:
    """A function in C, with all that it needs.

    Attributes
    ----------
    tables, functions : list of str
        Lines.
    stack : int
        Bytes of the arrays of the function and of those that it calls.
    constants : int
        Bytes of the tables.
    """

    tables: list[str]
    functions: list[str]
    stack: int
    constants: int


class NetworkWriter:
    """Writes the networks of some Descriptions, which differ in their weights only."""

    def __init__(self, members: Sequence[Description], name: str, ctype: str) -> None:
        self.members, self.name, self.ctype = members, name, ctype
        self.suffix = "f" if ctype == "float" else ""
        self.tables: list[str] = []
        self.helpers: dict[str, list[str]] = {}
        self.constants = 0
        self.widths = [0, 0]  # of the two arrays

    def write(self, before: Callable[[str, str], list[str]] | None = None) -> Code:
        """The network; `before`(source, target) is what computes its inputs from x."""
        first = self.members[0]
        self.lines: list[str] = []
        self.source = "x"
        self.counters = set("k")
        if before is not None:
            self.counters.add("j")
            self._stage(first.n_features, lambda target: before(self.source, target))
        if first.front is not None:
            self._stage(first.front.width, self._front)
        for number in range(len(first.layers)):
            self._layer(number)
        outputs = self._output()
        arrays = [
            f"{name}[{width}]" for name, width in zip("ab", self.widths, strict=True) if width
        ]
        counters = ", ".join(one for one in "jkhr" if one in self.counters)
        index = "int m, " if self.is_ensemble else ""
        body = [
            f"static void {self.name}_network({index}const {self.ctype} *x, {self.ctype} *p)",
            "{",
            *([f"    {self.ctype} {', '.join(arrays)};"] if arrays else []),
            f"    int {counters};",
            "",
            *self.lines,
            *outputs,
            "}",
        ]
        functions = [line for helper in self.helpers.values() for line in [*helper, ""]] + body
        stack = sum(self.widths) * SIZES[self.ctype]
        if first.front is not None and first.front.n_periodic:
            stack += N_COMPONENTS * SIZES[self.ctype]
        return Code(self.tables, functions, stack, self.constants)

    @property
    def is_ensemble(self) -> bool:
        return len(self.members) > 1

    def table(self, name: str, parts: Sequence[Any]) -> str:
        """Write a table of each member's values; returns how member m's is called."""
        values = np.stack(parts) if self.is_ensemble else parts[0]
        with np.errstate(over="ignore"):
            values = values.astype(DTYPES[self.ctype])
        if not np.isfinite(values).all():
            raise ValueError(
                f"The weights of the network must be finite numbers of the type {self.ctype}; "
                f"those of {name} are not."
            )
        self.constants += values.nbytes
        full = f"{self.name}_{name}"
        self.tables += array(f"static const {self.ctype} {full}", values, self.ctype)
        return f"{full}[m]" if self.is_ensemble else full

    def activation(self, name: str) -> str:
        """The name of a function for an activation."""
        return self.function(name, ACTIVATIONS[name].in_c)

    def function(self, name: str, function: CFunction) -> str:
        """The name of a helper, which is written once."""
        full = f"{self.name}_{name}"
        if name not in self.helpers:
            for one in function.calls:
                self.activation(one)
            text = function.body
            for what, value in function.constants.items():
                text = text.replace(f"{{{what}}}", literal(value, self.ctype))
            self.helpers[name] = [
                f"static {self.ctype} {full}({self.ctype} z)",
                "{",
                *f"    {self._typed(text)}".splitlines(),
                "}",
            ]
        return full

    def _typed(self, text):
        for word in ("exp", "tanh", "expm1", "log1p", "erfc", "fabs", "floor", "sin"):
            text = text.replace(f"{word}F(", f"{word}{self.suffix}(")
        return text.replace("NAME", self.name).replace("const T ", f"const {self.ctype} ")

    def multiply_add(self) -> str:
        """The name of the function for sum + a b."""
        full = f"{self.name}_add_product"
        fast = "FP_FAST_FMAF" if self.ctype == "float" else "FP_FAST_FMA"
        self.helpers["add_product"] = [
            "/* sum + a b, rounded once where the processor does that as fast as twice */",
            f"static {self.ctype} {full}({self.ctype} sum, {self.ctype} a, {self.ctype} b)",
            "{",
            f"#ifdef {fast}",
            f"    return fma{self.suffix}(a, b, sum);",
            "#else",
            "    return sum + a * b;",
            "#endif",
            "}",
        ]
        return full

    def _stage(self, width, write):
        """Lines that compute `width` numbers in the array that is not read."""
        place = 1 if self.source == "a" else 0
        target = "ab"[place]
        self.widths[place] = max(self.widths[place], width)
        self.lines += write(target)
        self.source = target

    def _layer(self, number):
        layers = [one.layers[number] for one in self.members]
        if layers[0].activation is None:
            self.lines += self._affine(number, layers, "p")
            return
        self._stage(layers[0].coef.shape[1], lambda target: self._affine(number, layers, target))

    def _affine(self, number: int, layers: Sequence[Layer], target: str) -> list[str]:
        first = layers[0]
        fan_in, fan_out = first.coef.shape
        coef = self.table(f"coef_{number}", [one.coef for one in layers])
        start = "0"
        if first.intercept is not None:
            start = f"{self.table(f'intercept_{number}', [one.intercept for one in layers])}[k]"
        add = self.multiply_add()
        self.counters.add("j")
        what = first.activation or self.members[0].output_activation
        lines = [
            f"    /* {fan_in} to {fan_out}, {what} */",
            f"    for (k = 0; k < {fan_out}; k++)",
            f"        {target}[k] = {start};",
            f"    for (j = 0; j < {fan_in}; j++)",
            f"        for (k = 0; k < {fan_out}; k++)",
            f"            {target}[k] = {add}({target}[k], {self.source}[j], {coef}[j][k]);",
        ]
        if first.activation not in (None, "identity"):
            function = self.activation(first.activation)
            lines += [
                f"    for (k = 0; k < {fan_out}; k++)",
                f"        {target}[k] = {function}({target}[k]);",
            ]
        return lines

    def _front(self, target: str) -> list[str]:
        """f = s (x, e), e_jr = c_jr + sum_h V_jhr cos(2 pi (w_jh x_j + b_jh))"""
        front = self.members[0].front
        assert front is not None
        n, n_periodic = front.n_features, front.n_periodic
        names = {
            name: self.table(f"front_{name}", [one.front_params[name] for one in self.members])
            for name in self.members[0].front_params
        }
        self.counters.add("j")
        lines = [
            f"    /* {n} inputs, scaled{' and periodic' if n_periodic else ''} */",
            f"    for (j = 0; j < {n}; j++)",
            f"        {target}[j] = {names['scale']}[j] * {self.source}[j];",
        ]
        if not n_periodic:
            return lines
        self.counters |= set("hr")
        add, cos, x = (
            self.multiply_add(),
            self.function("cos_of_turns", COS_OF_TURNS),
            f"{self.source}[j]",
        )
        e = f"{target}[{n} + {N_COMPONENTS} * j + r]"
        return lines + [
            f"    for (j = 0; j < {n_periodic}; j++) {{",
            f"        {self.ctype} e[{N_COMPONENTS}];",
            f"        for (r = 0; r < {N_COMPONENTS}; r++)",
            f"            e[r] = {names['intercepts']}[j][r];",
            f"        for (h = 0; h < {N_FREQUENCIES}; h++) {{",
            f"            const {self.ctype} w = {names['frequencies']}[j][h];",
            f"            const {self.ctype} turns = {add}({names['phases']}[j][h], w, {x});",
            f"            const {self.ctype} wave = {cos}(turns);",
            f"            for (r = 0; r < {N_COMPONENTS}; r++)",
            f"                e[r] = {add}(e[r], {names['weights']}[j][h][r], wave);",
            "        }",
            f"        for (r = 0; r < {N_COMPONENTS}; r++)",
            f"            {e} = {names['scale']}[{n} + {N_COMPONENTS} * j + r] * e[r];",
            "    }",
        ]

    def _output(self):
        """p = output(p)"""
        n, output = self.members[0].n_outputs, self.members[0].output_activation
        each = [f"    for (k = 0; k < {n}; k++)"]
        if output == "identity":
            return []
        if output == "logistic":
            return [*each, f"        p[k] = {self.activation('logistic')}(p[k]);"]
        if output == "exp":
            return [*each, f"        p[k] = exp{self.suffix}(p[k]);"]
        if output == "increasing":
            softplus = self.activation("softplus")
            return [
                f"    for (k = 1; k < {n}; k++)",
                f"        p[k] = p[k - 1] + {softplus}(p[k]);",
            ]
        return [f"    {self._softmax()}(p);"]

    def _softmax(self):
        n, ctype = self.members[0].n_outputs, self.ctype
        self.helpers["softmax"] = [
            f"static void {self.name}_softmax({ctype} *p)",
            "{",
            f"    {ctype} largest = p[0], total = 0;",
            "    int k;",
            "",
            f"    for (k = 1; k < {n}; k++)",
            "        largest = p[k] > largest ? p[k] : largest;",
            f"    for (k = 0; k < {n}; k++) {{",
            f"        p[k] = exp{self.suffix}(p[k] - largest);",
            "        total += p[k];",
            "    }",
            f"    for (k = 0; k < {n}; k++)",
            "        p[k] /= total;",
            "}",
        ]
        return f"{self.name}_softmax"


def layers_of(about: Description) -> str:
    """The layers of a network, in words."""
    words = [f"{about.n_features} inputs"]
    if about.front is not None:
        kind = "periodic" if about.front.n_periodic else "scale"
        words.append(f"front of {about.front.width} ({kind})")
    for layer in about.layers:
        words.append(f"{layer.coef.shape[1]} {layer.activation or about.output_activation}")
    return ", ".join(words)
