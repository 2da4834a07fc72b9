"""How the pictures of the gallery look; called by sphinx-gallery before each script."""

import matplotlib.pyplot as plt


def reset(gallery_conf, fname):
    plt.rcdefaults()
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "legend.frameon": False,
        }
    )
