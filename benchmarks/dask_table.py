"""Fits with Dask: bytes and seconds a round, bits after a kill, local epochs, 64 workers on paper.

    python benchmarks/dask_table.py                  # some two minutes; Markdown to stdout
    python benchmarks/dask_table.py rounds paper epochs --markdown benchmarks/dask.md

Workers are processes of one thread on this machine. Times are those of the fastest round. Bytes are
those that workers, scheduler and this process send over the loopback device: nothing else should
use it meanwhile.

The time of a round of W workers with S shards and p parameters is put together from

    tasks    (1 + S + S/8 + ...) t_task         t_task: measured, with next to no data
    message  (1 + ceil(log2 W)) (L + 8 p / B)   from the scheduler to one worker, then doubling
    compute  ceil(S / W) / S * n * c            c: seconds a sample, measured in one process
    sums     (2 + levels) (L + 8 * 8 p / B)     a worker fetches 8 vectors for each sum of 8

with latency L and bandwidth B. On one machine L and B are those of its memory and left out.
"""

import argparse
import math
import os
import signal
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np

N_FEATURES, N_CLASSES, HIDDEN = 40, 5, (128, 64)
TASKS_OF_A_SUM = 8
TINY = 64  # samples: nothing but overhead
SHARDS_PER_WORKER = 2


def make_data(n_samples, seed=0):
    """Classes by the largest of as many outputs of a random network, with noise."""
    rng, of_network = np.random.default_rng(seed), np.random.default_rng(1)
    X = rng.standard_normal((n_samples, N_FEATURES))
    inner = of_network.standard_normal((N_FEATURES, 20)) / 4
    outer = of_network.standard_normal((20, N_CLASSES))
    noise = 0.3 * rng.standard_normal((n_samples, N_CLASSES))
    return X, np.argmax(np.tanh(X @ inner) @ outer + noise, axis=1)


def make(**parameters):
    from fastbp.dask import DaskBackpropClassifier

    defaults = {"hidden_layer_sizes": HIDDEN, "random_state": 0, "tol": 0.0}
    return DaskBackpropClassifier(**(defaults | {"n_iter_no_change": np.inf} | parameters))


def divided(arrays, n_partitions):
    import dask.array as da

    rows = -(-len(arrays[0]) // n_partitions)
    return [da.from_array(array, chunks=(rows, *array.shape[1:])) for array in arrays]


def start_cluster(n_workers):
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )
    return Client(cluster, set_as_default=False)


def close(client):
    client.close()
    client.cluster.close()


def loopback_bytes():
    import psutil

    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent


def measured_fit(model, data, client):
    """The fit, and the bytes that were sent meanwhile."""
    before = loopback_bytes()
    model.fit(*data, client=client)
    return model, loopback_bytes() - before


def per_round(client, data, n_rounds, **parameters):
    """(seconds, bytes) of a round: the shortest time, and what more rounds send more."""
    from fastbp.dask import rounds

    durations, total = [], rounds.Rounds.total

    def timed(self, *arguments):
        began = time.perf_counter()
        try:
            return total(self, *arguments)
        finally:
            durations.append(time.perf_counter() - began)

    rounds.Rounds.total = timed
    try:
        measured_fit(make(max_iter=1, **parameters), data, client)  # the workers import fastbp
        few, bytes_of_few = measured_fit(make(max_iter=2, **parameters), data, client)
        durations.clear()
        many, bytes_of_many = measured_fit(make(max_iter=2 + n_rounds, **parameters), data, client)
    finally:
        rounds.Rounds.total = total
    n_more = many.n_rounds_ - few.n_rounds_
    return min(durations), (bytes_of_many - bytes_of_few) / n_more


# --- partitions, workers, rounds, bytes, seconds, equality after a kill ---


def fit_with_a_kill(model, data, client):
    """The fit, during whose third round a worker is killed."""
    from fastbp.dask import rounds

    total = rounds.Rounds.total

    def kill_then_ask(self, *arguments):
        if self.n_rounds == 3:
            pid = next(iter(client.cluster.workers.values())).pid
            os.kill(pid, signal.SIGKILL)
        return total(self, *arguments)

    rounds.Rounds.total = kill_then_ask
    try:
        return model.fit(*data, client=client)
    finally:
        rounds.Rounds.total = total


