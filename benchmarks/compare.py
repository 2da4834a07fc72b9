"""How fast fastbp is beside NumPy, Numba, scikit-learn, PyTorch, JAX and FANN: one report.

    python benchmarks/compare.py                          # everything, both dtypes: < 10 minutes
    python benchmarks/compare.py --quick                  # a first impression: about four minutes
    python benchmarks/compare.py --rows digits big --dtypes float32 --markdown table.md
    python benchmarks/compare.py --plot steps.png         # the fits with Adam and relu, drawn too

A row is a Shape (instruments/workloads.py) in one dtype. A column is a library that is installed
(rivals/), or the bare matrix products (instruments/limits.py).

What is timed: whole `fit()` calls. The time is divided by the number of steps (mini-batches), so
it includes a share of what a fit costs once: checks of the input, initial weights, encoding of
the targets, and one shuffle an epoch. All columns of a row get the same data, initial weights,
batches and number of epochs, and none stops early. Compilation (JAX, Numba) is not included.

How it is timed (instruments/timing.py): in one process, interleaved; medians. Every column must
reach scikit-learn's training objective and keep to its threads, or the program stops with an
error and prints no table. The rows with two threads are measured in a process of their own,
because some libraries fix their number of threads when they start. All its columns are
interleaved, too.

Next are the times of a prediction (predictions.py), then the memory of a fit and the time of the
import (overheads.py). Progress goes to stderr; the report, in Markdown, goes to stdout and to the
file that --markdown names.
"""

import argparse
import os
import subprocess
import sys
import warnings
from pathlib import Path
from time import perf_counter

import joblib
import overheads
import predictions
from instruments import plot
from instruments.columns import FASTBP, FASTBP_ALONE, JAX, PRODUCTS, PYTORCH, SKLEARN
from instruments.internals import timed_evaluations
from instruments.limits import bare_products, takes_large_products
from instruments.tables import environment, fits_table
from instruments.timing import measure
from instruments.workloads import LBFGS, LBFGS_ITERATIONS, SHAPES, TABLES, find_shape
from rivals import RIVALS, load_rivals
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

DTYPES = ["float64", "float32"]
TWO_THREADS = ["digits", "wide", "images", "big"]
PREDICTIONS, THREADS, OVERHEADS = "predictions", "two-threads", "overheads"
NOT_QUICK = {"big", "wide-sgd", "wide-logistic", "wide-tanh", OVERHEADS}

HEADING = (
    "**Microseconds per training step**, with one thread unless stated otherwise; smaller is "
    "better. Whole `fit()` calls divided by their number of steps, fixed costs (checks, initial "
    'weights) included; medians of interleaved runs. "Best rival" is the fastest of the other '
    "libraries; the products in BLAS are the bare matrix products of a step, where they are 4 "
    "MFLOP or more."
)
EXPLANATIONS = {
    "Adam, relu": "",
    "Other solvers and activations, and a CSR matrix": (
        "The name of a row says what differs from Adam, relu; sgd has Nesterov momentum. The CSR "
        "matrix has ten entries a row."
    ),
    "Incremental training": (
        "Batches of one row in the rows' order, gradient descent without momentum, logistic "
        "hidden and output units, squared error: a step is a row. scikit-learn has no such "
        "output. FANN trains by `fann_train_epoch`."
    ),
    "L-BFGS": f"{LBFGS_ITERATIONS} iterations over all rows; a step is an iteration.",
}


# --- the sections of the report


def fits_sections(options, rivals):
    """A table for each kind of fit; returns them, and the rows of SHAPES for the plot."""
    sections, drawn = [], []
    for title, table in TABLES.items():
        shapes = [shape for shape in table if shape.name in options.rows]
        rows = measure_all(shapes, options, rivals, n_threads=1)
        if rows:
            notes = [EXPLANATIONS[title]]
            if table is LBFGS:
                notes.append(scipy_note([row.shape for row in rows]))
            text = " ".join(filter(None, notes))
            sections.append(f"**{title}.** {text}".strip() + "\n\n" + fits_table(rows))
        if table is SHAPES:
            drawn = rows
    return sections, drawn


def scipy_note(shapes):
    shares = ", ".join(f"{shape.name} {scipy_share(shape):.0%}" for shape in shapes)
    return f"Of {FASTBP}'s time, outside its compiled loss and gradient (SciPy's L-BFGS): {shares}."


