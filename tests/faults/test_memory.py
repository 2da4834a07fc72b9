"""No memory: a MemoryError, and an estimator as before; and memory, threads, files that stay level.

Each script runs in a process of its own, which has a limit, or a C library that fails on demand.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from separate import HANGS, PREAMBLE
from torture import shares, times

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="limits, and preloads, as Linux does"),
]

COMPILER = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])

BEGIN = """
import copy, ctypes, os, resource, sys, threading

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.normal(size=(90, 6)), rng.normal(size=90)
labels = np.arange(90) % 3


def make(cls, solver="adam", **parameters):
    if solver == "levenberg_marquardt":
        parameters["loss"] = "squared_error"
    return cls((5, 4), solver=solver, max_iter=2, batch_size=30, random_state=0, **parameters)


def state_of(estimator):
    state = {name: value for name, value in vars(estimator).items() if not name.startswith("_")}
    if "network_" in state:
        state["network_"] = state["network_"].params.tobytes()
    return {name: repr(value) for name, value in state.items()}
"""


def run(*scripts, environment=(), timeout=HANGS):
    """The facts that the scripts print last, in a process with these variables."""
    code = "\n".join([PREAMBLE, BEGIN, *map(textwrap.dedent, scripts)])
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **dict(environment)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return json.loads(process.stdout.splitlines()[-1])


# --- every allocation of a core fails, one after the other ----------------------------------------


@pytest.fixture(scope="module")
def failing_calloc(tmp_path_factory):
    if COMPILER is None:
        # only where `make wheel` tests without one: whoever builds fastbp has one, as the gate has
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("library") / "failing_calloc.so"
    source = Path(__file__).with_name("failing_calloc.c")
    command = [COMPILER, "-shared", "-fPIC", "-O1", str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


EVERY_CALLOC = """
libc = ctypes.CDLL(None)
net = Network([6, 5, 4, 1], random_state=0)
predictor = make(BackpropRegressor, n_threads=2).fit(X, y)
quantiles = dict(loss="quantile", quantile=[0.1, 0.5], random_state=0)


def fit(cls, solver, X=X, **parameters):
    def call():
        estimator = fitted[cls]
        estimator.set_params(**make(cls, solver, **parameters).get_params())
        estimator.fit(X, labels if cls is BackpropClassifier else y)
        return estimator.network_.params
    return call


fitted = {{cls: make(cls) for cls in (BackpropClassifier, BackpropRegressor)}}
calls = {{
    f"{{cls.__name__}} {{solver}} {{n_threads}}": fit(cls, solver, n_threads=n_threads)
    for cls in fitted
    for solver in ("sgd", "adam", "rprop", "lbfgs")
    for n_threads in (None, 1, 2)
}}
calls["levenberg_marquardt"] = fit(BackpropRegressor, "levenberg_marquardt")
calls["CSR"] = fit(BackpropRegressor, "adam", sparse.csr_matrix(X))
calls["dropout"] = fit(BackpropRegressor, "sgd", dropout=0.3)
calls |= {{
    "new network": lambda: Network([6, 5, 2], **quantiles).forward(X),
    "forward": lambda: net.forward(X),
    "predict, 2 threads": lambda: predictor.predict(np.tile(X, (40, 1))),
    "activations": lambda: net.activations(X)[1],
    "loss": lambda: net.loss(X, y),
    "loss_gradient": lambda: net.loss_gradient(X, y).flat,
    "per_sample_gradients": lambda: net.per_sample_gradients(X, y).flat,
    "per_sample_gradient_norms": lambda: net.per_sample_gradient_norms(X, y),
    "CSR norms": lambda: net.per_sample_gradient_norms(sparse.csr_matrix(X), y),
    "input_gradient": lambda: net.input_gradient(X, y),
    "jacobian": lambda: net.jacobian(X),
    "input_jacobian": lambda: net.input_jacobian(X),
}}
n_tried, n_refused = 0, 0
for name, call in calls.items():
    expected = np.array(call())
    libc.fail_calloc(-1)
    call()
    n_callocs = libc.count_callocs()
    assert n_callocs > 0, name
    for number in range(n_callocs):
        before = {{cls: state_of(estimator) for cls, estimator in fitted.items()}}
        libc.fail_calloc(number)
        try:
            found = call()
        except MemoryError:
            n_refused += 1
        except RuntimeError as error:
            # the crew of a number of threads that was asked for
            assert "more threads cannot be started" in str(error) and "2" in name, name
            n_refused += 1
        else:
            assert (found == expected).all(), (name, number)
        libc.fail_calloc(-1)
        after = {{cls: state_of(estimator) for cls, estimator in fitted.items()}}
        same = {{cls: before[cls] == after[cls] for cls in fitted}}
        assert all(same.values()), (name, number)
        assert (call() == expected).all(), (name, number)
        n_tried += 1
