"""The report in Markdown: tables are padded, so that they can be read in a terminal too."""

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from threadpoolctl import threadpool_info

from instruments.columns import (
    COLUMNS,
    FANN,
    FASTBP,
    FASTBP_ALONE,
    FASTBP_TWO,
    PRODUCTS,
    SKLEARN,
)
from instruments.internals import build_name
from instruments.limits import fma_peak, gemm_peak


def fits_table(rows):
    """A line for each Row (timing.py). What no row has is left out, what one lacks stays empty."""
    titles = [title for title in COLUMNS if any(title in row.microseconds for row in rows)]
    ratios = [
        (f"{SKLEARN} / {FASTBP}", SKLEARN, "speedup_over_sklearn"),
        (f"best rival / {FASTBP}", FASTBP, "speedup_over_best_rival"),
        (f"{FASTBP} / its products", PRODUCTS, "share_of_products"),
        (f"{FANN} / {FASTBP}", FANN, "speedup_over_fann"),
        ("1 thread / 2", FASTBP_TWO, "speedup_by_two_threads"),
        ("1 thread / default", FASTBP_ALONE, "speedup_by_default"),
    ]
    ratios = [ratio for ratio in ratios if ratio[1] in titles]
    header = ["samples, features, hidden, outputs, batch", "dtype", "MFLOP/step", "epochs"]
    header += [*titles, *(title for title, _, _ in ratios)]
    lines = [
        [
            row_label(row.shape),
            row.dtype,
            f"{row.shape.megaflops:.3g}",
            str(row.epochs),
            *time_cells(row.microseconds, titles, FASTBP),
            *(
                f"{significant(getattr(row, name))}x" if needed in row.microseconds else ""
                for _, needed, name in ratios
            ),
        ]
        for row in rows
    ]
    return markdown_table(header, lines, n_left=2)


def overview_table(alone, idle, busy, builds):
    """A line for each Row of `alone`, and what the other lists have of the same shape and dtype.

    alone: rows with one thread. idle, busy: rows with one thread, two and the default number of
    threads, on idle cores and beside a busy process. builds: rows whose columns are builds.
    """
    header = ["", "dtype", FASTBP, "best rival", f"rival / {FASTBP}", "of FMA peak"]
    header += [f"{FASTBP} / its products", "AVX2 / AVX-512", "1 thread / 2", "1 thread / default"]
    header += ["busy: 1 thread / 2", "busy: 1 thread / default"]
    lines = []
    for row in alone:
        others = [find_row(rows, row) for rows in (builds, idle, busy)]
        of_build, of_idle, of_busy = (other.microseconds if other else {} for other in others)
        lines.append(
            [
                row.shape.name,
                row.dtype,
                significant(row.microseconds[FASTBP]),
                f"{row.best_rival} {significant(row.microseconds[row.best_rival])}",
                ratio(row.microseconds, row.best_rival, FASTBP),
                "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
                ratio(row.microseconds, FASTBP, PRODUCTS),
                ratio(of_build, "avx2", "avx512"),
                ratio(of_idle, FASTBP_ALONE, FASTBP_TWO),
                ratio(of_idle, FASTBP_ALONE, FASTBP),
                ratio(of_busy, FASTBP_ALONE, FASTBP_TWO),
                ratio(of_busy, FASTBP_ALONE, FASTBP),
            ]
        )
    used = [n for n in range(len(header)) if any(line[n] for line in lines)]
    lines = [[line[n] for n in used] for line in lines]
    return markdown_table([header[n] for n in used], lines, n_left=2)


def find_row(rows, like):
    """The one of the same shape and dtype, or None."""
    same = (row for row in rows if (row.shape, row.dtype) == (like.shape, like.dtype))
    return next(same, None)


def ratio(microseconds, above, below):
    """ "1.23x", or "" where one of both has not been measured."""
    if above not in microseconds or below not in microseconds:
        return ""
    return f"{significant(microseconds[above] / microseconds[below])}x"


def row_label(shape):
    hidden = ", ".join(map(str, shape.hidden)) + ("," if len(shape.hidden) == 1 else "")
    sizes = f"{shape.n_samples}, {shape.n_features}, ({hidden}), {shape.n_outputs}"
    return f"{shape.name}: {sizes}, {shape.batch_size}"


def time_cells(microseconds, titles, emphasized):
    cells = [significant(microseconds[title]) if title in microseconds else "" for title in titles]
    return [
        f"**{cell}**" if title == emphasized and cell else cell
        for title, cell in zip(titles, cells, strict=True)
    ]


def significant(value):
    """Three significant digits without an exponent: 0.0123, 1.23, 123, 12345."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def markdown_table(header, lines, n_left):
    """The first n_left columns are aligned to the left, the others to the right."""
    lines = [header, *lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = [
        "-" * width if column < n_left else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(padded(line, widths, n_left))} |" for line in lines)


def padded(cells, widths, n_left):
    return [
        cell.ljust(width) if column < n_left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


# --- what ran


def environment():
    names = {
        "numpy": "NumPy",
        "scipy": "SciPy",
        "scikit-learn": "scikit-learn",
        "torch": "PyTorch",
        "jax": "JAX",
        "numba": "Numba",
    }
    libraries = [f"{title} {version(name)}" for name, title in names.items() if is_installed(name)]
    parts = [
        date.today().isoformat(),
        f"{cpu_model()}, {os.cpu_count()} cores",
        fastbp_build(),
        f"Python {platform.python_version()}",
        *libraries,
        blas_versions(),
    ]
    return ", ".join(parts) + "."


def peaks(dtypes):
    """What a core of this machine can do at most."""
    lines = []
    for dtype in dtypes:
        fma = fma_peak(dtype)
        parts = [f"{fma:.0f} GFLOP/s of multiply-adds in registers (FMA)"] if fma else []
        parts.append(f"{gemm_peak(dtype):.0f} in the best product of its BLAS")
        lines.append(f"{', '.join(parts)} ({dtype})")
    return f"Peaks of a core: {'; '.join(lines)}."


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

    return f"fastbp {fastbp.__version__} ({build_name()})"


def blas_versions():
    """Every BLAS that is loaded: NumPy, SciPy and PyTorch each come with their own."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    names = {
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in libraries
    }
    return "BLAS " + " and ".join(sorted(names))
