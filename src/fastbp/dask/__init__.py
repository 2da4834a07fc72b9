"""Estimators for Dask: data that are divided among the workers of a cluster.

    from fastbp.dask import DaskBackpropClassifier

The extra ``dask`` installs what they need. Nothing else in fastbp imports this.
"""

try:
    import dask.array
    import distributed
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'fastbp.dask needs Dask\'s arrays and distributed: pip install "fastbp[dask]"'
    ) from error
else:
    del dask, distributed

from .classifier import DaskBackpropClassifier
from .executors import ClusterLostError
from .regressor import DaskBackpropRegressor

__all__ = ["ClusterLostError", "DaskBackpropClassifier", "DaskBackpropRegressor"]