print(json.dumps(dict(n_tried=n_tried, n_refused=n_refused)))
"""


def test_every_calloc_fails_once(failing_calloc):
    """A MemoryError (or fewer threads, and the same bits); the next call is as ever."""
    facts = run(EVERY_CALLOC.format(), environment=failing_calloc)
    assert facts["n_refused"] > 60
    assert facts["n_tried"] >= facts["n_refused"]


# --- an address space that is too small -----------------------------------------------------------

LIMITED = """
def large(cls, solver):
    return cls((1000, 600), solver=solver, max_iter=1, max_fun=2, random_state=0)

# 6 MB of parameters, and as much for each moment and the gradient
X, y = rng.normal(size=(90, 100)), rng.normal(size=90)
rooms = np.random.default_rng({seed}).uniform(0, 38e6, {n_limits})
cases = ("adam", "sgd", "rprop", "lbfgs")
alone = {{solver: large(BackpropRegressor, solver).fit(X, y).network_.params for solver in cases}}
n_refused = 0
limits = resource.getrlimit(resource.RLIMIT_AS)
for number, room in enumerate(rooms):
    solver = cases[number % len(cases)]
    estimator = make(BackpropRegressor).fit(X[:90, :6], y[:90])
    estimator.set_params(**large(BackpropRegressor, solver).get_params())
    before = state_of(estimator)
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + int(room), limits[1]))
    refused = False
    try:
        estimator.fit(X, y)
    except MemoryError:
        refused = True
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    n_refused += refused
    if refused:
        assert state_of(estimator) == before
        estimator.fit(X, y)
    assert (estimator.network_.params == alone[solver]).all(), (solver, room)
print(json.dumps(dict(n_refused=n_refused)))
"""

IN_ONE_PROCESS = times(12, 20)


@pytest.mark.parametrize("seed", shares(times(12, 1000), IN_ONE_PROCESS))
def test_limits_of_the_address_space(seed):
    """At each size of what is left: a MemoryError and the old estimator, or the right result."""
    facts = run(LIMITED.format(seed=seed, n_limits=IN_ONE_PROCESS), timeout=5 * HANGS)
    assert 0 < facts["n_refused"] < IN_ONE_PROCESS


# --- leaks ----------------------------------------------------------------------------------------

# malloc's smallest piece takes 32 bytes. What is lost in every call reaches the bound in each
# round, and in the long rounds of make torture what is lost in every second call; a cache that
# fills up does not.
BYTES_PER_CALL = 16
ROUNDS = times(3, 4)
# Of memory that is mapped rather than allocated, over all rounds: a page in every call is more.
MAPPED_BYTES = times(2**17, 2**22)
RESIDENT_BYTES = 2**22

LEAKS = """
import gc

libc = ctypes.CDLL(None)


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]


libc.mallinfo2.restype = Mallinfo


# Python's cache of attributes keeps their names: what it holds changes by kilobytes. Each object is
# looked at in each collection, but for those that are there at the start (gc.freeze).
clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache


def in_use():
    clear_caches()
    gc.collect()
    info = libc.mallinfo2()
    with open("/proc/self/statm") as file:
        mapped, resident, *_ = (int(n) * resource.getpagesize() for n in file.read().split())
    return (
        info.uordblks + info.hblkhd, mapped, resident, len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
    )


