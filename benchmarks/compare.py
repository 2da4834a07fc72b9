"""Time of a training step in fastbp beside NumPy, scikit-learn and PyTorch: one table.

    python benchmarks/compare.py                          # all rows, both dtypes: < 10 minutes
    python benchmarks/compare.py --quick                  # a first impression: about a minute
    python benchmarks/compare.py --rows digits big --dtypes float32 --markdown table.md

A row is a Shape (workloads.py) in one dtype, a column is a library (rivals.py).

What is timed: whole `fit()` calls, one thread. The time is divided by the number of steps
(mini-batches), so that it includes a share of what a fit costs once: checks of the input, initial
weights, encoding of the targets, and a shuffle an epoch. All columns of a row get the same data,
initial weights, batches and number of epochs, and none stops early.

How it is timed: in one process, round-robin: every round times each column once, so that a slow
phase of the machine hits all of them; the table has the median over the rounds. The number of
epochs is chosen so that a round takes about --budget seconds; a column that would be over in an
instant is repeated within its turn. The first round is warm-up, and the check of what is compared:
every column must have reached the training objective that scikit-learn reached (see TOLERANCES),
or the program stops with an error and prints no table.

Progress goes to stderr, the table (Markdown) to stdout, and to the file that --markdown names.
"""

import argparse
import platform
import sys
import warnings
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter

from rivals import FASTBP, SKLEARN, load_rivals
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits
from workloads import SHAPES, find_shape

DTYPES = ["float64", "float32"]
SHORTEST_TURN = 0.05  # seconds: what is over sooner is repeated, or the clock's noise shows

# How far a column's final training objective may be from scikit-learn's, relatively. In float64
# the same arithmetic is done in another order, and rounding is all that differs. PyTorch's Adam
# puts epsilon in another place, and float32 rounding grows over the steps: there the trajectories
# part, and the bound only says that the same problem was trained equally far.
TOLERANCES = {"float64": 1e-6, "float32": 0.1}
LOOSE_TOLERANCE = {"PyTorch": 0.1}


@dataclass
class Row:
    """The result for one shape and dtype: microseconds a step, by column."""

    shape: object
    dtype: str
    epochs: int
    microseconds: dict

    @property
    def speedup_over_sklearn(self):
        return self.microseconds[SKLEARN] / self.microseconds[FASTBP]

    @property
    def speedup_over_best_rival(self):
        rivals = [time for title, time in self.microseconds.items() if title != FASTBP]
        return min(rivals) / self.microseconds[FASTBP]


# --- measuring


def measure(shape, dtype, rivals, budget, n_rounds):
    """Calibrate, warm up and check, then time all columns round-robin."""
    X, y = shape.data(dtype)
    fits = {title: partial(run, shape, X, y) for title, run in rivals.items()}
    epochs, repeats = calibrate(fits, budget)
    check_agreement(shape, dtype, X, y, {title: fit(epochs) for title, fit in fits.items()})
    rounds = [
        {title: seconds(fit, epochs, repeats[title]) for title, fit in fits.items()}
        for _ in range(n_rounds)
    ]
    per_step = 1e6 / shape.n_steps(epochs)
    medians = {title: per_step * median(times[title] for times in rounds) for title in fits}
    return Row(shape, dtype, epochs, medians)


def seconds(fit, epochs, repeats=1):
    """Mean duration of a fit."""
    start = perf_counter()
    for _ in range(repeats):
        fit(epochs)
    return (perf_counter() - start) / repeats


def calibrate(fits, budget):
    """Epochs for a round of about `budget` seconds, and every column's repeats within it."""
    # twice, because a library's first call does more
    per_epoch = {title: min(seconds(fit, 1), seconds(fit, 1)) for title, fit in fits.items()}
    epochs = max(1, round(budget / sum(per_epoch.values())))
    repeats = {
        title: max(1, round(SHORTEST_TURN / (epochs * time))) for title, time in per_epoch.items()
    }
    return epochs, repeats


def check_agreement(shape, dtype, X, y, results):
    """A benchmark that compares unlike things is worse than none: stop."""
    objectives = {title: shape.objective(X, y, *params) for title, params in results.items()}
    expected = objectives[SKLEARN]
    for title, objective in objectives.items():
        tolerance = max(TOLERANCES[dtype], LOOSE_TOLERANCE.get(title, 0))
        # written so that NaN fails
        if not abs(objective - expected) <= tolerance * expected:
            sys.exit(
                f"{shape.name}, {dtype}: {title} ended with training objective {objective:.10g}, "
                f"{SKLEARN} with {expected:.10g}; they do not train the same thing"
            )


