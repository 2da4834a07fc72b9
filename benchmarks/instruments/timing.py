"""How fits are timed: calibrated, checked, then round-robin. A Row has the medians.

    row = measure(shape, "float32", rivals, budget=1.0, n_rounds=5, n_threads=1)
    row.microseconds["fastbp"], row.speedup_over_best_rival
    rows = measure_all(shapes, rivals, dtypes, budget=1.0, n_rounds=5, n_threads=1)
    progress("predictions ...")                       # a line on stderr, with the time

Each round times every column once, so that a slow phase of the machine affects all of them. The
first call of a column is a warm-up (JAX and Numba compile in it). The number of epochs is chosen
so that a round takes about `budget` seconds; short calls are repeated within their turn. Before
the rounds, the columns are checked; where they differ, the program stops:

- every column must reach the training objective that scikit-learn reached (NumPy, where
  scikit-learn cannot train the row): see TOLERANCES;
- no column may spend more CPU time than its number of threads allows.
"""

import sys
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter, process_time

from instruments.columns import (
    FANN,
    FASTBP,
    FASTBP_ALONE,
    FASTBP_TWO,
    NOT_RIVALS,
    NUMPY,
    PRODUCTS,
    PYTORCH,
    SKLEARN,
)
from instruments.limits import fma_peak
from instruments.workloads import INCREMENTAL_EPOCHS, LBFGS_ITERATIONS

SHORTEST_TURN = 0.05  # seconds: shorter calls are repeated, or the clock's noise would show
STEPS_OF_A_FIT = 2000  # a typical fit: with few epochs, the checks would weigh too much
MOST_CPU = 1.2  # CPU seconds per second and thread

# The largest relative difference of a column's final training objective from scikit-learn's. In
# float64 all columns do the same arithmetic in different orders, so only rounding differs; the
# same holds for plain gradient descent in float32. Otherwise float32 rounding grows over the
# steps, as any rounding does in the line searches of L-BFGS, and PyTorch's Adam adds epsilon
# elsewhere: the trajectories diverge, and the bound only ensures that all columns trained the same
# problem equally far.
TOLERANCES = {"float64": 1e-6, "float32": 0.1}
INCREMENTAL_TOLERANCE = 1e-4
LOOSE_TOLERANCE = 0.1


@dataclass
class Row:
    """The result for one shape and dtype: microseconds a step, by title of the column."""

    shape: object
    dtype: str
    epochs: int
    microseconds: dict

    @property
    def speedup_over_sklearn(self):
        return self.microseconds[SKLEARN] / self.microseconds[FASTBP]

    @property
    def best_rival(self):
        """The title of the fastest column that is not ours."""
        rivals = [title for title in self.microseconds if title not in NOT_RIVALS]
        return min(rivals, key=self.microseconds.get)

    @property
    def speedup_over_best_rival(self):
        return self.microseconds[self.best_rival] / self.microseconds[FASTBP]

    @property
    def speedup_over_fann(self):
        return self.microseconds[FANN] / self.microseconds[FASTBP]

    @property
    def speedup_by_two_threads(self):
        return self.microseconds[FASTBP_ALONE] / self.microseconds[FASTBP_TWO]

    @property
    def speedup_by_default(self):
        return self.microseconds[FASTBP_ALONE] / self.microseconds[FASTBP]

    @property
    def share_of_products(self):
        return self.microseconds[FASTBP] / self.microseconds[PRODUCTS]

    @property
    def share_of_peak(self):
        """The rate of the products, if they took all of fastbp's time, over the FMA peak of a core.

        None where the peak is unknown.
        """
        peak = fma_peak(self.dtype)
        return 1e3 * self.shape.megaflops / self.microseconds[FASTBP] / peak if peak else None


def measure_all(shapes, rivals, dtypes, budget, n_rounds, n_threads):
    """A Row for each shape and each of its dtypes that is asked for."""
    rows = []
    for shape in shapes:
        for dtype in shape.dtypes:
            if dtype not in dtypes:
                continue
            progress(f"{shape.name}, {dtype} ...")
            rows.append(measure(shape, dtype, rivals, budget, n_rounds, n_threads))
            times = ", ".join(f"{t} {time:.1f}" for t, time in rows[-1].microseconds.items())
            progress(f"    {times} us/step ({rows[-1].epochs} epochs)")
    return rows


