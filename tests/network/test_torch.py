"""Gradients and training against PyTorch's autograd and optimizers, where PyTorch is installed.

The objective is written once, in PyTorch's own functions where it has them. The gradient of it, the
Jacobian of the outputs, and both by the inputs are compared with the package's, in every build, and
with those of the NumPy twin of the other tests. Training is compared with torch.optim's: decoupled
decay, clipping, rprop, schedules; dropout by replaying the masks that our own steps show.
"""

import copy
import itertools
from itertools import pairwise

import internals
import numpy as np
import pytest
from problems import CUT_SHORT
from reference import (
    OBJECTIVES,
    SGD,
    Adam,
    ReferenceNetwork,
    Rprop,
    random_inputs,
    random_params,
    random_targets,
    train,
)
from sklearn.base import clone

import fastbp

torch = pytest.importorskip("torch")
functional = torch.nn.functional
# The arrays are tiny, and other test processes need the cores.
torch.set_num_threads(1)


def softplus(z):
    # By default PyTorch's turns into z above 20, which is 2e-9 off.
    return functional.softplus(z, threshold=700)


def increasing(z):
    return torch.cumsum(torch.cat([z[:, :1], softplus(z[:, 1:])], dim=1), dim=1)


ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": softplus,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "mish": functional.mish,
}
OUTPUTS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, dim=1),
    "exp": torch.exp,
    "increasing": increasing,
}
LOSSES = [
    "squared_error",
    "log_loss",
    "poisson",
    "absolute_error",
    "huber",
    "gamma",
    "quantile",
    "gaussian",
]


def with_twins(pairs):
    """Those of pairs of an output and a loss that are both here."""
    return [(output, loss) for output, loss in pairs if output in OUTPUTS and loss in LOSSES]


def test_every_name_is_one_of_the_packages():
    assert set(ACTIVATIONS) <= set(internals.ACTIVATIONS)
    assert set(OUTPUTS) <= set(internals.OUTPUTS)
    assert set(LOSSES) <= set(internals.LOSSES)


def tensor(array, requires_grad=False):
    return torch.tensor(np.array(array), requires_grad=requires_grad)


def pre_activations(net, X, coefs, intercepts):
    """z of the output layer of a network with the activations of net."""
    z = X
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        z = (ACTIVATIONS[net.hidden_activations[layer - 1]](z) if layer else z) @ coef + intercept
    return z


def sample_losses(net, z, y):
    """The loss of every row, by PyTorch's own functions where it has one."""
    output, loss, smoothing = net.output_activation, net.loss_name, net.label_smoothing
    prediction = OUTPUTS[output](z)
    if loss == "log_loss" and output == "softmax":
        return functional.cross_entropy(z, y, reduction="none", label_smoothing=smoothing)
    n_classes = z.shape[1] if output == "softmax" else 2
    y = (1 - smoothing) * y + smoothing / n_classes
    if loss == "log_loss":
        losses = functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    elif loss == "squared_error":
        losses = 0.5 * functional.mse_loss(prediction, y, reduction="none")
    elif loss == "absolute_error":
        losses = functional.l1_loss(prediction, y, reduction="none")
    elif loss == "huber":
        losses = functional.huber_loss(prediction, y, reduction="none", delta=net.huber_delta)
    elif loss == "quantile":
        q, residual = tensor(net.quantile), y - prediction
        losses = torch.maximum(q * residual, (q - 1) * residual)
    elif loss == "gaussian":
        mean, variance = prediction[:, :-1], torch.exp(prediction[:, -1:])
        losses = functional.gaussian_nll_loss(mean, y, variance, reduction="none", eps=1e-30)
    elif loss == "gamma":
        losses = torch.log(prediction / y) + y / prediction - 1
    else:
        assert loss == "poisson"
        losses = functional.poisson_nll_loss(
            prediction, y, log_input=False, full=False, eps=0, reduction="none"
        )
        losses = losses + torch.xlogy(y, y) - y
    return losses.sum(dim=1)


