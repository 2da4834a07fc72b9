"""The plot of compare.py: time of a step against its work; a panel a dtype, a line a library.

The two straight lines are the time of the same work at this CPU's peak of fused multiply-adds,
and at the rate of its best matrix product in BLAS (limits.py).
"""

from instruments.columns import FASTBP, JAX, NUMBA, NUMPY, PRODUCTS, PYTORCH, SKLEARN
from instruments.limits import fma_peak, gemm_peak

COLORS = {
    NUMPY: "#4c78a8",
    NUMBA: "#54a24b",
    SKLEARN: "#f58518",
    PYTORCH: "#e45756",
    JAX: "#9d7fb8",
    FASTBP: "black",
}
LIMIT_COLOR = "#888888"


def draw(rows, path):
    """rows: the Rows (timing.py) of one solver and activation."""
    from matplotlib.figure import Figure

    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    figure = Figure(figsize=(4.6 * len(dtypes), 4.4), layout="constrained")
    panels = figure.subplots(1, len(dtypes), sharey=True, squeeze=False)[0]
    for panel, dtype in zip(panels, dtypes, strict=True):
        draw_panel(panel, [row for row in rows if row.dtype == dtype], dtype)
    panels[0].set_ylabel("microseconds per training step")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110)


def draw_panel(panel, rows, dtype):
    rows = sorted(rows, key=lambda row: row.shape.megaflops)
    work = [row.shape.megaflops for row in rows]
    for title in rows[0].microseconds:
        if title == PRODUCTS:
            continue
        times = [row.microseconds[title] for row in rows]
        emphasis = {"linewidth": 2.6, "zorder": 3} if title == FASTBP else {"linewidth": 1.2}
        panel.loglog(
            work,
            times,
            marker="o",
            markersize=3.5,
            color=COLORS.get(title),
            label=title,
            **emphasis,
        )
    bottom = 0.6 * min(min(row.microseconds.values()) for row in rows)
    limits = [("best product in BLAS", "--", gemm_peak(dtype)), ("FMA peak", ":", fma_peak(dtype))]
    for name, style, gigaflops in limits:
        if gigaflops:
            times = [1e3 * megaflops / gigaflops for megaflops in work]
            panel.loglog(work, times, style, color=LIMIT_COLOR, linewidth=1.2, label=name)
    panel.set_ylim(bottom=bottom)
    panel.set_title(dtype)
    panel.set_xlabel("work of a step: MFLOP of its matrix products")
    panel.grid(which="major", color="#e6e6e6", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
