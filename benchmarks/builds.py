"""The builds of fastbp side by side: what AVX-512 gains over AVX2. One thread.

    python benchmarks/builds.py      # two minutes; Markdown to stdout

A process imports one build (FASTBP_ISA), so each has a process of its own, which fits what it is
asked to. They take turns; a round times each of them once. All builds must reach the objective of
the first, or there is no table. The builds are the best two that run here.
"""

import json
import os
import subprocess
import sys
import warnings
from contextlib import ExitStack
from functools import partial
from statistics import median

from instruments.columns import FASTBP
from instruments.internals import best_builds
from instruments.tables import markdown_table, ratio, row_label, significant
from instruments.timing import SHORTEST_TURN, TOLERANCES, Row, progress, seconds
from instruments.workloads import SHAPES, VARIANTS, find_shape
from rivals import RIVALS
from threadpoolctl import threadpool_limits

TURN = 2 * SHORTEST_TURN


class Build:
    """A process that fits with one build of fastbp."""

    def __init__(self, name):
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--answer"],
            env={**os.environ, "FASTBP_ISA": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, shape, dtype, epochs, repeats=1):
        """(seconds of a fit, the objective that it reaches)"""
        print(
            json.dumps([shape.name, dtype, epochs, repeats]), file=self._process.stdin, flush=True
        )
        return json.loads(self._process.stdout.readline())


def answer():
    """What the process of a build does: one line of JSON for each line that it is sent."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    run = RIVALS[FASTBP].load()
    with threadpool_limits(limits=1):
        for line in sys.stdin:
            name, dtype, epochs, repeats = json.loads(line)
            shape = find_shape(name)
            X, y = shape.data(dtype)
            time = seconds(partial(run, shape, X, y, epochs), repeats)
            print(json.dumps([time, shape.objective(X, y, *run(shape, X, y, 1))]), flush=True)


def measure_rows(shapes, dtypes, n_rounds):
    """A Row for each shape and dtype, whose columns are the builds."""
    with ExitStack() as stack:
        builds = [stack.enter_context(Build(name)) for name in best_builds()]
        return [
            measure(shape, dtype, builds, n_rounds)
            for shape in shapes
            for dtype in shape.dtypes
            if dtype in dtypes
        ]


def measure(shape, dtype, builds, n_rounds):
    progress(f"builds, {shape.name}, {dtype} ...")
    answers = [build.ask(shape, dtype, 1) for build in builds]
    check_objectives(shape, dtype, [objective for _, objective in answers])
    slowest = max(build.ask(shape, dtype, 1)[0] for build in builds)
    epochs = max(1, round(TURN / slowest))
    rounds = [
        {build.name: build.ask(shape, dtype, epochs)[0] for build in builds}
        for _ in range(n_rounds)
    ]
    per_step = 1e6 / shape.n_steps(epochs)
    times = {name: per_step * median(times[name] for times in rounds) for name in rounds[0]}
    return Row(shape, dtype, epochs, times)


def check_objectives(shape, dtype, objectives):
    # the builds of float32 differ by rounding only, and after one epoch by little
    for objective in objectives:
        if not abs(objective - objectives[0]) <= TOLERANCES[dtype] * objectives[0]:
            sys.exit(f"{shape.name}, {dtype}: the builds reach different objectives: {objectives}")


def table(rows):
    names = list(rows[0].microseconds)
    header = ["samples, features, hidden, outputs, batch", "dtype", *names, " / ".join(names)]
    lines = [
        [
            row_label(row.shape),
            row.dtype,
            *(significant(row.microseconds[name]) for name in names),
            ratio(row.microseconds, names[0], names[-1]),
        ]
        for row in rows
    ]
    return "**Builds**, microseconds per step.\n\n" + markdown_table(header, lines, n_left=2)


if __name__ == "__main__":
    if "--answer" in sys.argv:
        answer()
    else:
        print(table(measure_rows([*SHAPES, *VARIANTS], ["float64", "float32"], 5)))