def random_hyperparameters(rng, activation, output, loss, n_hidden, n_outputs):
    """Arguments of a network: the activation in one layer at least, and what the loss allows."""
    names = [str(name) for name in rng.choice(list(ACTIVATIONS), size=n_hidden)]
    if names:
        names[rng.integers(n_hidden)] = activation
    arguments = dict(activation=tuple(names), loss_scale=1.5, l2=0.01, l1=0.02)
    if loss in ("log_loss", "squared_error") and output in ("logistic", "softmax"):
        arguments["label_smoothing"] = 0.2
    if loss == "huber":
        arguments["huber_delta"] = 0.6
    if loss == "quantile":
        arguments["quantile"] = (0.1, 0.4, 0.8)[:n_outputs] if n_hidden else 0.3
    return arguments


def random_data(rng, twin):
    X = random_inputs(rng, 21, twin.layer_sizes[0])
    y = random_targets(rng, 21, twin.n_targets, twin.output_activation, twin.loss_name)
    return X, y, rng.uniform(0.1, 2, size=21)


def autograd(net, coefs, intercepts, X, y, weights):
    """J, its gradient as a list of arrays, and the gradient of each row's loss by its inputs."""
    coefs = [tensor(coef, requires_grad=True) for coef in coefs]
    intercepts = [tensor(b, requires_grad=True) for b in intercepts]
    X, w = tensor(X, requires_grad=True), tensor(weights)
    losses = sample_losses(net, pre_activations(net, X, coefs, intercepts), tensor(y))
    (by_inputs,) = torch.autograd.grad(net.loss_scale * losses.sum(), X, retain_graph=True)
    objective = net.loss_scale * (w * losses).sum() / w.sum()
    objective = objective + net.l2 * sum((coef**2).sum() for coef in coefs)
    objective = objective + net.l1 * sum(coef.abs().sum() for coef in coefs)
    gradients = torch.autograd.grad(objective, coefs + intercepts)
    return objective.item(), [gradient.numpy() for gradient in gradients], by_inputs.numpy()


def autograd_jacobians(net, coefs, intercepts, X):
    """The outputs' Jacobians: by the parameters (n, K, n_params), by the inputs (n, K, n_features).

    One row at a time: what PyTorch differentiates are the outputs of the whole batch.
    """
    n_layers = len(coefs)
    by_params, by_inputs = [], []
    for row in X:

        def outputs(row, *parts):
            z = pre_activations(net, row[None], parts[:n_layers], parts[n_layers:])
            return OUTPUTS[net.output_activation](z)[0]

        parts = tuple(map(tensor, [row, *coefs, *intercepts]))
        by_row, *by_parts = torch.autograd.functional.jacobian(outputs, parts)
        by_inputs.append(by_row.numpy())
        flat = [part.reshape(len(by_row), -1).numpy() for part in by_parts]
        by_params.append(np.concatenate(flat, axis=1))
    return np.stack(by_params), np.stack(by_inputs)


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    atol = 1e-12 * np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("pair", with_twins(internals.PAIRS), ids="-".join)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_equals_autograd(build, activation, pair):
    output, loss = pair
    rng = np.random.default_rng(0)
    for hidden_layer_sizes in [], [9], [9, 5, 4]:
        n_hidden = len(hidden_layer_sizes)
        arguments = random_hyperparameters(rng, activation, output, loss, n_hidden, 3)
        net = fastbp.Network(
            [6, *hidden_layer_sizes, 3], output_activation=output, loss=loss, **arguments
        )
        twin = ReferenceNetwork.like(net)
        net.params[:] = random_params(rng, twin)
        X, y, weights = random_data(rng, twin)
        expected = autograd(net, net.coefs, net.intercepts, X, y, weights)

        gradient = net.loss_gradient(X, y, weights)
        assert gradient.loss == pytest.approx(expected[0], rel=1e-12)
        actual = [*gradient.coefs, *gradient.intercepts]
        for ours, theirs in zip(actual, expected[1], strict=True):
            assert_close(ours, theirs)
        assert_close(net.input_gradient(X, y), expected[2])


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobians_equal_autograd(build, activation, output):
    rng = np.random.default_rng(1)
    for hidden_layer_sizes in [], [9], [9, 5, 4]:
        net = fastbp.Network(
            [6, *hidden_layer_sizes, 3], activation=activation, output_activation=output
        )
        net.params[:] = random_params(rng, ReferenceNetwork.like(net))
        X = random_inputs(rng, 5, 6)
        expected = autograd_jacobians(net, net.coefs, net.intercepts, X)
        assert_close(net.jacobian(X), expected[0])
        assert_close(net.input_jacobian(X), expected[1])