class OwnLoss:
    def loss(self, y, outputs):
        return ((outputs - y) ** 2).sum(axis=1) / 2

    def gradient(self, y, outputs):
        return outputs - y


class Fails(OwnLoss):
    def gradient(self, y, outputs):
        raise OSError("a loss that fails")


CSR = sparse.csr_matrix(X)
with_nan = X.copy()
with_nan[5, 2] = np.nan
SOUND = [
    lambda: make(BackpropClassifier).fit(X, labels),
    lambda: make(BackpropRegressor, "sgd", n_threads=2).fit(CSR, y),
    lambda: make(BackpropRegressor, "rprop", dropout=0.2).fit(X, y),
    lambda: make(BackpropRegressor, "lbfgs").fit(X, y),
    lambda: make(BackpropRegressor, "levenberg_marquardt").fit(X, y),
    lambda: make(BackpropClassifier, early_stopping=True).fit(X, labels).predict(X),
    lambda: make(BackpropRegressor, loss=OwnLoss()).fit(X, y),
    lambda: make(BackpropRegressor).partial_fit(X, y).network_.jacobian(X),
    lambda: pickle.loads(pickle.dumps(make(BackpropRegressor).fit(X, y))),
    lambda: make(BackpropRegressor).fit(X, y).network_.per_sample_gradient_norms(CSR, y),
]
FAILING = [
    lambda: make(BackpropClassifier).fit(with_nan, labels),
    lambda: make(BackpropRegressor, "sgd", learning_rate_init=1e200).fit(X, y),
    lambda: make(BackpropRegressor, loss=Fails(), n_threads=2).fit(X, y),
    lambda: make(BackpropRegressor, "lbfgs", loss=Fails()).fit(X, y),
    lambda: make(BackpropRegressor, alpha=-1.0).fit(X, y),
    lambda: make(BackpropRegressor).fit(X, y[:-1]),
]


def repeat(call, n):
    for _ in range(n):
        try:
            call()
        except (ValueError, OSError):
            assert call in FAILING
        else:
            assert call in SOUND


def settled():
    # helpers of the last call end by themselves
    soon = time.monotonic() + 30
    while len(os.listdir("/proc/self/task")) > n_threads and time.monotonic() < soon:
        time.sleep(0.01)
    return in_use()


n_threads = len(os.listdir("/proc/self/task"))
for call in SOUND + FAILING:
    repeat(call, {warm_up})
gc.freeze()
start, growth = settled(), []
for call in SOUND + FAILING:
    n = {sound} if call in SOUND else {failing}
    rounds = [settled()[0]]
    for _ in range({rounds}):
        repeat(call, n)
        rounds.append(settled()[0])
    growth.append(min(after - before for before, after in zip(rounds, rounds[1:])) / n)
print(json.dumps(dict(growth=growth, start=start[1:], end=settled()[1:])))
"""


def test_nothing_grows():
    """Over short fits of every kind, and failing ones, in rounds: 20,000 and 5,000 in make torture.

    malloc counts: of every object (PYTHONMALLOC), without pieces that are kept for reuse (tcache),
    and in one arena, since threads that come and go would make it another.
    """
    script = LEAKS.format(
        rounds=ROUNDS, warm_up=times(20, 300), sound=times(24, 500), failing=times(24, 210)
    )
    environment = {
        "PYTHONMALLOC": "malloc",
        "MALLOC_ARENA_MAX": "1",
        "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
    }
    facts = run(script, environment=environment, timeout=20 * HANGS)
    assert max(facts["growth"]) < BYTES_PER_CALL, facts["growth"]
    mapped, resident, *others = facts["start"]
    mapped_later, resident_later, *others_later = facts["end"]
    assert mapped_later - mapped < MAPPED_BYTES
    assert resident_later - resident < RESIDENT_BYTES
    assert others_later == others, "threads, or descriptors"
