"""What fastbp costs besides the time of a step: fixed costs, memory of a fit, and the import.

    python benchmarks/overheads.py      # about two minutes; Markdown to stdout

Fixed costs: a fit of one epoch of a 1-10-1 network to 100 samples, which is almost all checks and
preparation, and the prediction of one row of a pandas DataFrame, which has names to check.

Memory (on Linux). The peak of a fit should be no more than

    input (X and y) + 3 x parameters (weights, Adam's two moments) + workspace of one batch

where the workspace is one batch's rows of X and y, activations, deltas and gradient. A child
process for each row and library fits something small as a warm-up, generates the data, touches
all of it, resets the peak of its resident memory, fits (two epochs of Adam) and reads the peak.
The table shows what the fit added beside what it may add, which is the bound less the input. A
fit that adds the size of X on top of that has copied X. The pages of a memory-mapped X are
resident before the fit, like those of an array, so both are measured in the same way. Both
libraries must reach the same objective (instruments/workloads.py), or there is no table.

Import. A child process imports sklearn.neural_network, then fastbp, and times both: the second
is what fastbp adds to the first. Median and quartiles of several children.
"""

import json
import os
import statistics
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from instruments.columns import FASTBP, SKLEARN
from instruments.tables import markdown_table, ratio, significant
from instruments.timing import interleaved, seconds
from instruments.workloads import SEED, Shape
from rivals import RIVALS

LIBRARIES = [FASTBP, SKLEARN]
EPOCHS = 2
N_IMPORTS = 15
MB = 1e6
SAME_OBJECTIVE = {"float64": 1e-6, "float32": 1e-2}  # float32 rounding grows over 2000 steps

TALL = Shape("regression", 200_000, 100, (64,), 1, 200)
CLASSES = replace(TALL, name="10 classes", n_outputs=10, output="softmax")
LARGE = Shape("large net, 10 classes", 4_000, 784, (512, 512), 10, 200, output="softmax")

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# malloc maps every block above 128 KiB by itself and returns it when freed. Otherwise the fit could
# reuse memory that was freed before it, and the peak would not show that.
GIVE_BACK = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), "131072")


@dataclass(frozen=True)
class Row:
    """One fit: a shape, its dtype, and whether X is a memory-mapped file."""

    shape: Shape
    dtype: str
    mapped: bool = False

    @property
    def title(self):
        shape = self.shape
        sizes = f"{shape.n_samples} x {shape.n_features}, hidden {'+'.join(map(str, shape.hidden))}"
        return f"{shape.name}{', X memory-mapped' if self.mapped else ''}: {sizes}"

    @property
    def allowed(self):
        """The bound less the input, in bytes."""
        sizes, n_params = self.shape.layer_sizes, self.shape.n_params
        # rows of X, activations and outputs; targets; sample weights; deltas of two layers
        batch = self.shape.batch_size * (sum(sizes) + sizes[-1] + 1 + 2 * max(sizes[1:]))
        return (3 * n_params + batch + n_params) * np.dtype(self.dtype).itemsize


ROWS = [
    Row(TALL, "float64"),
    Row(TALL, "float32"),
    Row(TALL, "float32", mapped=True),
    Row(CLASSES, "float32"),
    Row(LARGE, "float64"),
    Row(LARGE, "float32"),
]


def report():
    """All measurements, as Markdown."""
    return "\n\n".join([fixed_costs_report(), memory_report(), import_report()])


# --- fixed costs


def fixed_costs_report():
    lines = []
    for title, calls in fixed_costs().items():
        for call in calls.values():
            call()
        expected = {library: seconds(call, repeats=10) for library, call in calls.items()}
        times = interleaved(calls, expected, n_rounds=9)
        microseconds = [significant(1e6 * times[library]) for library in LIBRARIES]
        lines.append([title, *microseconds, ratio(times, SKLEARN, FASTBP)])
    header = ["", *LIBRARIES, f"{SKLEARN} / {FASTBP}"]
    return "**Fixed costs**, microseconds a call.\n\n" + markdown_table(header, lines, n_left=1)


