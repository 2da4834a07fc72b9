"""Sums over partitions, in an order that depends on the number of partitions alone.

The partitions 0 ... n-1 are the leaves of a binary tree: a node over [start, stop) is the sum of
the node over the first half and the node over the second half. Floating-point sums depend on their
order, and this order is fixed. Whoever has all leaves of a node adds them up, and somebody else
goes on from there: the bits do not depend on who has added what.

None is the sum of nothing: of partitions without samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Node = tuple[int, int]


def levels_of(n_leaves: int, n_nodes: int) -> list[list[Node]]:
    """The levels of the tree, from the root to the first one with so many nodes, or all leaves."""
    levels = [[(0, n_leaves)]]
    while len(levels[-1]) < min(n_nodes, n_leaves):
        levels.append([half for node in levels[-1] for half in _halves(*node)])
    return levels


def _halves(start, stop):
    if stop - start == 1:
        return [(start, stop)]
    middle = _middle(start, stop)
    return [(start, middle), (middle, stop)]


def _middle(start, stop):
    return (start + stop + 1) // 2


def add_up(nodes: Sequence[Node], values: Sequence[Any]) -> Any:
    """The sum of a node, from the values of consecutive nodes below it that cover it."""
    if len(nodes) == 1:
        return values[0]
    middle = _middle(nodes[0][0], nodes[-1][1])
    n_first = sum(stop <= middle for _, stop in nodes)
    first = add_up(nodes[:n_first], values[:n_first])
    second = add_up(nodes[n_first:], values[n_first:])
    if first is None or second is None:
        return second if first is None else first
    return first + second