def front_outputs(parts, X):
    """What a front gives the first layer; parts: its parameters by name."""
    if "phases" not in parts:
        return parts["scale"] * X
    n_periodic = len(parts["phases"])
    turns = parts["frequencies"] * X[:, :n_periodic, None] + parts["phases"]
    mixed = torch.einsum("njh,jhr->njr", torch.cos(2 * torch.pi * turns), parts["weights"])
    e = (mixed + parts["intercepts"]).reshape(len(X), -1)
    return parts["scale"] * torch.cat([X, e], dim=1)


@pytest.mark.parametrize("front", [("scale", None), ("periodic", None), ("periodic", 2)])
@pytest.mark.parametrize("pair", with_twins(internals.PAIRS), ids="-".join)
def test_fronts_equal_autograd(build, pair, front):
    output, loss = pair
    rng = np.random.default_rng(0)
    arguments = random_hyperparameters(rng, "tanh", output, loss, 1, 3)
    net = fastbp.Network(
        [6, 9, 3], output_activation=output, loss=loss, front=front[0], n_periodic=front[1],
        **arguments,
    )  # fmt: skip
    twin = ReferenceNetwork.like(net)
    net.params[:] = random_params(rng, twin)
    X, y, weights = random_data(rng, twin)
    inputs = tensor(X, requires_grad=True)
    parts = {name: tensor(one, True) for name, one in net.front_params.items()}
    coefs, intercepts = (
        [tensor(one, True) for one in each] for each in (net.coefs, net.intercepts)
    )
    z = pre_activations(net, front_outputs(parts, inputs), coefs, intercepts)
    losses, w = sample_losses(net, z, tensor(y)), tensor(weights)
    (by_inputs,) = torch.autograd.grad(net.loss_scale * losses.sum(), inputs, retain_graph=True)
    objective = net.loss_scale * (w * losses).sum() / w.sum()
    objective = objective + net.l2 * sum((coef**2).sum() for coef in coefs)
    objective = objective + net.l1 * sum(coef.abs().sum() for coef in coefs)
    expected = torch.autograd.grad(objective, [*coefs, *intercepts, *parts.values()])
    gradient = net.loss_gradient(X, y, weights)
    assert gradient.loss == pytest.approx(objective.item(), rel=1e-12)
    actual = [*gradient.coefs, *gradient.intercepts, *gradient.front_params.values()]
    for ours, theirs in zip(actual, expected, strict=True):
        assert_close(ours, theirs.numpy())
    assert_close(net.input_gradient(X, y), by_inputs.numpy())


def random_twin(rng, layer_sizes, **arguments):
    n_params = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layer_sizes))
    twin = ReferenceNetwork(layer_sizes, np.empty(n_params), **arguments)
    twin.params = random_params(rng, twin)
    return twin


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_twins_jacobians_equal_autograd(activation, output):
    rng = np.random.default_rng(3)
    for layer_sizes in (6, 3), (6, 9, 3), (6, 9, 5, 4, 3):
        twin = random_twin(rng, layer_sizes, activation=activation, output_activation=output)
        X = random_inputs(rng, 5, 6)
        expected = autograd_jacobians(twin, *twin.unpack(twin.params), X)
        assert_close(twin.jacobian(X), expected[0])
        assert_close(twin.input_jacobian(X), expected[1])


@pytest.mark.parametrize("pair", with_twins(OBJECTIVES), ids="-".join)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_twin_equals_autograd(activation, pair):
    """The oracle of the other tests against one that shares no code with it."""
    rng = np.random.default_rng(2)
    for layer_sizes in (6, 3), (6, 9, 3), (6, 9, 5, 4, 3):
        arguments = random_hyperparameters(rng, activation, *pair, len(layer_sizes) - 2, 3)
        output, loss = pair
        twin = random_twin(rng, layer_sizes, output_activation=output, loss_name=loss, **arguments)
        X, y, weights = random_data(rng, twin)
        coefs, intercepts = twin.unpack(twin.params)
        expected = autograd(twin, coefs, intercepts, X, y, weights)
        loss, flat = twin.loss_gradient(X, y, weights)
        assert loss == pytest.approx(expected[0], rel=1e-12)
        parts = itertools.chain(*twin.unpack(flat))
        for ours, theirs in zip(parts, expected[1], strict=True):
            assert_close(ours, theirs)
        assert_close(twin.input_gradient(X, y), expected[2])


