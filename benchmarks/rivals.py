"""How each library trains a Shape: one function a library, all of the same form.

    run(shape, X, y, epochs) -> (coefs, intercepts)      coefs of shape (fan_in, fan_out)

A call is all that a user of the library waits for: checks, initial weights, encoding of the
targets, shuffling, every step, and the training loss of every epoch. Initial weights, the order
of the rows, Adam's constants and the L2 penalty are the same in all of them, so that all end with
the same weights up to rounding; compare.py checks that before it prints a number.

RIVALS maps a column's title to a loader, which imports the library and returns its run function;
`load_rivals()` skips what is not installed. A new column is one more loader. Everything runs on
one thread: threadpoolctl limits every BLAS (compare.py), PyTorch has its own setting (here).
"""

from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import numpy_mlp
from workloads import ALPHA, LEARNING_RATE, SEED

FASTBP = "fastbp"
SKLEARN = "scikit-learn"


def load_numpy():
    return fit_numpy


def fit_numpy(shape, X, y, epochs):
    net = numpy_mlp.fit(
        X,
        y,
        shape.hidden,
        activation=shape.activation,
        output=shape.output,
        solver=shape.solver,
        alpha=ALPHA,
        batch_size=shape.batch_size,
        learning_rate_init=LEARNING_RATE,
        max_iter=epochs,
        random_state=SEED,
    )
    return net.coefs, net.intercepts


def load_sklearn():
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    return partial(fit_estimator, MLPClassifier, MLPRegressor)


def load_fastbp():
    from fastbp import BackpropClassifier, BackpropRegressor

    return partial(fit_estimator, BackpropClassifier, BackpropRegressor)


def fit_estimator(classifier, regressor, shape, X, y, epochs):
    estimator = (regressor if shape.output == "identity" else classifier)(
        hidden_layer_sizes=shape.hidden,
        activation=shape.activation,
        solver=shape.solver,
        alpha=ALPHA,
        batch_size=shape.batch_size,
        learning_rate_init=LEARNING_RATE,
        # never stops early: every library makes the same number of steps
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=SEED,
    )
    estimator.fit(X, y)
    return estimator.coefs_, estimator.intercepts_


def load_torch():
    import torch

    torch.set_num_threads(1)
    return fit_torch


def fit_torch(shape, X, y, epochs):
    """Eager PyTorch with the fused optimizer; index_select is up to four times faster than []."""
    import torch

    rng = np.random.RandomState(SEED)
    model = torch_model(shape, torch.from_numpy(X).dtype, rng)
    optimizer = torch_optimizer(shape, model)
    loss_function = torch_loss(shape.output)
    inputs, targets = torch.from_numpy(X), torch_targets(shape, X, y)
    order, epoch_losses = np.arange(len(X)), []
    for _ in range(epochs):
        order = order[rng.permutation(len(X))]
        total = 0.0
        for rows in torch.from_numpy(order).split(shape.batch_size):
            optimizer.param_groups[0]["weight_decay"] = ALPHA / len(rows)
            optimizer.zero_grad()
            z = model(inputs.index_select(0, rows))
            loss = loss_function(z, targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        epoch_losses.append(total / len(X))
    params = [param.detach().numpy() for param in model.parameters()]
    return [weight.T for weight in params[::2]], params[1::2]


def torch_model(shape, dtype, rng):
    from torch import from_numpy, nn, no_grad

    activation = {
        "identity": nn.Identity,
        "relu": nn.ReLU,
        "logistic": nn.Sigmoid,
        "tanh": nn.Tanh,
    }[shape.activation]
    layers = []
    for fan_in, fan_out in pairwise(shape.layer_sizes):
        layer = nn.Linear(fan_in, fan_out, dtype=dtype)
        bound = np.sqrt((2 if shape.activation == "logistic" else 6) / (fan_in + fan_out))
        with no_grad():
            layer.weight.copy_(from_numpy(rng.uniform(-bound, bound, (fan_in, fan_out)).T))
            layer.bias.copy_(from_numpy(rng.uniform(-bound, bound, fan_out)))
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


def torch_optimizer(shape, model):
    from torch import optim

    weights = [param for param in model.parameters() if param.ndim == 2]
    biases = [param for param in model.parameters() if param.ndim == 1]
    # the penalty is on the weights only; its factor is set for every batch
    groups = [{"params": weights, "weight_decay": ALPHA}, {"params": biases}]
    make = {
        "adam": optim.Adam,
        "sgd": partial(optim.SGD, momentum=0.9, nesterov=True),
    }[shape.solver]
    try:
        return make(groups, lr=LEARNING_RATE, fused=True)
    except (RuntimeError, TypeError):  # PyTorch before 2.4 has no fused optimizer for the CPU
        return make(groups, lr=LEARNING_RATE)


def torch_loss(output):
    from torch.nn import functional

    return {
        # mse_loss averages over the outputs too: right for the one output of our regressions
        "identity": lambda z, y: 0.5 * functional.mse_loss(z, y),
        "logistic": functional.binary_cross_entropy_with_logits,
        "softmax": functional.cross_entropy,
    }[output]


def torch_targets(shape, X, y):
    from torch import from_numpy

    if shape.output == "softmax":
        return from_numpy(y)
    return from_numpy(np.ascontiguousarray(y.reshape(len(y), -1), X.dtype))


# title -> (module that must be installed, loader); fastbp last, beside the ratios
RIVALS = {
    "NumPy": ("numpy", load_numpy),
    SKLEARN: ("sklearn", load_sklearn),
    "PyTorch": ("torch", load_torch),
    FASTBP: ("fastbp", load_fastbp),
}


def load_rivals():
    """title -> run function, of every library that is installed."""
    return {title: load() for title, (module, load) in RIVALS.items() if find_spec(module)}
