"""The layers of a fitted estimator in its HTML representation, as notebooks show it.

    layers_html    a table of the layers and a sketch of the network (inline SVG)
    with_layers    scikit-learn's HTML of an estimator, with the layers below

What scikit-learn draws stays as it is. An estimator that is not fitted, or that is part of a
pipeline or search, is shown by scikit-learn alone, which then draws a diagram of the whole.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING

from .figures import what_a_run_counts

if TYPE_CHECKING:
    from ..base import BaseBackprop

# The text and the lines take the page's colour, so that dark notebooks show them too.
STYLE = """
.fastbp-layers { margin: 0.5em 0.4em; font-size: 0.9em; }
.fastbp-layers summary { cursor: pointer; font-family: monospace; }
.fastbp-layers table { border-collapse: collapse; margin: 0.6em 0; }
.fastbp-layers :is(th, td) {
  padding: 0.2em 0.8em; text-align: left; border-bottom: 1px solid rgba(128, 128, 128, 0.3);
}
.fastbp-layers .number { text-align: right; font-variant-numeric: tabular-nums; }
.fastbp-layers svg { max-width: 100%; height: auto; }
.fastbp-layers .facts { margin: 0.3em 0; }
"""

# Of the sketch, in pixels: circles of a column, distances of circles and of columns.
MOST_CIRCLES, MOST_COLUMNS = 8, 8
RADIUS, STEP_Y, STEP_X = 6, 18, 96
TEXT_HEIGHT = 14


def layers_html(estimator: BaseBackprop) -> str:
    """Table and sketch of a fitted estimator's network.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
        Fitted: with ``network_``.

    Returns
    -------
    html : str
        A ``<div>``, in ASCII. All that comes from the estimator is escaped.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastbp import BackpropClassifier
    >>> from fastbp.show.layers import layers_html
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = BackpropClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> html = layers_html(clf)
    >>> "131 parameters" in html
    True
    """
    network = estimator.network_
    sizes = [int(size) for size in network.layer_sizes]
    activations = _activations(network)
    n_params = _count(network.n_params, "parameter")
    title = f"Network {_sequence(sizes)}, {n_params}"
    html = (
        f'<div class="fastbp-layers"><style>{STYLE}</style>'
        f"<details open><summary>{title}</summary>"
        f"{_table(network, sizes, activations)}"
        f'<p class="facts">{_facts(estimator)}</p>'
        f"{_sketch(sizes, activations, title)}"
        "</details></div>"
    )
    # Arrows and dots as numbers, which every page shows correctly, whatever its encoding.
    return html.encode("ascii", "xmlcharrefreplace").decode("ascii")


def with_layers(html: str, estimator: BaseBackprop) -> str:
    """The HTML that scikit-learn makes of a fitted estimator, and the layers at its end."""
    body, end, rest = html.rpartition("</body>")
    return f"{body}{layers_html(estimator)}{end}{rest}" if end else html + layers_html(estimator)


def _activations(network):
    """Names of the activations, hidden layers first; the input layer has none."""
    n_hidden = len(network.layer_sizes) - 2
    hidden = getattr(network, "hidden_activations", (network.activation,) * n_hidden)
    return [*hidden, network.output_activation]


def _sequence(sizes):
    """4 → 16 → 3, shortened in the middle for deep networks."""
    shown = _ends(len(sizes), MOST_COLUMNS)
    return " → ".join("…" if i is None else f"{sizes[i]:,}" for i in shown)


def _ends(n_items, most):
    """Indices of all items, or of `most` - 1 at both ends, with None where some are left out."""
    if n_items <= most:
        return list(range(n_items))
    n_first = most // 2
    n_last = most - 1 - n_first
    return [*range(n_first), None, *range(n_items - n_last, n_items)]


def _count(number, noun):
    return f"{int(number):,} {noun}" + ("" if number == 1 else "s")


def _name(value):
    """The name of a parameter's value; a user's own loss is called by its class."""
    if not isinstance(value, str):
        value = getattr(value, "__name__", type(value).__name__)
    return escape(value)


def _table(network, sizes, activations):
    rows = [("input", f"{sizes[0]:,}", "", "")]
    inner_sizes = list(sizes)
    if getattr(network, "front", None) is not None:
        inner_sizes[0] = len(network.coefs[0])
        n_params = sum(array.size for array in network.front_params.values())
        rows.append(("front", f"{inner_sizes[0]:,}", _name(network.front), f"{n_params:,}"))
    layers = zip(pairwise(inner_sizes), activations, strict=True)
    for number, ((fan_in, fan_out), activation) in enumerate(layers, start=1):
        kind = "output" if number == len(activations) else f"hidden {number}"
        n_params = (fan_in + bool(network.fit_intercept)) * fan_out
        rows.append((kind, f"{fan_out:,}", _name(activation), f"{n_params:,}"))
    rows.append(("total", "", "", f"{int(network.n_params):,}"))
    head = "".join(
        f"<th{kind}>{text}</th>"
        for kind, text in (
            ("", "Layer"),
            (' class="number"', "Units"),
            ("", "Activation"),
            (' class="number"', "Parameters"),
        )
    )
    body = "".join(
        f'<tr><td>{layer}</td><td class="number">{units}</td><td>{activation}</td>'
        f'<td class="number">{n_params}</td></tr>'
        for layer, units, activation, n_params in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _facts(estimator):
    """One line: loss, solver, epochs, last training loss."""
    facts = [f"loss {_name(estimator.loss)}", f"solver {_name(estimator.solver)}"]
    curve = getattr(estimator, "loss_curve_", None) or []
    n_iter = getattr(estimator, "n_iter_", len(curve))
    epochs = _count(n_iter, what_a_run_counts(estimator))
    # With warm_start and partial_fit, n_iter_ counts the last call only.
    facts.append(f"{epochs} ({len(curve):,} in all)" if 0 < n_iter < len(curve) else epochs)
    loss = getattr(estimator, "loss_", None)
    if loss is not None and isfinite(loss):
        facts.append(f"last training loss {loss:.4g}")
    return " · ".join(facts)


def _sketch(sizes, activations, title):
    """Columns of circles, one for each layer, with their sizes and activations below."""
    layers = _ends(len(sizes), MOST_COLUMNS)
    columns = [[] if layer is None else _ends(sizes[layer], MOST_CIRCLES) for layer in layers]
    height = max(map(len, columns)) * STEP_Y
    width, full_height = len(columns) * STEP_X, height + 2 * TEXT_HEIGHT + 6
    circles, texts = [], []

    def write(x, y, words, attributes=""):
        texts.append(f'<text x="{x:g}" y="{y:g}"{attributes}>{words}</text>')

    centres = []
    for number, (layer, units) in enumerate(zip(layers, columns, strict=True)):
        x = (number + 0.5) * STEP_X
        ys = [(height + (2 * slot + 1 - len(units)) * STEP_Y) / 2 for slot in range(len(units))]
        centres.append([(x, y) for unit, y in zip(units, ys, strict=True) if unit is not None])
        circles += [f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS}"/>' for x, y in centres[-1]]
        if layer is None:
            write(x, height / 2 + 4, "⋯")
            continue
        if None in units:
            write(x, ys[units.index(None)] + 4, "⋮")
        write(x, height + TEXT_HEIGHT, f"{sizes[layer]:,}", ' font-weight="bold"')
        below = "input" if layer == 0 else _name(activations[layer - 1])
        write(x, height + 2 * TEXT_HEIGHT, below)
    lines = [
        f"M{x1 + RADIUS:g} {y1:g}L{x2 - RADIUS:g} {y2:g}"
        for before, after in pairwise(centres)
        for x1, y1 in before
        for x2, y2 in after
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}" '
        f'width="{width}" height="{full_height}" viewBox="0 0 {width} {full_height}">'
        f'<path d="{"".join(lines)}" stroke="currentColor" stroke-opacity="0.22" '
        'stroke-width="0.7" fill="none"/>'
        f'<g fill="#b3dbfd" stroke="cornflowerblue">{"".join(circles)}</g>'
        '<g fill="currentColor" font-family="sans-serif" font-size="11" text-anchor="middle">'
        f"{''.join(texts)}</g></svg>"
    )