def scipy_share(shape):
    """The share of a fit's time outside the compiled loss and gradient."""
    X, y = shape.data("float64")
    run = RIVALS[FASTBP].load()
    run(shape, X, y, LBFGS_ITERATIONS)
    with timed_evaluations() as inside:
        start = perf_counter()
        for _ in range(5):
            run(shape, X, y, LBFGS_ITERATIONS)
        total = perf_counter() - start
    return 1 - inside.seconds / total


def two_threads_section(options):
    """Measured by this program in a second process; no section on a machine with one core."""
    if joblib.cpu_count() < 2:
        return []
    command = [sys.executable, __file__, "--in-two-threads", "--dtypes", *options.dtypes]
    command += ["--budget", str(options.budget)] + (["--quick"] if options.quick else [])
    table = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [
        f"**Two threads.** {SKLEARN}, {PYTORCH} and {JAX} with two, {FASTBP} with one and with "
        "two. Adam, relu. Quote these figures only if both cores were otherwise idle: other "
        "processes slow down threads that wait by spinning.\n\n" + table.strip()
    ]


def in_two_threads(options):
    rivals = load_rivals([SKLEARN, PYTORCH, JAX, FASTBP], n_threads=2)
    rivals[FASTBP_ALONE] = RIVALS[FASTBP].load(), RIVALS[FASTBP].takes
    shapes = [find_shape(name) for name in TWO_THREADS if name not in skipped(options)]
    return fits_table(measure_all(shapes, options, rivals, n_threads=2))


# --- measuring


def measure_all(shapes, options, rivals, n_threads):
    rows = []
    for shape in shapes:
        for dtype in shape.dtypes:
            if dtype not in options.dtypes:
                continue
            progress(f"{shape.name}, {dtype} ...")
            rows.append(measure(shape, dtype, rivals, options.budget, n_rounds(options), n_threads))
            times = ", ".join(f"{t} {time:.1f}" for t, time in rows[-1].microseconds.items())
            progress(f"    {times} us/step ({rows[-1].epochs} epochs)")
    return rows


def n_rounds(options):
    return 3 if options.quick else 5


def skipped(options):
    return NOT_QUICK if options.quick else set()


def progress(line, start=perf_counter()):  # noqa: B008 - evaluated once, at the start
    print(f"[{perf_counter() - start:4.0f} s] {line}", file=sys.stderr, flush=True)


# --- the program


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [shape.name for table in TABLES.values() for shape in table]
    names += [THREADS, PREDICTIONS, OVERHEADS]
    parser.add_argument("--rows", nargs="+", choices=names, metavar="ROW", help=", ".join(names))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--budget", type=float, help="seconds of a round (default 1)")
    parser.add_argument("--quick", action="store_true", help="short rounds, without the longest")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report here too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw Adam and relu, as a PNG")
    parser.add_argument("--in-two-threads", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rows = options.rows or [name for name in names if name not in skipped(options)]
    options.budget = options.budget or (0.2 if options.quick else 1.0)
    return options


def main(arguments=None):
    options = parse_arguments(arguments)
    if not RIVALS[FASTBP].is_installed:
        sys.exit("fastbp is not installed; `pip install .` in the project's root installs it")
    # no column stops before its last epoch, on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    n_threads = 2 if options.in_two_threads else 1
    os.environ["NPROC"] = str(n_threads)  # read by XLA when JAX starts
    if options.in_two_threads:
        with threadpool_limits(limits=n_threads):
            print(in_two_threads(options))
        return
    rivals = load_rivals()
    rivals[PRODUCTS] = bare_products, takes_large_products
    with threadpool_limits(limits=n_threads):
        text = report(options, rivals)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")


def report(options, rivals):
    sections, drawn = fits_sections(options, rivals)
    if THREADS in options.rows:
        sections += two_threads_section(options)
    if PREDICTIONS in options.rows:
        progress("predictions ...")
        sections.append(predictions.report(options.dtypes, n_rounds(options)))
    if OVERHEADS in options.rows:
        progress("memory and imports ...")
        sections.append(overheads.report())
    if options.plot and drawn:
        progress("plot ...")
        plot.draw(drawn, options.plot)
    return "\n\n".join([HEADING, environment(), *sections])


if __name__ == "__main__":
    main()
