"""The short way of plain sgd: a setting that it does not know of must rule it out.

Where a step is params -= learning_rate * gradient and nothing else, the kernels subtract the
gradient as they form it. These tests ask the Trainer which settings it reads, so that a setting
that is added later is tested as well.
"""

import numpy as np
import pytest

from fastbp import Network, _kernels

N_SAMPLES = 40
# A setting that means nothing without another one.
NEEDS = {"l1_ratio": {"alpha": 0.5}, "nesterovs_momentum": {"momentum": 0.5}}
TELLING = {"max_grad_norm": 1e-3}  # where 0.25 would say nothing
TINY = {"alpha": 1e-300}  # rules out the short way, and is lost in rounding


class Settings:
    """Those given; every other one that is asked for is off. Remembers the names."""

    def __init__(self, **given):
        vars(self).update(given)
        self.names = set(given)

    def __getattr__(self, name):
        self.names.add(name)
        return None if name == "max_grad_norm" else 0.0


def train(dtype="float64", **given):
    """Parameters after two epochs, and the names of the settings that were read."""
    rng = np.random.default_rng(0)
    net = Network([5, 7, 2], activation="tanh", dtype=dtype, random_state=0)
    X = rng.normal(size=(N_SAMPLES, 5)).astype(dtype)
    Y = rng.normal(size=(N_SAMPLES, 2)).astype(dtype)
    settings = Settings(learning_rate_init=0.1, **given)
    core = _kernels.core
    trainer = core.Trainer(
        net._plan,
        net.params,
        np.zeros(core.N_MOMENTS["sgd"] * net.n_params, dtype),
        net._samples(X, Y, None),
        settings,
        optimizer=core.OPTIMIZERS["sgd"],
        batch_size=8,
        n_steps=0,
    )
    for _ in range(2):
        trainer.train_epoch(np.arange(N_SAMPLES))
    return net.params.copy(), settings.names


def test_no_setting_is_ignored(build):
    _, names = train(momentum=0.5)
    assert {"alpha", "momentum", "weight_decay", "dropout"} <= names
    for name in names - {"learning_rate_init"}:
        needs = NEEDS.get(name, {})
        without, _ = train(**needs)
        with_it, _ = train(**{**needs, name: TELLING.get(name, 0.25)})
        assert np.abs(with_it - without).max() > 1e-6, f"{name} is ignored"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_settings_without_effect_do_not_rule_it_out(build, dtype):
    plain, _ = train(dtype)
    long_way, _ = train(dtype, **TINY)
    assert not np.array_equal(long_way, plain), "rounding does not tell the two ways apart"
    off = {"nesterovs_momentum": True, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    np.testing.assert_array_equal(train(dtype, **off, l1_ratio=0.5)[0], plain)
    zeros = dict.fromkeys(["alpha", "l1_ratio", "momentum", "weight_decay", "dropout"], -0.0)
    np.testing.assert_array_equal(train(dtype, **zeros)[0], plain)