def measure_all(shapes, dtypes, rivals, budget, n_rounds):
    rows, start = [], perf_counter()
    for shape in shapes:
        for dtype in dtypes:
            progress(f"[{perf_counter() - start:4.0f} s] {shape.name}, {dtype} ...")
            rows.append(measure(shape, dtype, rivals, budget, n_rounds))
            progress("         " + summary(rows[-1]))
    return rows


def summary(row):
    times = ", ".join(f"{title} {time:.1f}" for title, time in row.microseconds.items())
    return f"{times} us/step; {row.speedup_over_sklearn:.1f}x scikit-learn ({row.epochs} epochs)"


def progress(line):
    print(line, file=sys.stderr, flush=True)


# --- the report


def report(rows):
    shape = rows[0].shape
    return "\n".join(
        [
            f"**Microseconds per training step**, {shape.solver.capitalize()}, "
            f"{shape.activation}, one thread; smaller is better. Whole `fit()` calls divided by "
            "their number of steps, fixed costs (checks, initial weights) included; medians of "
            "interleaved runs in one process.",
            "",
            environment(),
            "",
            markdown_table(rows),
        ]
    )


def environment():
    names = {"numpy": "NumPy", "scipy": "SciPy", "scikit-learn": "scikit-learn", "torch": "PyTorch"}
    libraries = [f"{title} {version(name)}" for name, title in names.items() if is_installed(name)]
    parts = [
        date.today().isoformat(),
        cpu_model(),
        fastbp_build(),
        f"Python {platform.python_version()}",
        *libraries,
        blas_versions(),
    ]
    return ", ".join(parts) + "."


def is_installed(name):
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def cpu_model():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def fastbp_build():
    import fastbp

    build = fastbp._kernels.core.__name__.rpartition(".")[2]
    return f"fastbp {fastbp.__version__} ({build})"


def blas_versions():
    """Every BLAS that is loaded: NumPy and SciPy bring one each, PyTorch its own."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    names = {
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in libraries
    }
    return "BLAS " + " and ".join(sorted(names))


def markdown_table(rows):
    """Columns padded, so that it reads as well in a terminal."""
    titles = list(rows[0].microseconds)
    header = ["samples, features, hidden, outputs, batch", "dtype", "MFLOP/step", "epochs", *titles]
    header += [f"{SKLEARN} / {FASTBP}", f"best rival / {FASTBP}"]
    cells = [header, *(table_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    rule = ["-" * width for width in widths[:2]] + ["-" * (width - 1) + ":" for width in widths[2:]]
    cells.insert(1, rule)
    return "\n".join(table_line(line, widths) for line in cells)


def table_line(cells, widths):
    padded = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def table_cells(row):
    shape = row.shape
    hidden = ", ".join(map(str, shape.hidden)) + ("," if len(shape.hidden) == 1 else "")
    sizes = f"{shape.n_samples}, {shape.n_features}, ({hidden}), {shape.n_outputs}"
    times = [
        f"**{significant(time)}**" if title == FASTBP else significant(time)
        for title, time in row.microseconds.items()
    ]
    return [
        f"{shape.name}: {sizes}, {shape.batch_size}",
        row.dtype,
        f"{shape.megaflops:.3g}",
        str(row.epochs),
        *times,
        f"{significant(row.speedup_over_sklearn)}x",
        f"{significant(row.speedup_over_best_rival)}x",
    ]


def significant(value):
    """Three significant digits without an exponent: 0.0123, 1.23, 123, 12345."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [shape.name for shape in SHAPES]
    parser.add_argument("--rows", nargs="+", choices=names, metavar="ROW", help=", ".join(names))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--budget", type=float, help="seconds of a round (default 3)")
    parser.add_argument("--quick", action="store_true", help="short rounds, and without 'big'")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here too")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    default_rows = [s.name for s in SHAPES if not (options.quick and s.name == "big")]
    shapes = [find_shape(name) for name in options.rows or default_rows]
    budget = options.budget or (0.4 if options.quick else 3)
    rivals = load_rivals()
    if FASTBP not in rivals:
        sys.exit("fastbp is not installed; `pip install .` in the project's root installs it")
    # every column runs to its last epoch on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(limits=1):
        rows = measure_all(shapes, options.dtypes, rivals, budget, 3 if options.quick else 5)
        text = report(rows)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")


if __name__ == "__main__":
    main()
