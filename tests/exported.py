"""Fitted estimators of every kind, for the tests of what they are exported to.

A case is a dict of an activation, a task, a type, and other factors; `make_estimator` makes an
estimator of it without training, with random parameters that keep pre-activations of order one.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from covering import every
from internals import DTYPES, LOSSES, UNDEFINED_PAIRS, functions
from own_losses import LogCosh
from reference import ReferenceNetwork, random_params
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor

N_SAMPLES, N_FEATURES = 60, 5


@dataclass(frozen=True)
class Task:
    """What an estimator is fitted to: a class, parameters and targets of so many samples."""

    cls: type
    y: object
    params: dict = field(default_factory=dict)
    is_sparse: bool = False


_codes = np.arange(N_SAMPLES) % 3
_numbers = np.random.default_rng(5).uniform(0.1, 0.9, (N_SAMPLES, 3))


def _classes(labels, **params):
    return Task(BackpropClassifier, np.array(labels)[_codes % len(labels)], params)


def _labels(y=None, **params):
    indicator = np.stack([_codes == 0, _codes != 1, _codes == 2], axis=1).astype(int)
    return Task(BackpropClassifier, indicator if y is None else y(indicator), params)


def _outputs(n_outputs=1, is_sparse=False, **params):
    y = _numbers[:, 0] if n_outputs == 1 else _numbers[:, :n_outputs]
    return Task(BackpropRegressor, y, params, is_sparse)


_identity = dict(output_activation="identity", loss="squared_error")
TASKS = {
    "two classes": _classes([0, 1]),
    "two named classes, softmax": _classes(["no", "yes"], output_activation="softmax"),
    "two classes, identity": _classes([False, True], **_identity),
    "three classes": _classes([-3, 5, 2**40]),
    "three named classes, CSR": Task(
        BackpropClassifier, np.array(["ä", "b", ""], object)[_codes], {}, is_sparse=True
    ),
    "three classes, logistic": _classes([0.0, 1.0, 7.0], output_activation="logistic"),
    "three classes, identity": _classes([1, 2, 3], **_identity),
    "three classes, own loss": _classes([1, 2, 3], loss=LogCosh()),
    "one class": _classes(["only"]),
    "one class, softmax": _classes([4], output_activation="softmax"),
    "three labels": _labels(),
    "three labels, sparse": _labels(sparse.csr_matrix),
    "three labels, identity": _labels(**_identity),
    **{f"one output, {loss}": _outputs(loss=loss) for loss in LOSSES if loss != "log_loss"},
    **{
        f"three outputs, {output}": _outputs(3, output_activation=output)
        for output in functions.OUTPUTS
        if ("squared_error", output) not in UNDEFINED_PAIRS
    },
    "three quantiles": _outputs(loss="quantile", quantile=[0.1, 0.5, 0.9]),
    "one output, increasing, CSR": _outputs(1, True, output_activation="increasing"),
    "two outputs, own loss": _outputs(2, loss=LogCosh()),
}
EACH_ITS_OWN = ("selu", "gelu")  # two layers with activations of their own
OTHERS = dict(
    front=[None, "scale", "periodic", "two periodic"],
    fit_intercept=[True, False],
    sizes=[(23, 11), (40,), ()],
)
FACTORS = dict(activation=[*functions.ACTIVATIONS, EACH_ITS_OWN], task=list(TASKS), dtype=DTYPES)


def every_case():
    """Every activation, task and type; the other factors take their turns."""
    turns = every(**OTHERS)
    return [
        _sound({**turns[(7 * number + number // len(turns)) % len(turns)], **case})
        for number, case in enumerate(every(**FACTORS))
    ]


def covering_cases():
    """Of every case, those with two values that are not together in a case before."""
    return [case for case, is_new in _with_news() if is_new]


def other_cases():
    """The rest of every case."""
    return [case for case, is_new in _with_news() if not is_new]


def _with_news():
    seen = set()
    for case in every_case():
        pairs = set(combinations(sorted(map(str, case.items())), 2))
        yield case, not pairs <= seen
        seen |= pairs


def _sound(case):
    """Without what does not go together."""
    is_sparse = TASKS[case["task"]].is_sparse
    front = None if is_sparse else case["front"]
    sizes = (23, 11) if isinstance(case["activation"], tuple) else case["sizes"]
    return {**case, "front": front, "sizes": sizes}


def make_estimator(case, seed=0):
    """A fitted estimator with random parameters, and samples (dense) of its type."""
    rng = np.random.default_rng([seed, *str(case).encode()])
    task = TASKS[case["task"]]
    X = rng.standard_normal((N_SAMPLES, N_FEATURES)).astype(case["dtype"])
    front, activation = case["front"], case["activation"]
    params = dict(task.params)
    if front == "two periodic":
        params |= dict(front="periodic", n_periodic=2)
    elif front is not None:
        params |= dict(front=front)
    estimator = task.cls(
        case["sizes"],
        activation=list(activation) if isinstance(activation, tuple) else activation,
        fit_intercept=case["fit_intercept"],
        random_state=0,
        **params,
    )
    estimator.initialize(sparse.csr_matrix(X) if task.is_sparse else X, task.y)
    network = estimator.network_
    network.params = random_params(rng, ReferenceNetwork.like(network))
    return estimator, X


def name_of_case(case):
    return ", ".join(str(value) for value in case.values())


def error_of(actual, expected, least_scales=0.0):
    """The largest difference in relation to the largest number of its column.

    least_scales : of each column, what is rounded on the way to a smaller number
    """
    expected = expected.reshape(len(expected), -1)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    errors = np.abs(actual.astype(np.float64) - expected).max(axis=0, initial=0)
    scales = np.maximum(np.abs(expected).max(axis=0, initial=0), least_scales)
    return float(np.max(errors / np.where(scales > 0, scales, 1), initial=0))


def scales_of_sums(estimator, X):
    """For each output, the largest sum that it comes from, without signs.

    Of a sum of large terms with both signs, little but rounding may be left, in float32 above all:
    predict itself is then no more exact.
    """
    network = estimator.network_
    twin = ReferenceNetwork.like(network)
    coefs, intercepts = twin.unpack(twin.params)
    _, activations = twin.propagate(X)
    sums = np.abs(activations[-2]) @ np.abs(coefs[-1])
    if network.fit_intercept:
        sums += np.abs(intercepts[-1])
    if network.output_activation == "exp":
        sums *= activations[-1]
    elif network.output_activation == "increasing":
        sums = sums.cumsum(axis=1)
    elif network.output_activation != "identity":
        return 0.0
    scales = sums.max(axis=0)
    return scales[:1] if network.loss_name == "gaussian" else scales