def fixed_costs():
    """title -> {library: a call}"""
    from sklearn.neural_network import MLPRegressor

    from fastbp import BackpropRegressor

    rng = np.random.RandomState(SEED)
    X, columns = rng.standard_normal((100, 1)), rng.standard_normal((200, 8))
    settings = {"hidden_layer_sizes": (10,), "max_iter": 1, "random_state": SEED}
    models = {FASTBP: BackpropRegressor(**settings), SKLEARN: MLPRegressor(**settings)}
    fits = {title: partial(model.fit, X, np.sin(X[:, 0])) for title, model in models.items()}
    costs = {"fit of 1-10-1, one epoch": fits}
    if find_spec("pandas"):
        import pandas as pd

        table = pd.DataFrame(columns, columns=[f"x{j}" for j in range(8)])
        fitted = {
            title: type(model)(**settings).fit(table, columns[:, 0])
            for title, model in models.items()
        }
        costs["predict of one row of a DataFrame"] = {
            title: partial(model.predict, table.iloc[:1]) for title, model in fitted.items()
        }
    return costs


# --- memory


def memory_report():
    if not Path("/proc/self/clear_refs").exists():
        return "**Memory of a fit**: not measured, because only Linux reports the peak."
    header = ["data and net", "dtype", "input", "parameters", "may add"]
    header += [f"{title} added" for title in LIBRARIES] + ["copied X"]
    return (
        f"**Memory of a fit** at its peak, MB, {EPOCHS} epochs of Adam, batches of "
        f"{TALL.batch_size}. Input is X and y. A fit may add 3 x parameters + workspace of one "
        "batch: its rows, activations, deltas, gradient.\n\n"
        + markdown_table(header, [memory_cells(row) for row in ROWS], n_left=2)
    )


def memory_cells(row):
    fits = {title: run_child("memory", str(ROWS.index(row)), title) for title in LIBRARIES}
    expected = fits[SKLEARN]["objective"]
    if not abs(fits[FASTBP]["objective"] - expected) <= SAME_OBJECTIVE[row.dtype] * expected:
        sys.exit(f"{row.title}, {row.dtype}: the libraries do not train the same thing: {fits}")
    params = row.shape.n_params * np.dtype(row.dtype).itemsize
    added = [fit["added"] for fit in fits.values()]
    copied = [title for title, fit in fits.items() if fit["added"] >= row.allowed + fit["X"]]
    megabytes = [
        f"{number / MB:.1f}" for number in (fits[FASTBP]["input"], params, row.allowed, *added)
    ]
    return [row.title, row.dtype, *megabytes, ", ".join(copied) or "none"]


def measure_memory(row, title):
    """What a child process does; "added" are the bytes that one fit adds at its peak."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    run = RIVALS[title].load()
    small = replace(row.shape, n_samples=2 * row.shape.batch_size)
    run(small, *small.data(row.dtype), EPOCHS)
    with TemporaryDirectory() as folder:
        X, y = row.shape.data(row.dtype)
        if row.mapped:
            np.save(f"{folder}/X.npy", X)
            X = np.load(f"{folder}/X.npy", mmap_mode="r")
        X.sum()
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM restarts from VmRSS
        before = resident("VmRSS")
        coefs, intercepts = run(row.shape, X, y, EPOCHS)
        added = resident("VmHWM") - before
        objective = row.shape.objective(X, y, coefs, intercepts)
    return {"added": added, "X": X.nbytes, "input": X.nbytes + y.nbytes, "objective": objective}


def resident(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"no {name} in /proc/self/status")


# --- import


def import_report():
    run_child("import")  # writes the bytecode and warms the disk cache
    times = [run_child("import") for _ in range(N_IMPORTS)]
    sklearn, fastbp = (
        statistics.quantiles([time[title] for time in times], n=4) for title in (SKLEARN, FASTBP)
    )
    return (
        f"**Import**, median and quartiles of {N_IMPORTS} processes: `sklearn.neural_network` "
        f"{spread(sklearn)}, `fastbp` after it {spread(fastbp)}."
    )


def spread(quartiles):
    low, median, high = (1e3 * seconds for seconds in quartiles)
    return f"{median:.1f} ms ({low:.1f} to {high:.1f})"


# run in a child process, because this one has imported too much already
TIMED_IMPORTS = f"""
import json
from time import perf_counter

start = perf_counter()
import sklearn.neural_network
between = perf_counter()
import fastbp
end = perf_counter()
print(json.dumps({{"{SKLEARN}": between - start, "{FASTBP}": end - between}}))
"""


# --- children


def run_child(what, *arguments):
    code = [__file__, *arguments] if what == "memory" else ["-c", TIMED_IMPORTS]
    environment = {**os.environ, **ONE_THREAD, **GIVE_BACK}
    output = subprocess.run(
        [sys.executable, *code], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(output.stdout)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure_memory(ROWS[int(sys.argv[1])], sys.argv[2])))
    else:
        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)
        print(report())
