"""fit_batches: memory and time by the number of rows, and reading beside training.

    python benchmarks/streams.py                    # some five minutes; Markdown to stdout
    python benchmarks/streams.py --markdown benchmarks/streams.md
    python benchmarks/streams.py --sizes 10000 100000 --rounds 1        # a quick look

Rows. They are made as they are read, so that nothing but fit_batches holds any: one block of normal
numbers, multiplied by another factor for each batch. The times are those that the processor works
on an epoch, divided by its rows, the best of some rounds, in which sizes and ways take turns. The
thread that trains and the one that reads are counted apart: they work at the same time. fit gets
the same rows as one array, as far as that is sensible; the loop calls partial_fit for each batch.
For the memory, a child process for each number of rows fits something small as a warm-up, resets
the peak of its resident memory (on Linux), fits one epoch, and reads the peak.

Reading. What takes time to read: a source that waits, such as a disk or a network, for as long as
training takes; a CSV file read by pandas in pieces; a Parquet file read by its row groups. The
times of reading and of training alone, and of both at once.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep, thread_time

import numpy as np
from instruments.tables import cpu_model, fastbp_build, markdown_table, significant
from sklearn.exceptions import ConvergenceWarning

from fastbp import BackpropRegressor

SIZES = (10**4, 10**5, 10**6, 10**7)
N_FEATURES, BATCH, BUFFER = 20, 10_000, 50_000
LEAST_ROWS = 2 * 10**6  # trained in a round, in as many epochs as that takes
LARGEST_FIT = 10**6  # rows that fit gets as one array
READ_ROWS, READ_EPOCHS = 300_000, 3
MB = 1e6
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def make_model(n_epochs):
    # one thread: the other core is for the reader
    return BackpropRegressor(
        (100, 50), max_iter=n_epochs, n_iter_no_change=np.inf, random_state=0, n_threads=1
    )


def block_of_rows():
    X = np.random.default_rng(0).standard_normal((BATCH, N_FEATURES), dtype=np.float32)
    return X, np.sin(X[:, 0]) + X[:, 1]


def synthetic(n_rows):
    """A function whose iterators make n_rows rows."""
    X, y = block_of_rows()

    def batches():
        for start in range(0, n_rows, BATCH):
            rows = min(BATCH, n_rows - start)
            yield X[:rows] * np.float32(1 + start / n_rows), y[:rows]

    return batches


# --- rows


def ways_of(n_rows):
    """What is timed: functions of no arguments, each an epoch or several, and their number."""
    n_epochs = max(1, LEAST_ROWS // n_rows)
    batches = synthetic(n_rows)
    ways = {
        "fit_batches": partial(make_model(n_epochs).fit_batches, batches, buffer_rows=BUFFER),
        "loop": partial(loop, batches, n_epochs),
    }
    if n_rows <= LARGEST_FIT:
        X, y = map(np.concatenate, zip(*batches(), strict=True))
        ways["fit"] = partial(make_model(n_epochs).fit, X, y)
    return ways, n_epochs


def time_rows(sizes, n_rounds):
    """(size, way) -> processor seconds a row of an epoch: of the calling thread, and of others.

    Sizes and ways take turns; each number is the smallest of all rounds.
    """
    best = {}
    for _ in range(n_rounds):
        for n_rows in sizes:
            ways, n_epochs = ways_of(n_rows)
            for way, run in ways.items():
                own, every = thread_time(), process_time()
                run()
                own, every = thread_time() - own, process_time() - every
                times = np.array([own, every - own]) / n_epochs / n_rows
                best[n_rows, way] = np.minimum(times, best.get((n_rows, way), np.inf))
    return best


def measure_memory(n_rows):
    """Bytes that fit_batches adds at its peak; None where only Linux would tell."""
    make_model(1).fit_batches(synthetic(BATCH), buffer_rows=BUFFER)
    clear_refs = Path("/proc/self/clear_refs")
    if not clear_refs.exists():
        return None
    clear_refs.write_text("5")  # VmHWM restarts from VmRSS
    before = resident("VmRSS")
    make_model(1).fit_batches(synthetic(n_rows), buffer_rows=BUFFER)
    return resident("VmHWM") - before


def loop(batches, n_epochs):
    model = make_model(1)
    for _ in range(n_epochs):
        for X, y in batches():
            model.partial_fit(X, y)


def resident(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"no {name} in /proc/self/status")


def memory_of_child(n_rows):
    output = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(n_rows)],
        env={**os.environ, **ONE_THREAD},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(output.stdout)


def rows_table(sizes, n_rounds):
    best, lines = time_rows(sizes, n_rounds), []
    for n_rows in sizes:
        added = memory_of_child(n_rows)
        cells = [f"{n_rows:,}", f"{n_rows * (N_FEATURES + 1) * 4 / MB:.1f}"]
        cells.append("" if added is None else f"{added / MB:.1f}")
        cells += [f"{1e6 * time:.3f}" for time in best[n_rows, "fit_batches"]]
        cells.append(f"{1e6 * best[n_rows, 'loop'][0]:.3f}")
        fitted = best.get((n_rows, "fit"))
        cells.append("" if fitted is None else f"{1e6 * fitted[0]:.3f}")
        lines.append(cells)
    header = ["rows", "their size, MB", "memory added, MB", "fit_batches: training"]
    header += ["reading", "partial_fit loop", "fit"]
    return markdown_table(header, lines, n_left=0)


# --- reading beside training


def sources(folder, wait):
    """Functions of files of READ_ROWS rows, and of a source that waits for so long a batch."""
    X, y = map(np.concatenate, zip(*synthetic(READ_ROWS)(), strict=True))
    starts = range(0, READ_ROWS, BATCH)

    def waiting():
        for start in starts:
            sleep(wait)
            yield X[start : start + BATCH], y[start : start + BATCH]

    found = {"waiting for a disk": waiting}
    if find_spec("pandas"):
        import pandas as pd

        names = [f"x{j}" for j in range(N_FEATURES)]
        table = pd.DataFrame(X.round(4), columns=names).assign(y=y.round(4))
        table.to_csv(f"{folder}/rows.csv", index=False)

        def csv():
            for piece in pd.read_csv(f"{folder}/rows.csv", chunksize=BATCH, dtype=np.float32):
                yield piece[names], piece["y"]

        found["CSV by pandas"] = csv
    if find_spec("pandas") and find_spec("pyarrow"):
        import pyarrow.parquet as pq

        table.to_parquet(f"{folder}/rows.parquet", row_group_size=BATCH)

        def parquet():
            with pq.ParquetFile(f"{folder}/rows.parquet") as file:
                for group in range(file.num_row_groups):
                    piece = file.read_row_group(group).to_pandas()
                    yield piece[names], piece["y"]

        found["Parquet by pyarrow"] = parquet
    return found


def read_through(batches):
    for _ in range(READ_EPOCHS):
        for _ in batches():
            pass


def seconds_of(run, n_rounds=1):
    times = []
    for _ in range(n_rounds):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times)


def train(batches):
    make_model(READ_EPOCHS).fit_batches(batches, buffer_rows=BUFFER)


def reading_table(n_rounds):
    training = partial(train, synthetic(READ_ROWS))
    alone = seconds_of(training, n_rounds)
    best, lines = {}, []
    with TemporaryDirectory() as folder:
        found = sources(folder, alone / READ_EPOCHS / (READ_ROWS / BATCH))
        for _ in range(n_rounds):  # what is compared takes turns
            for name, batches in found.items():
                runs = [partial(read_through, batches), training, partial(train, batches)]
                runs.append(partial(loop, batches, READ_EPOCHS))
                seconds = np.array([seconds_of(run) for run in runs])
                best[name] = np.minimum(seconds, best.get(name, np.inf))
    alone = min(times[1] for times in best.values())
    for name, (reading, _, both, looped) in best.items():
        times = [reading, alone, reading + alone, both, looped]
        ratio = both / max(reading, alone)
        lines.append([name, *map(significant, times), f"{ratio:.2f}"])
    header = ["source", "reading, s", "training, s", "their sum, s", "fit_batches, s"]
    header += ["partial_fit loop, s", "fit_batches / the longer one"]
    return markdown_table(header, lines, n_left=1)


def report(sizes, n_rounds):
    return "\n\n".join(
        [
            f"{fastbp_build()}, one thread that trains and one that reads; {cpu_model()}, "
            f"{os.cpu_count()} cores. A 20-100-50-1 network, float32, Adam, steps of 200 rows; "
            f"batches of {BATCH:,} rows, a buffer of {BUFFER:,}; each time is the best of "
            f"{n_rounds}.",
            "Processor time, µs a row:",
            rows_table(sizes, n_rounds),
            f"Elapsed time of {READ_EPOCHS} epochs of {READ_ROWS:,} rows:",
            reading_table(n_rounds),
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.memory_of:
        print(json.dumps(measure_memory(arguments.memory_of)))
        return
    text = report(arguments.sizes, arguments.rounds)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
