"""A multilayer perceptron in PyTorch: eager mode, with the fused optimizer.

    run(shape, X, y, epochs, n_threads) -> (coefs, intercepts)

index_select gathers a batch up to four times faster than indexing with [].
"""

from functools import partial

import numpy as np
import torch
from instruments.workloads import SEED
from torch import nn, optim
from torch.nn import functional

ACTIVATIONS = {"relu": nn.ReLU, "logistic": nn.Sigmoid, "tanh": nn.Tanh}


def half_squared_error(outputs, y):
    # mse_loss averages over the outputs too
    return 0.5 * y.shape[1] * functional.mse_loss(outputs, y)


LOSSES = {
    "identity": half_squared_error,
    "squared_logistic": lambda z, y: half_squared_error(torch.sigmoid(z), y),
    "logistic": functional.binary_cross_entropy_with_logits,
    "softmax": functional.cross_entropy,
}


def run(shape, X, y, epochs, n_threads=1):
    torch.set_num_threads(n_threads)
    rng = np.random.RandomState(SEED)
    model = make_model(shape, X.dtype, rng)
    optimizer = make_optimizer(shape, model)
    loss_function = LOSSES[shape.output]
    inputs, targets = torch.from_numpy(X), make_targets(shape, X, y)
    epoch_losses = []
    for order in shape.orders(epochs, rng):
        total = 0.0
        for rows in torch.from_numpy(order).split(shape.batch_size):
            optimizer.param_groups[0]["weight_decay"] = shape.alpha / len(rows)
            optimizer.zero_grad()
            z = model(inputs.index_select(0, rows))
            loss = loss_function(z, targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        epoch_losses.append(total / len(X))
    params = [param.detach().numpy() for param in model.parameters()]
    return [weight.T for weight in params[::2]], params[1::2]


def make_model(shape, dtype, rng):
    return model_of(shape, *shape.layer_views(shape.initial_params(dtype, rng)))


def model_of(shape, coefs, intercepts):
    layers = []
    for coef, intercept in zip(coefs, intercepts, strict=True):
        layer = nn.Linear(*coef.shape, dtype=torch.from_numpy(coef).dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(coef.T))
            layer.bias.copy_(torch.from_numpy(intercept))
        layers += [layer, ACTIVATIONS[shape.activation]()]
    return nn.Sequential(*layers[:-1])


def make_optimizer(shape, model):
    weights = [param for param in model.parameters() if param.ndim == 2]
    biases = [param for param in model.parameters() if param.ndim == 1]
    # the penalty is on the weights only; its factor is set for every batch
    groups = [{"params": weights, "weight_decay": shape.alpha}, {"params": biases}]
    make = {
        "adam": optim.Adam,
        "sgd": partial(optim.SGD, momentum=shape.momentum, nesterov=shape.momentum > 0),
    }[shape.solver]
    try:
        return make(groups, lr=shape.learning_rate, fused=True)
    except (RuntimeError, TypeError):  # PyTorch before 2.4 has no fused optimizer for the CPU
        return make(groups, lr=shape.learning_rate)


def make_targets(shape, X, y):
    # cross_entropy takes the labels themselves
    return torch.from_numpy(y if shape.output == "softmax" else shape.target_matrix(y, X.dtype))
