"""Fits with two threads: on idle cores, and beside other processes that keep all cores busy.

    python benchmarks/several_threads.py idle --rows digits wide       # rows as JSON, to stdout
    python benchmarks/several_threads.py busy --rows digits --dtypes float64

A process of its own, because some libraries fix their number of threads when they start. The other
libraries have two threads. fastbp has one, two, and its default, which it chooses by what it sees.
All columns are interleaved and checked as in compare.py, which shows the rows.

The neighbours are processes that count, one for each core, in the same class of priority.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from contextlib import contextmanager, nullcontext

from instruments.columns import FASTBP, FASTBP_ALONE, FASTBP_TWO, JAX, PYTORCH, SKLEARN
from instruments.timing import Row, measure_all
from instruments.workloads import find_shape
from rivals import RIVALS, load_rivals
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

N_THREADS = 2
NEIGHBOURS = "while True: pass"


def rows_of(situation, names, dtypes, budget, n_rounds):
    """Rows of shapes, measured in a second process; situation: "idle" or "busy"."""
    command = [sys.executable, __file__, situation, "--rows", *names, "--dtypes", *dtypes]
    command += ["--budget", str(budget), "--rounds", str(n_rounds)]
    # NPROC is read by XLA when JAX starts
    environment = {**os.environ, "NPROC": str(N_THREADS)}
    output = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    return [Row(find_shape(name), *fields) for name, *fields in json.loads(output)]


@contextmanager
def busy_cores():
    neighbours = [
        subprocess.Popen([sys.executable, "-c", NEIGHBOURS]) for _ in range(os.cpu_count())
    ]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("situation", choices=["idle", "busy"])
    parser.add_argument("--rows", nargs="+", required=True, metavar="ROW")
    parser.add_argument("--dtypes", nargs="+", default=["float64", "float32"])
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    # no column stops before its last epoch, on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    titles = [SKLEARN, PYTORCH] if options.situation == "busy" else [SKLEARN, PYTORCH, JAX]
    rivals = load_rivals(titles, n_threads=N_THREADS)
    ours = RIVALS[FASTBP]
    for title, n_threads in ((FASTBP_ALONE, 1), (FASTBP_TWO, N_THREADS), (FASTBP, None)):
        rivals[title] = ours.load(n_threads), ours.takes
    shapes = [find_shape(name) for name in options.rows]
    neighbours = busy_cores() if options.situation == "busy" else nullcontext()
    with threadpool_limits(limits=N_THREADS), neighbours:
        rows = measure_all(
            shapes, rivals, options.dtypes, options.budget, options.rounds, N_THREADS
        )
    print(json.dumps([(row.shape.name, row.dtype, row.epochs, row.microseconds) for row in rows]))


if __name__ == "__main__":
    main()