def table_of_rounds(n_samples=20_000, n_rounds=20):
    arrays = make_data(n_samples)
    undisturbed, rows = {}, []
    for n_workers, numbers in ((1, [8]), (2, [8, 64]), (4, [64])):
        client = start_cluster(n_workers)
        for n_partitions in numbers:
            data = divided(arrays, n_partitions)
            for solver in "lbfgs", "adam":
                key, model = (solver, n_partitions), make(solver=solver, max_iter=6)
                if key not in undisturbed:
                    undisturbed[key] = make(solver=solver, max_iter=6).fit(*data)
                here = undisturbed[key]
                seconds, n_bytes = per_round(client, data, n_rounds, solver=solver)
                fit_with_a_kill(model, data, client)
                client.wait_for_workers(n_workers)
                same = (model.network_.params == here.network_.params).all()
                n_params = here.network_.n_params
                rows.append(
                    [
                        solver,
                        n_partitions,
                        n_workers,
                        f"{n_bytes / 1e6:.2f}",
                        f"{n_bytes / (8 * n_params * n_workers):.1f}",
                        f"{1000 * seconds:.0f}",
                        here.n_rounds_,
                        "yes" if same else "NO",
                    ]
                )
        close(client)
    header = [
        "solver",
        "partitions",
        "workers",
        "MB a round",
        "the same in parameters x workers",
        "ms of the fastest round",
        "rounds of a fit with a kill",
        "its bits are those without",
    ]
    return f"{n_params:,} parameters, {n_samples:,} samples.\n\n{markdown(header, rows)}"


# --- 64 workers on paper ---


