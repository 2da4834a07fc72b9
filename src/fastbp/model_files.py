"""Model files: a fitted estimator as arrays and JSON, without pickle.

    save_model    an estimator's parameters, classes, networks and training states to an archive
    load_model    the same estimator again; everything is checked before anything is built

What a file holds is said by network_files.py and table_files.py. The header of an archive
(archives.py) says what the arrays mean; ``docs/guide/files.md`` has the format. Format 1 is a
promise: later releases read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from . import archives, network_files, table_files
from .archives import ModelFileError
from .classifier import BackpropClassifier
from .network_files import take
from .regressor import BackpropRegressor
from .tables.classifier import TabularClassifier
from .tables.regressor import TabularRegressor
from .types import Path
from .versions import VERSION

Saved: TypeAlias = BackpropClassifier | BackpropRegressor | TabularClassifier | TabularRegressor

FORMAT = 1
# The module that knows what a file of each class holds.
FILES: dict[str, Any] = {
    **dict.fromkeys(network_files.CLASSES, network_files),
    **dict.fromkeys(table_files.CLASSES, table_files),
}


def save_model(estimator: Saved, path: Path, *, omit: str | Iterable[str] = ()) -> None:
    """Save a fitted estimator to a file, without pickle.

    The file is an uncompressed ``.npz`` of arrays (``coefs_0``, ``intercepts_0``, ...; of tabular
    estimators ``network_0_coefs_0``, ...) and a JSON text. It is written beside `path` and then
    renamed: at every moment `path` is the old file or the new one.

    Parameters
    ----------
    estimator : BackpropClassifier, BackpropRegressor, TabularClassifier or TabularRegressor
        Fitted; not a subclass.
    path : str or path-like
        Of the file; ``.npz`` is not appended.
    omit : sequence of str, default=()
        Parameters that are left out, since only pickle could save them: a function as
        learning_rate, a loss or scorer of your own, a RandomState. :func:`load_model` needs them
        again.

    Raises
    ------
    ValueError
        For a parameter that cannot be saved and is not omitted. Nothing is written.
    NotFittedError
        If the estimator is not fitted.
    OSError
        If the file cannot be written; the old one is then as it was.

    Notes
    -----
    The parameter ``checkpoint`` is not saved; the loaded estimator has None. Of a Preset, its
    changes are saved, and the loaded estimator has them as a dict.

    See Also
    --------
    load_model

    Examples
    --------
    >>> import tempfile, os
    >>> from fastbp import BackpropRegressor, load_model, save_model
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]
    >>> model = BackpropRegressor((4,), solver="lbfgs", random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.npz")
    ...     save_model(model, path)
    ...     again = load_model(path)
    >>> bool((again.predict(X) == model.predict(X)).all())
    True
    """
    files = FILES.get(type(estimator).__name__)
    if files is None or type(estimator) is not files.CLASSES[type(estimator).__name__]:
        local = " Pass what its to_local() returns." if hasattr(estimator, "to_local") else ""
        raise TypeError(f"save_model saves {_names('and')}, got {type(estimator).__name__}.{local}")
    omit = [omit] if isinstance(omit, str) else sorted(omit)
    header, arrays = files.contents(estimator, omit)
    about = {
        "format": FORMAT,
        "kind": "model",
        "fastbp": VERSION,
        "class": type(estimator).__name__,
    }
    archives.write_archive(path, {**about, **header}, arrays)


def _names(conjunction):
    *others, last = FILES
    return f"{', '.join(others)} {conjunction} {last}"


def load_model(path: Path, **omitted: Any) -> Any:
    """Load an estimator that :func:`save_model` has saved.

    Nothing of the file is executed, and no more memory is used than its size suggests, wherever
    it comes from.

    Parameters
    ----------
    path : str or path-like
    **omitted : object
        The parameters that were omitted when the model was saved.

    Returns
    -------
    BackpropClassifier, BackpropRegressor, TabularClassifier or TabularRegressor
        With the parameters, fitted attributes and training state of the one that was saved: it
        predicts the same bits, and partial_fit or warm_start continue in the same way.

    Raises
    ------
    ModelFileError
        For a file with any defect, or of a later format; says which.
    ValueError
        If `omitted` are not the parameters that were omitted.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model
    """
    header, arrays = archives.read_archive(path)
    try:
        return _build(header, arrays, omitted)
    except ModelFileError as error:
        raise ModelFileError(f"{str(path)!r}: {error}") from None


def _build(header, arrays, omitted):
    version = take(header, "format", int)
    if take(header, "kind", str) != "model":
        raise ModelFileError(f"it is a {header['kind']}, not a model.")
    if version != FORMAT:
        raise ModelFileError(
            f"it has format {version}, of fastbp {header.get('fastbp')}; this is fastbp {VERSION}, "
            f"which reads format {FORMAT}."
        )
    name = take(header, "class", str)
    if name not in FILES:
        raise ModelFileError(f"it holds a {name}; {_names('or')} is needed.")
    missing = take(header, "omitted", list)
    if sorted(omitted) != sorted(map(str, missing)):
        raise ValueError(
            f"{missing} were omitted when the model was saved, and load_model was given "
            f"{sorted(omitted)}; both must be the same."
        )
    return FILES[name].build(header, arrays, omitted)
