"""coefs_ and intercepts_: lists of a network's arrays, and how users assign to them.

layer_arrays     the arrays of a network as a user sees them, one per layer
LayerArrays      the same as a list whose items can be assigned
assign_layers    writes a user's arrays into a network: all of them, or none
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, SupportsIndex, overload

import numpy as np

from .checks import as_real_array
from .types import ArrayLike, FloatArray

if TYPE_CHECKING:
    from .network import Network

Kind = Literal["coefs", "intercepts"]


def layer_arrays(network: Network, kind: Kind) -> tuple[FloatArray, ...]:
    """Views of a network's "coefs" or "intercepts"; read-only zeros for missing intercepts."""
    if kind == "coefs" or network.fit_intercept:
        return getattr(network, kind)
    zeros = [np.zeros(size, dtype=network.dtype) for size in network.layer_sizes[1:]]
    for array in zeros:
        array.flags.writeable = False
    return tuple(zeros)


class LayerArrays(list[FloatArray]):
    """The views of layer_arrays as a list, like that of scikit-learn's MLP.

    What is assigned to an item is checked and written into the network. The number of items is
    that of the layers: the methods that would change it, or the order, are refused. Copies, pickles
    and slices are plain lists.
    """

    def __init__(self, network: Network, kind: Kind) -> None:
        super().__init__(layer_arrays(network, kind))
        self._network: Network = network
        self._kind: Kind = kind

    @overload
    def __setitem__(self, index: SupportsIndex, values: ArrayLike) -> None: ...
    @overload
    def __setitem__(self, index: slice, values: Iterable[ArrayLike]) -> None: ...
    def __setitem__(self, index: Any, values: Any) -> None:
        changed = list(self)
        changed[index] = values
        assign_layers(self._network, self._kind, changed, f"{self._kind}_")

    def __reduce__(self) -> tuple[type[list[FloatArray]], tuple[list[FloatArray]]]:
        return list, (list(self),)

    def _refuse(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise TypeError(
            f"{self._kind}_ has one array per layer, in the order of the layers. Assign to an "
            f"item, or assign a list of all arrays: estimator.{self._kind}_ = [...]."
        )

    append = extend = insert = pop = remove = clear = sort = reverse = _refuse
    __delitem__ = __iadd__ = __imul__ = _refuse


def assign_layers(network: Network, kind: Kind, given: Iterable[ArrayLike], name: str) -> None:
    """Write the arrays that a user has given into a network.

    Parameters
    ----------
    network : Network
        Unchanged if any of the arrays cannot be used.
    kind : {"coefs", "intercepts"}
    given : sequence of array-like
        One per layer. A layer's own view leaves that layer as it is.
    name : str
        What the user calls them.

    Raises
    ------
    TypeError, ValueError
        For anything but one array per layer, of its shape, real and finite; says which layer.
    """
    if not np.iterable(given):
        raise TypeError(f"{name} must be a list of arrays, one per layer, got {given!r}.")
    given, views = list(given), layer_arrays(network, kind)
    if len(given) != len(views):
        raise ValueError(
            f"{name} holds {len(given)} arrays; this network has {len(views)} layers of them."
        )
    twin = network.copy()
    for layer, (view, values) in enumerate(zip(views, given, strict=True)):
        if values is view:
            continue
        values = as_real_array(values, f"{name}[{layer}]", view.shape, view.dtype)
        if view.flags.writeable:
            getattr(twin, kind)[layer][...] = values
        elif values.any():
            raise ValueError(
                f"{name}[{layer}] is not zero, but fit_intercept=False; leave intercepts out."
            )
    # in one go: an interrupt finds the old arrays or the new ones
    network.params = twin.params