# Training: the estimators' solvers against torch.optim, from the same weights, on batches in order.
N_SAMPLES, BATCH_SIZE = 50, 16
N_STEPS = 4  # of an epoch: the last batch is smaller


def regression(scale=1.0):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N_SAMPLES, 4))
    y = np.column_stack([np.sin(X[:, 0]) + X[:, 1], X[:, 2] * X[:, 3] - 1])
    return X, scale * y


def regressor(solver, **arguments):
    """Only max_iter ends its training; adam's epsilon, which PyTorch adds elsewhere, is tiny."""
    defaults = dict(hidden_layer_sizes=(6, 5), activation=("tanh", "gelu"), alpha=0.3)
    defaults |= dict(learning_rate_init=0.02, batch_size=BATCH_SIZE, shuffle=False, max_iter=9)
    defaults |= dict(tol=0.0, n_iter_no_change=1000, random_state=0, epsilon=1e-30)
    return fastbp.BackpropRegressor(solver=solver, **(defaults | arguments))


class TorchRun:
    """PyTorch's parameters, which start at an estimator's initial ones."""

    def __init__(self, estimator, X, y):
        self.estimator = clone(estimator).initialize(X, y)
        self.net = self.estimator.network_
        self.coefs = [tensor(coef, requires_grad=True) for coef in self.net.coefs]
        self.intercepts = [tensor(b, requires_grad=True) for b in self.net.intercepts]
        self.X, self.y = tensor(X), tensor(y)
        self.norms = []  # of the gradients, before they are clipped

    @property
    def params(self):
        parts = [part.detach().numpy().ravel() for part in self.coefs + self.intercepts]
        return np.concatenate(parts)

    def groups(self, weight_decay):
        """PyTorch decays whatever it is given; we decay the coefficients alone."""
        return [
            {"params": self.coefs, "weight_decay": weight_decay},
            {"params": self.intercepts, "weight_decay": 0.0},
        ]

    def train(self, optimizer, scheduler=None, max_grad_norm=None):
        """Mean loss of each epoch's batches; the scheduler is moved on after every step."""
        estimator, losses = self.estimator, []
        batch_size = N_SAMPLES if estimator.solver == "rprop" else BATCH_SIZE
        for _ in range(estimator.max_iter):
            total = 0.0
            for start in range(0, N_SAMPLES, batch_size):
                X, y = (array[start : start + batch_size] for array in (self.X, self.y))
                z = pre_activations(self.net, X, self.coefs, self.intercepts)
                objective = sample_losses(self.net, z, y).mean()
                squares = sum((coef**2).sum() for coef in self.coefs)
                absolutes = sum(coef.abs().sum() for coef in self.coefs)
                share = estimator.l1_ratio
                penalty = 0.5 * (1 - share) * squares + share * absolutes
                objective = objective + estimator.alpha / len(X) * penalty
                optimizer.zero_grad()
                objective.backward()
                if max_grad_norm is not None:
                    parts = self.coefs + self.intercepts
                    norm = torch.nn.utils.clip_grad_norm_(parts, max_grad_norm)
                    self.norms.append(norm.item())
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
                total += objective.item() * len(X)
            losses.append(total / N_SAMPLES)
        return losses


def assert_same_training(estimator, run, losses, rtol=1e-9):
    assert estimator.n_iter_ == estimator.max_iter
    np.testing.assert_allclose(estimator.loss_curve_, losses, rtol=rtol)
    atol = rtol * np.abs(run.params).max()
    np.testing.assert_allclose(estimator.network_.params, run.params, rtol=0, atol=atol)


def assert_twin_trains_as(run, optimizer, losses, X, y, rtol=1e-9, **options):
    """The same for the NumPy twin's optimizers, which other tests take as their oracle."""
    estimator = run.estimator
    twin = ReferenceNetwork.like(estimator.network_)
    batch_size = N_SAMPLES if estimator.solver == "rprop" else BATCH_SIZE
    orders = [np.arange(N_SAMPLES)] * estimator.max_iter
    options |= dict(alpha=estimator.alpha, l1_ratio=estimator.l1_ratio)
    actual = train(twin, optimizer, X, y, orders, batch_size, **options)
    np.testing.assert_allclose(actual, losses, rtol=rtol)
    atol = rtol * np.abs(run.params).max()
    np.testing.assert_allclose(twin.params, run.params, rtol=0, atol=atol)