def n_tasks(n_shards):
    total, n_nodes = 1 + n_shards, n_shards
    while n_nodes > 1:
        n_nodes = -(-n_nodes // TASKS_OF_A_SUM)
        total += n_nodes
    return total


def overhead(n_workers, n_params, task_seconds, latency=0.0, bandwidth=np.inf):
    """Seconds of a round without its arithmetic."""
    n_shards = 2 ** math.ceil(math.log2(SHARDS_PER_WORKER * n_workers))
    levels = math.ceil(math.log(n_shards, TASKS_OF_A_SUM))
    hops = 1 + math.ceil(math.log2(n_workers))
    return (
        n_tasks(n_shards) * task_seconds
        + hops * (latency + 8 * n_params / bandwidth)
        + (2 + levels) * (latency + TASKS_OF_A_SUM * 8 * n_params / bandwidth)
    )


def seconds_per_sample(arrays):
    """Of processor time, in one thread: what else the machine does hardly matters then."""
    from fastbp import BackpropClassifier

    settings = dict(solver="rprop", random_state=0, tol=0, n_threads=1)
    few, many = (BackpropClassifier(HIDDEN, max_iter=n, **settings) for n in (2, 12))
    fastest = [min(seconds_of(partial(one.fit, *arrays)) for _ in range(5)) for one in (few, many)]
    return (fastest[1] - fastest[0]) / 10 / len(arrays[0])


def seconds_of(action):
    began = time.process_time()
    action()
    return time.process_time() - began


def table_on_paper():
    per_sample = np.inf
    client = start_cluster(2)
    sizes = TINY, 20_000, 100_000
    data = {n: divided(make_data(n), 8) for n in sizes}
    fastest = dict.fromkeys(sizes, np.inf)
    for _ in range(3):  # in turns, since the machine may have other work
        per_sample = min(per_sample, seconds_per_sample(make_data(20_000)))
        for n in sizes:
            seconds, _ = per_round(client, data[n], 20, solver="rprop")
            fastest[n] = min(fastest[n], seconds)
    close(client)
    task_seconds = fastest[TINY] / n_tasks(4)
    checks = []
    for n in sizes[1:]:
        expected = overhead(2, 0, task_seconds) + n / 2 * per_sample
        checks.append([f"{n:,}", f"{1000 * expected:.0f}", f"{1000 * fastest[n]:.0f}"])
    rows = []
    for n_params in 14_000, 100_000, 1_000_000:
        # arithmetic in proportion to the parameters
        of_sample = per_sample * n_params / count_params()
        for name, bandwidth in (("1 Gbit/s", 0.125e9), ("10 Gbit/s", 1.25e9)):
            lost = overhead(64, n_params, task_seconds, 0.2e-3, bandwidth)
            one_worker = lost / of_sample
            rows.append(
                [
                    f"{n_params:,}",
                    name,
                    f"{1000 * lost:.0f}",
                    f"{1e6 * of_sample:.0f}",
                    f"{round_up(one_worker / 63):,}",
                    f"{round_up(one_worker):,}",
                ]
            )
    header = [
        "parameters",
        "network",
        "ms a round without arithmetic",
        "µs a sample",
        "rows a worker: as fast as one core",
        "rows a worker: half of 64 times as fast",
    ]
    text = (
        f"Measured here: {1e6 * per_sample:.1f} µs a sample for {count_params():,} parameters, "
        f"{1000 * task_seconds:.1f} ms a task.\n\n{markdown(header, rows)}\n\n"
        "Two points of the formula, with two workers on this machine:\n\n"
    )
    return text + markdown(["samples", "ms a round, on paper", "ms of the fastest round"], checks)


def count_params():
    sizes = [N_FEATURES, *HIDDEN, N_CLASSES]
    return sum((m + 1) * n for m, n in zip(sizes, sizes[1:], strict=False))


def round_up(number):
    """To two digits."""
    unit = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.ceil(number / unit) * unit


# --- local epochs ---


N_OF_CURVES = 8  # partitions

# (parameters, how the curve is drawn); 25 samples of each of 8 partitions are the 200 of fit
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "local_epochs.png"
CURVES = [
    ({}, "C0:"),
    ({"batch_size": 25}, "C0-"),
    ({"batch_size": 25, "n_local_epochs": 4}, "C1-"),
    ({"batch_size": 25, "n_local_epochs": 12}, "C3-"),
]


def draw_local_epochs(n_samples=16_000, n_epochs=24):
    """Validation loss by passes over the data: fit, and local epochs over partitions."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from fastbp import BackpropClassifier

    X, y = make_data(n_samples)
    validation = dict(zip(("X_val", "y_val"), make_data(4_000, seed=2), strict=True))
    settings = dict(hidden_layer_sizes=HIDDEN, random_state=0, tol=0.0, n_iter_no_change=np.inf)
    fit = BackpropClassifier(max_iter=n_epochs, **settings).fit(X, y, **validation)
    kinds = {
        "samples in random order": slice(None),
        "partitions of one or two classes": np.argsort(y, kind="stable"),
    }
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    rows = [["fit", n_epochs, *[f"{min(fit.validation_loss_curve_):.3f}"] * 2]]
    rows += [[name_of(parameters)] for parameters, _ in CURVES]
    for ax, (kind, order) in zip(axes, kinds.items(), strict=True):
        ax.plot(range(1, n_epochs + 1), fit.validation_loss_curve_, "k", label="fit")
        for row, (parameters, style) in zip(rows[1:], CURVES, strict=True):
            n_local_epochs = parameters.get("n_local_epochs", 1)
            model = make(max_iter=n_epochs // n_local_epochs, **parameters)
            model.fit(*divided((X[order], y[order]), N_OF_CURVES), **validation)
            passes = n_local_epochs * np.arange(1, model.n_iter_ + 1)
            label = name_of(parameters)
            ax.plot(passes, model.validation_loss_curve_, style, marker=".", label=label)
            row += [model.n_rounds_] if len(row) == 1 else []
            row += [f"{min(model.validation_loss_curve_):.3f}"]
        ax.set(title=kind, xlabel="passes over the data", yscale="log")
    axes[0].set_ylabel("validation loss")
    axes[0].legend(fontsize=8)
    figure.savefig(IMAGE, dpi=110)
    header = [f"{N_OF_CURVES} partitions", "rounds", *(f"least loss, {kind}" for kind in kinds)]
    return markdown(header, rows)


def name_of(parameters):
    return ", ".join(f"{name}={value}" for name, value in parameters.items()) or "defaults"


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def versions():
    import dask

    from fastbp import _kernels

    cpu = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    build = _kernels.core.__name__.rpartition("_")[2]
    return f"{cpu}, {os.cpu_count()} cores; build {build}; Dask {dask.__version__}."


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    text = "\n\n".join([versions(), *(PARTS[part]() for part in arguments.parts)]) + "\n"
    if arguments.markdown is None:
        print(text)
    else:
        arguments.markdown.write_text(text)


PARTS = {"rounds": table_of_rounds, "paper": table_on_paper, "epochs": draw_local_epochs}

if __name__ == "__main__":
    main()
