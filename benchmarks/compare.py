"""How fast fastbp is beside NumPy, Numba, scikit-learn, PyTorch, JAX and FANN: one report.

    python benchmarks/compare.py                          # everything, both dtypes: 20 minutes
    python benchmarks/compare.py --quick                  # a first impression: about five minutes
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
error and prints no table. The rows with two threads, on idle cores and beside busy processes, are
measured in a process of their own (several_threads.py), and so is each build (builds.py).

The report begins with an overview, which has all ratios of a row in one line. After the tables of
fits come the times of a prediction (predictions.py), then what a fit costs once, its memory, and
the time of the import (overheads.py). Progress goes to stderr; the report, in Markdown, goes to
stdout and to the file that --markdown names.
"""

import argparse
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import builds
import joblib
import overheads
import predictions
import several_threads
from instruments import plot
from instruments.columns import FASTBP, JAX, PRODUCTS, PYTORCH, SKLEARN
from instruments.internals import best_builds, timed_evaluations
from instruments.limits import bare_products, takes_large_products
from instruments.tables import environment, fits_table, overview_table, peaks
from instruments.timing import measure_all, progress
from instruments.workloads import (
    INCREMENTAL_EPOCHS,
    LBFGS_ITERATIONS,
    SHAPES,
    TABLES,
    VARIANTS,
)
from rivals import RIVALS, load_rivals
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

DTYPES = ["float64", "float32"]
TWO_THREADS = ["digits", "digits-32", "tabular", "wide", "images", "big"]
BUSY = ["digits", "wide"]
THREADS, NEIGHBOURS, BUILDS = "two-threads", "neighbours", "builds"
PREDICTIONS, OVERHEADS = "predictions", "overheads"
SECTIONS = [THREADS, NEIGHBOURS, BUILDS, PREDICTIONS, OVERHEADS]
NOT_QUICK = {"big", "wide-sgd", "wide-logistic", "wide-tanh", OVERHEADS}
SCIPY_ROUNDS = 15

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
        f"output. FANN trains by `fann_train_epoch`. {INCREMENTAL_EPOCHS} epochs."
    ),
    "L-BFGS": f"{LBFGS_ITERATIONS} iterations over all rows; a step is an iteration.",
}


@dataclass
class Results:
    """All rows that have been measured, for the overview."""

    one_thread: dict = field(default_factory=dict)  # title of a table -> its rows
    idle: list = field(default_factory=list)
    busy: list = field(default_factory=list)
    builds: list = field(default_factory=list)


def measure_fits(options, rivals):
    results = Results()
    for title, table in TABLES.items():
        rows = measure_all(chosen(table, options), rivals, *how(options), n_threads=1)
        if rows:
            results.one_thread[title] = rows
    if joblib.cpu_count() > 1:
        results.idle = several_rows(options, THREADS, "idle", TWO_THREADS)
        results.busy = several_rows(options, NEIGHBOURS, "busy", BUSY)
    if BUILDS in options.rows and len(best_builds()) > 1:
        shapes = [shape for shape in (*SHAPES, *VARIANTS) if shape.name not in skipped(options)]
        results.builds = builds.measure_rows(shapes, options.dtypes, n_rounds(options))
    return results


def several_rows(options, section, situation, names):
    """Rows with one and two threads, of a section of the report that is asked for."""
    names = [name for name in names if name not in skipped(options)]
    if section not in options.rows:
        return []
    progress(f"{section} ...")
    dtypes, budget, rounds = how(options)
    # neighbours take half of each core
    budget *= 2 if situation == "busy" else 1
    return several_threads.rows_of(situation, names, dtypes, budget, rounds)


def chosen(table, options):
    return [shape for shape in table if shape.name in options.rows]


def how(options):
    return options.dtypes, options.budget, n_rounds(options)


def n_rounds(options):
    return 3 if options.quick else 5


def skipped(options):
    return NOT_QUICK if options.quick else set()


# --- the sections of the report


def sections_of_fits(results):
    overview = [
        row
        for rows in results.one_thread.values()
        for row in rows
        if row.shape in (*SHAPES, *VARIANTS)
    ]
    if overview:
        yield (
            f"**Overview**: {FASTBP}'s microseconds per step, beside the best rival's and beside "
            "two limits. Of FMA peak: the rate of the step's products, if they took all of its "
            "time. Its products: the same products in BLAS, and nothing else. The columns of "
            "threads compare fits with one thread, two and the default number, on idle cores and "
            "beside processes that keep all cores busy.\n\n"
            + overview_table(overview, results.idle, results.busy, results.builds)
        )
    for title, rows in results.one_thread.items():
        notes = [EXPLANATIONS[title]]
        if title == "L-BFGS":
            notes.append(scipy_note([row.shape for row in rows]))
        text = " ".join(filter(None, notes))
        yield f"**{title}.** {text}".strip() + "\n\n" + fits_table(rows)
    if results.idle:
        yield (
            f"**Two threads.** {SKLEARN}, {PYTORCH} and {JAX} with two, {FASTBP} with one, two and "
            "its default. Adam, relu. Quote these figures only if both cores were otherwise idle: "
            "other processes slow down threads that wait by spinning.\n\n"
            + fits_table(results.idle)
        )
    if results.busy:
        yield (
            "**Beside busy neighbours**: the same, while other processes, one for each core, keep "
            "all cores busy.\n\n" + fits_table(results.busy)
        )
    if results.builds:
        yield builds.table(results.builds)


def scipy_note(shapes):
    shares = ", ".join(f"{shape.name} {scipy_share(shape):.0%}" for shape in shapes)
    return f"Of {FASTBP}'s time, outside its compiled loss and gradient (SciPy's L-BFGS): {shares}."


def scipy_share(shape):
    """The share of a fit's time outside the compiled loss and gradient."""
    X, y = shape.data("float64")
    run = RIVALS[FASTBP].load()
    run(shape, X, y, LBFGS_ITERATIONS)
    shares = []
    for _ in range(SCIPY_ROUNDS):
        with timed_evaluations() as inside:
            start = perf_counter()
            run(shape, X, y, LBFGS_ITERATIONS)
            shares.append(1 - inside.seconds / (perf_counter() - start))
    return median(shares)


# --- the program


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [shape.name for table in TABLES.values() for shape in table]
    names += SECTIONS
    parser.add_argument("--rows", nargs="+", choices=names, metavar="ROW", help=", ".join(names))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--budget", type=float, help="seconds of a round (default 1)")
    parser.add_argument("--quick", action="store_true", help="short rounds, without the longest")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report here too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw Adam and relu, as a PNG")
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
    os.environ["NPROC"] = "1"  # read by XLA when JAX starts
    rivals = load_rivals()
    rivals[PRODUCTS] = bare_products, takes_large_products
    with threadpool_limits(limits=1):
        text = report(options, rivals)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")


def report(options, rivals):
    results = measure_fits(options, rivals)
    sections = [HEADING, environment(), peaks(options.dtypes), *sections_of_fits(results)]
    if PREDICTIONS in options.rows:
        progress("predictions ...")
        sections.append(predictions.report(options.dtypes, n_rounds(options)))
        sections.append(predictions.report_of_all_threads(options.dtypes, n_rounds(options)))
    if OVERHEADS in options.rows:
        progress("fixed costs, memory and imports ...")
        sections.append(overheads.report())
    if options.plot and "Adam, relu" in results.one_thread:
        progress("plot ...")
        plot.draw(results.one_thread["Adam, relu"], options.plot)
    return "\n\n".join(sections)


if __name__ == "__main__":
    main()
