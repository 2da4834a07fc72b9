"""Initial parameters, drawn to suit the activations.

Weights are drawn uniformly from +-sqrt(factor / fans). scikit-learn's MLP uses Glorot's fans,
fan_in + fan_out, for its four activations, and draws intercepts too. The other activations get He's
fans, fan_in alone, selu LeCun's factor, and intercepts of zero.

Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
AISTATS (2010). He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV (2015). LeCun, Bottou,
Orr and Mueller, "Efficient backprop" (1998), which Klambauer et al. (2017) take for selu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .front import draw_front

if TYPE_CHECKING:
    from .network import Network

GLOROT_FACTORS = {"identity": 6.0, "logistic": 2.0, "tanh": 6.0, "relu": 6.0}
FAN_IN_FACTORS = {"selu": 3.0}
HE_FACTOR = 6.0


def draw_params(network: Network, random_state: np.random.RandomState) -> None:
    """Fill a network's coefs and intercepts, which are zero, in scikit-learn's order of draws.

    Then the parameters of its front, if there is one.
    """
    for layer, coefs in enumerate(network.coefs):
        fan_in, fan_out = coefs.shape
        activation = _activation_to_suit(network, layer)
        factor = GLOROT_FACTORS.get(activation)
        if factor is None:
            bound = np.sqrt(FAN_IN_FACTORS.get(activation, HE_FACTOR) / fan_in)
        else:
            bound = np.sqrt(factor / (fan_in + fan_out))
        coefs[...] = random_state.uniform(-bound, bound, (fan_in, fan_out))
        if network.fit_intercept and factor is not None:
            network.intercepts[layer][...] = random_state.uniform(-bound, bound, fan_out)
    if network.front is not None:
        draw_front(network.front_params, random_state)


def _activation_to_suit(network, layer):
    """The activation that a layer's initial weights are drawn for."""
    hidden = network.hidden_activations
    if layer < len(hidden):
        return hidden[layer]
    # scikit-learn draws the output layer, too, for the hidden activation.
    last = hidden[-1] if hidden else network.activation
    return last if last in GLOROT_FACTORS else "identity"