@CUT_SHORT
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
def test_adamw(l1_ratio):
    X, y = regression()
    estimator = regressor("adam", weight_decay=2.0, l1_ratio=l1_ratio)
    run = TorchRun(estimator, X, y)
    losses = run.train(torch.optim.AdamW(run.groups(2.0), lr=0.02, eps=1e-30))
    assert_same_training(estimator.fit(X, y), run, losses)
    optimizer = Adam(0.02, epsilon=1e-30)
    assert_twin_trains_as(run, optimizer, losses, X, y, weight_decay=2.0)


@CUT_SHORT
def test_decay_of_sgd():
    """Without momentum PyTorch's coupled decay, a part of the gradient, is the decoupled one."""
    X, y = regression()
    estimator = regressor("sgd", weight_decay=2.0, momentum=0.0, nesterovs_momentum=False)
    run = TorchRun(estimator, X, y)
    losses = run.train(torch.optim.SGD(run.groups(2.0), lr=0.02))
    assert_same_training(estimator.fit(X, y), run, losses)
    optimizer = SGD(0.02, momentum=0.0, nesterov=False)
    assert_twin_trains_as(run, optimizer, losses, X, y, weight_decay=2.0)


@CUT_SHORT
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("max_grad_norm", [1e3, 5e4])
def test_clipped_gradients(solver, max_grad_norm):
    """Targets of 1e4 make the 1e-6 that PyTorch adds to the norm invisible."""
    X, y = regression(scale=1e4)
    rate = 0.02 / max_grad_norm if solver == "sgd" else 0.02
    estimator = regressor(solver, max_grad_norm=max_grad_norm, learning_rate_init=rate)
    run = TorchRun(estimator, X, y)
    if solver == "sgd":
        optimizer = torch.optim.SGD(run.groups(0), lr=rate, momentum=0.9, nesterov=True)
    else:
        optimizer = torch.optim.Adam(run.groups(0), lr=rate, eps=1e-30)
    losses = run.train(optimizer, max_grad_norm=max_grad_norm)
    # Every gradient is longer than the smaller bound, only some than the larger one.
    too_long = np.mean(np.array(run.norms) > max_grad_norm)
    assert too_long == 1 if max_grad_norm == 1e3 else 0.2 < too_long < 0.8
    assert_same_training(estimator.fit(X, y), run, losses)
    twins = SGD(rate) if solver == "sgd" else Adam(rate, epsilon=1e-30)
    assert_twin_trains_as(run, twins, losses, X, y, max_grad_norm=max_grad_norm)


@CUT_SHORT
@pytest.mark.parametrize("learning_rate", [0.001, 0.3])
def test_rprop(learning_rate):
    X, y = regression()
    estimator = regressor("rprop", learning_rate_init=learning_rate, max_iter=40)
    run = TorchRun(estimator, X, y)
    losses = run.train(torch.optim.Rprop(run.groups(0), lr=learning_rate))
    assert_same_training(estimator.fit(X, y), run, losses)
    assert_twin_trains_as(run, Rprop(learning_rate), losses, X, y)


SCHEDULERS = {
    "one_cycle": lambda optimizer, n_epochs: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.02, total_steps=N_STEPS * n_epochs, cycle_momentum=False
    ),
    "cosine": lambda optimizer, n_epochs: torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=N_STEPS * n_epochs
    ),
    "exponential": lambda optimizer, _: torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.8 ** (step // N_STEPS)
    ),
    # A user's function of the epoch.
    "own": lambda optimizer, _: torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1 / (1 + step // N_STEPS)
    ),
    "warm-up": lambda optimizer, _: torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (3 * N_STEPS))
    ),
}


