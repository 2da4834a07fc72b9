"""Threads that the system refuses: an error where a number was asked for, else one thread.

The system is made to refuse by a limit on memory, which leaves no room for stacks. The limit is
that of a process, so the fits run in one of their own. No thread starts there, in none of them: the
C library would keep its stack for the next.
"""

import sys

import pytest
from internals import OPTIMIZERS
from separate import run_each

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")

# The memory in use is that of warm caches: a first fit loads libraries.
SCRIPT = """
    import resource

    import threadpoolctl

    from fastbp import threads

    warnings.simplefilter("ignore")
    threads.allowed = lambda: 3
    threads.LEAST_STEP = threads.LEAST_CALL = 1
    assert threads.choose_n_threads(None, 100, 100) == 3
    threadpoolctl.threadpool_limits(1, "blas")  # BLAS has its threads, or none, from here on

    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 6))
    y = X[:, :3].argmax(axis=1)

    def fit(n_threads):
        return {cls}(
            (4,), solver="{solver}", batch_size=30, max_iter=3, random_state=0,
            n_threads=n_threads, **{params},
        ).fit(X, y)

    alone = fit(1)
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**21, limits[1]))  # less than a stack
    message = "no error"
    try:
        fit(3)
    except RuntimeError as error:
        message = str(error)
    short = fit(None)
    resource.setrlimit(resource.RLIMIT_AS, limits)
    same_params = bool((short.network_.params == alone.network_.params).all())
    same_losses = short.loss_curve_ == alone.loss_curve_
    print(json.dumps(dict(message=message, same_params=same_params, same_losses=same_losses)))
"""


@pytest.mark.slow
def test_none_falls_back_to_one_thread():
    """With the numbers of n_threads=1.

    The last case is plain sgd: one thread takes a short way, where the products subtract the
    gradient.
    """
    cases = [
        {"cls": cls, "solver": solver, "params": params}
        for cls, params in [("BackpropClassifier", {}), ("BackpropRegressor", {"dropout": 0.3})]
        for solver in [*OPTIMIZERS, "lbfgs"]
    ]
    cases.append(
        {"cls": "BackpropRegressor", "solver": "sgd", "params": {"momentum": 0.0, "alpha": 0.0}}
    )
    for case, facts in zip(cases, run_each(SCRIPT, cases, fresh=True), strict=True):
        message = "2 more threads cannot be started; set n_threads=1"
        assert facts == {"message": message, "same_params": True, "same_losses": True}, case
