"""Estimators for Dask: data that are divided among the workers of a cluster.

    from fastbp.dask import DaskBackpropClassifier

The extra ``dask`` installs what they need. Nothing else in fastbp imports this.
"""

from ..extras import import_extra

for _package in ("dask", "distributed"):
    import_extra(_package, "dask", "fastbp.dask")

from .classifier import DaskBackpropClassifier  # noqa: E402
from .executors import ClusterLostError  # noqa: E402
from .regressor import DaskBackpropRegressor  # noqa: E402

__all__ = ["ClusterLostError", "DaskBackpropClassifier", "DaskBackpropRegressor"]
