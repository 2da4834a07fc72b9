"""Gradients against PyTorch's autograd, where PyTorch is installed."""

import itertools

import numpy as np
import pytest
from reference import ReferenceNetwork, random_inputs, random_params, random_targets

import fastbp
from fastbp._kernels import core

torch = pytest.importorskip("torch")

REFUSED_PAIRS = {("identity", "log_loss"), ("exp", "log_loss"), ("identity", "poisson")}
PAIRS = [pair for pair in itertools.product(core.OUTPUTS, core.LOSSES) if pair not in REFUSED_PAIRS]

ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
OUTPUTS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, dim=1),
    "exp": torch.exp,
}


def sample_losses(output, loss, z, y):
    """The loss of every row, by PyTorch's own functions where it has one."""
    functional = torch.nn.functional
    prediction = OUTPUTS[output](z)
    if loss == "squared_error":
        return 0.5 * functional.mse_loss(prediction, y, reduction="none").sum(dim=1)
    if loss == "log_loss" and output == "softmax":
        return functional.cross_entropy(z, y, reduction="none")
    if loss == "log_loss":
        losses = functional.binary_cross_entropy_with_logits(z, y, reduction="none")
        return losses.sum(dim=1)
    assert loss == "poisson", f"write the PyTorch twin of the new loss {loss!r} here"
    losses = functional.poisson_nll_loss(
        prediction, y, log_input=False, full=False, eps=0, reduction="none"
    )
    return (losses + torch.xlogy(y, y) - y).sum(dim=1)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("activation", core.ACTIVATIONS)
def test_gradient_equals_autograd(build, activation, pair):
    output, loss = pair
    rng = np.random.default_rng(0)
    for hidden_layer_sizes in [], [9], [9, 5, 4]:
        net = fastbp.Network(
            [6, *hidden_layer_sizes, 3],
            activation=activation,
            output_activation=output,
            loss=loss,
            loss_scale=1.5,
            l2=0.01,
        )
        net.params[:] = random_params(rng, ReferenceNetwork.like(net))
        X = random_inputs(rng, 21, 6)
        y = random_targets(rng, 21, 3, output, loss)
        weights = rng.uniform(0.1, 2, size=21)

        coefs = [torch.tensor(coef, requires_grad=True) for coef in net.coefs]
        intercepts = [torch.tensor(b, requires_grad=True) for b in net.intercepts]
        z = torch.tensor(X)
        for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            z = (ACTIVATIONS[activation](z) if layer else z) @ coef + intercept
        w = torch.tensor(weights)
        data_loss = (w * sample_losses(output, loss, z, torch.tensor(y))).sum() / w.sum()
        objective = 1.5 * data_loss + 0.01 * sum((coef**2).sum() for coef in coefs)
        objective.backward()

        gradient = net.loss_gradient(X, y, weights)
        assert gradient.loss == pytest.approx(objective.item(), rel=1e-12)
        actual = [*gradient.coefs, *gradient.intercepts]
        for ours, theirs in zip(actual, coefs + intercepts, strict=True):
            theirs = theirs.grad.numpy()
            atol = 1e-12 * np.max(np.abs(theirs))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