@CUT_SHORT
@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_schedules(solver, schedule):
    """Weight decay too: it takes the rate of its step."""
    X, y = regression()
    named = {"own": lambda epoch: 0.02 / (1 + epoch), "warm-up": "constant"}
    estimator = regressor(
        solver,
        learning_rate=named.get(schedule, schedule),
        decay_rate=0.8,
        warmup_epochs=3 if schedule == "warm-up" else 0,
        momentum=0.0,  # PyTorch's has the rate outside, scikit-learn's inside
        nesterovs_momentum=False,
        weight_decay=1.5,
    )
    run = TorchRun(estimator, X, y)
    if solver == "sgd":
        optimizer = torch.optim.SGD(run.groups(1.5), lr=0.02)
    else:
        optimizer = torch.optim.AdamW(run.groups(1.5), lr=0.02, eps=1e-30)
    losses = run.train(optimizer, SCHEDULERS[schedule](optimizer, estimator.max_iter))
    assert_same_training(estimator.fit(X, y), run, losses)


def dropout_step(X, y, **arguments):
    """One sgd step of rate 1 on all rows: parameters before it, and the gradient it took."""
    arguments |= dict(batch_size=len(X), momentum=0.0, learning_rate_init=1.0, alpha=0.0)
    estimator = regressor("sgd", nesterovs_momentum=False, **arguments).initialize(X, y)
    before = copy.deepcopy(estimator.network_)
    after = estimator.partial_fit(X, y).network_
    return before, [b - a for b, a in zip(before.coefs, after.coefs, strict=True)], after


def replay(net, X, y, masks):
    """The gradient by the parameters of the mean loss where layer l's inputs are times masks[l]."""
    coefs = [tensor(coef, requires_grad=True) for coef in net.coefs]
    intercepts = [tensor(b, requires_grad=True) for b in net.intercepts]
    a = tensor(X)
    for layer, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if layer:
            a = ACTIVATIONS[net.hidden_activations[layer - 1]](a)
        a = (a * tensor(masks[layer])) @ coef + intercept
    sample_losses(net, a, tensor(y)).mean().backward()
    return np.concatenate([part.grad.numpy().ravel() for part in coefs + intercepts])


@pytest.mark.parametrize("row", range(8))
def test_dropout_of_a_row_in_every_layer(row):
    """A dropped unit's outgoing weights have no gradient: so they show the mask."""
    X, y = regression()
    X, y = X[row : row + 1], y[row : row + 1]
    arguments = dict(hidden_layer_sizes=(30, 40), dropout=0.4, input_dropout=0.25)
    before, gradients, after = dropout_step(X, y, random_state=row, **arguments)
    kept = [np.any(gradient != 0, axis=1) for gradient in gradients]
    scales = [1 / 0.75, 1 / 0.6, 1 / 0.6]
    masks = [scale * mask for scale, mask in zip(scales, kept, strict=True)]
    assert_close(before.params - after.params, replay(before, X, y, masks))
    for mask in kept[1:]:
        assert 0.3 < mask.mean() < 0.9
    # The next step has other masks, another random state has others.
    other, gradients, _ = dropout_step(X, y, random_state=row + 100, **arguments)
    assert np.any(np.any(gradients[1] != 0, axis=1) != kept[1])


def test_dropout_of_a_batch():
    """Row i has input i alone: where the weights from there have no gradient, it lost the unit."""
    n, n_units = 60, 50
    y = np.random.default_rng(0).normal(size=(n, 2))
    X = np.eye(n)
    arguments = dict(hidden_layer_sizes=n_units, activation="softplus", dropout=0.3)
    before, gradients, after = dropout_step(X, y, **arguments)
    kept = gradients[0] != 0
    masks = [np.ones(n), kept / 0.7]
    assert_close(before.params - after.params, replay(before, X, y, masks))
    # 3000 units, each kept with probability 0.7: a standard deviation is 0.008.
    assert kept.mean() == pytest.approx(0.7, abs=0.03)
    # Masks are drawn for each row and each unit.
    assert len({row.tobytes() for row in kept}) == n
    assert len({column.tobytes() for column in kept.T}) == n_units
    # Predictions drop nothing.
    whole = replay_outputs(after, X)
    np.testing.assert_allclose(after.forward(X), whole, rtol=1e-12)


def replay_outputs(net, X):
    z = pre_activations(net, tensor(X), [*map(tensor, net.coefs)], [*map(tensor, net.intercepts)])
    return OUTPUTS[net.output_activation](z).numpy()