def progress(line, start=perf_counter()):  # noqa: B008 - evaluated once, at the start
    print(f"[{perf_counter() - start:4.0f} s] {line}", file=sys.stderr, flush=True)


def measure(shape, dtype, rivals, budget, n_rounds, n_threads):
    """Warm up, calibrate and check, then time all columns round-robin."""
    X, y = shape.data(dtype)
    fits = {
        title: partial(run, shape, X, y) for title, (run, takes) in rivals.items() if takes(shape)
    }
    epochs = fixed_epochs(shape)
    first = {title: fit(epochs or 1) for title, fit in fits.items()}
    expected = {
        title: seconds(partial(fit, epochs or 1), n_threads=n_threads, title=title)
        for title, fit in fits.items()
    }
    if epochs is None:
        epochs = choose_epochs(shape, budget / sum(expected.values()))
        expected = {title: epochs * time for title, time in expected.items()}
    calls = {title: partial(fit, epochs) for title, fit in fits.items()}
    if epochs > 1 and fixed_epochs(shape) is None:
        first = {title: call() for title, call in calls.items()}
    check_agreement(shape, dtype, X, y, first)
    if sum(expected.values()) > 2 * budget:
        n_rounds = min(n_rounds, 3)
    times = interleaved(calls, expected, n_rounds)
    per_step = 1e6 / shape.n_steps(epochs)
    return Row(shape, dtype, epochs, {title: per_step * time for title, time in times.items()})


def fixed_epochs(shape):
    """What does not depend on the machine; None: choose_epochs."""
    if shape.solver == "lbfgs":
        return LBFGS_ITERATIONS
    return INCREMENTAL_EPOCHS if shape.batch_size == 1 else None


def choose_epochs(shape, affordable):
    """As many as are affordable; up to twice that, if needed for STEPS_OF_A_FIT steps."""
    whole_fit = -(-STEPS_OF_A_FIT // shape.n_steps(1))
    return max(1, round(affordable), min(whole_fit, round(2 * affordable)))


def interleaved(calls, expected, n_rounds):
    """title -> median seconds of a call, over rounds that time each call in turn.

    expected: title -> about how many seconds it takes.
    """
    repeats = {title: max(1, round(SHORTEST_TURN / expected[title])) for title in calls}
    rounds = [
        {title: seconds(call, repeats[title]) for title, call in calls.items()}
        for _ in range(n_rounds)
    ]
    return {title: median(times[title] for times in rounds) for title in calls}


def seconds(call, repeats=1, n_threads=None, title=None):
    """Mean duration of a call; if n_threads is given, a call that uses more ends the program."""
    start, start_cpu = perf_counter(), process_time()
    for _ in range(repeats):
        call()
    wall, cpu = perf_counter() - start, process_time() - start_cpu
    if n_threads and wall > SHORTEST_TURN and cpu > MOST_CPU * n_threads * wall:
        sys.exit(f"{title} used {cpu / wall:.2f} CPUs, {n_threads} are allowed")
    return wall / repeats


def check_agreement(shape, dtype, X, y, results):
    """Ends the program unless all columns trained the same thing."""
    objectives = {
        title: shape.objective(X, y, *params)
        for title, params in results.items()
        if title != PRODUCTS
    }
    reference = SKLEARN if SKLEARN in objectives else NUMPY
    expected = objectives[reference]
    for title, objective in objectives.items():
        # in this form, NaN fails
        if not abs(objective - expected) <= tolerance(shape, dtype, title) * expected:
            sys.exit(
                f"{shape.name}, {dtype}: {title} ended with training objective {objective:.10g}, "
                f"{reference} with {expected:.10g}; they do not train the same thing"
            )


def tolerance(shape, dtype, title):
    if shape.batch_size == 1:
        return INCREMENTAL_TOLERANCE
    if shape.solver == "lbfgs" or (title == PYTORCH and shape.solver == "adam"):
        return LOOSE_TOLERANCE
    return TOLERANCES[dtype]
