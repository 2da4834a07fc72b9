"""Model files: a fitted estimator as arrays and JSON, without pickle.

    save_model    the estimator's parameters, classes, network and training state to an archive
    load_model    the same estimator again; everything is checked before anything is built

The header of an archive (archives.py) says what the arrays mean; ``docs/guide/files.md`` has the
format. Format 1 is a promise: later releases read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import archives, parameters
from .archives import ModelFileError
from .classes import Classes, ClassificationProblem
from .classifier import BackpropClassifier
from .front import as_front
from .network import Network
from .regressor import BackpropRegressor, RegressionProblem
from .training import saved_state
from .training.saved_state import check_array
from .types import Array, Path
from .versions import VERSION

FORMAT = 1
# Parameters of a run rather than a model: a stranger's file must not say where a fit writes.
NOT_SAVED = {"checkpoint"}
CLASSES = {one.__name__: one for one in (BackpropClassifier, BackpropRegressor)}
# Attributes of a Network that are its constructor's arguments, beside sizes and dtype.
NETWORK = (
    "activation",
    "output_activation",
    "loss_name",
    "loss_scale",
    "reduction",
    "l2",
    "l1",
    "label_smoothing",
    "huber_delta",
    "quantile",
    "fit_intercept",
)
# In files of networks with a front only, so that earlier releases read all others.
OF_FRONTS = ("front", "n_periodic")


def save_model(
    estimator: BackpropClassifier | BackpropRegressor, path: Path, *, omit: str | Iterable[str] = ()
) -> None:
    """Save a fitted estimator to a file, without pickle.

    The file is an uncompressed ``.npz`` of arrays (``coefs_0``, ``intercepts_0``, ...) and a JSON
    text. It is written beside `path` and then renamed: at every moment `path` is the old file or
    the new one.

    Parameters
    ----------
    estimator : BackpropClassifier or BackpropRegressor
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
    The parameter ``checkpoint`` is not saved; the loaded estimator has None.

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
    if type(estimator) not in CLASSES.values():
        raise TypeError(
            f"save_model saves {' and '.join(CLASSES)}, got {type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    parameters.check_parameters(estimator)
    omit = [omit] if isinstance(omit, str) else sorted(omit)
    values = parameters.parameters_of(estimator)
    for name in omit:
        if name not in values:
            raise ValueError(f"omit={omit}: {type(estimator).__name__} has no parameter {name!r}.")
    network = estimator.network_
    names = NETWORK if network.front is None else NETWORK + OF_FRONTS
    settings = {name: getattr(network, name) for name in names}
    if "loss" in omit:
        settings["loss_name"] = None
    header = {
        "format": FORMAT,
        "kind": "model",
        "fastbp": VERSION,
        "class": type(estimator).__name__,
        "parameters": {
            name: _as_json(name, value)
            for name, value in values.items()
            if name not in NOT_SAVED.union(omit)
        },
        "omitted": omit,
        "n_features": estimator.n_features_in_,
        "feature_names": _feature_names(estimator),
        "network": {name: _as_json("loss", value) for name, value in settings.items()},
        "state": saved_state.numbers_of(estimator._training_state),
    }
    arrays = {f"coefs_{layer}": coef for layer, coef in enumerate(network.coefs)}
    arrays |= {f"intercepts_{layer}": one for layer, one in enumerate(network.intercepts)}
    arrays |= {f"front_{name}": one for name, one in network.front_params.items()}
    arrays |= saved_state.arrays_of(estimator._training_state)
    if isinstance(estimator, BackpropClassifier):
        arrays["classes"], header["classes"] = _classes_for_file(estimator._classes)
    archives.write_archive(path, header, arrays)


def _as_json(name, value):
    try:
        return archives.to_json(value)
    except TypeError as error:
        raise ValueError(
            f"{name}={value!r} cannot be saved: {error}. Leave it out with omit=[{name!r}], and "
            f"give it to load_model again."
        ) from None


def _feature_names(estimator):
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _classes_for_file(classes):
    """The labels as an array without objects, and what else is known of the classes."""
    labels = classes.labels
    is_object = labels.dtype == object
    if is_object:
        if not all(type(label) is str for label in labels):
            raise ValueError(
                "The classes cannot be saved: they are objects other than strings, "
                f"{labels[:3].tolist()} ...; fit with strings or numbers as labels."
            )
        labels = labels.astype(str)
    if labels.dtype.kind not in archives.KINDS:
        raise ValueError(
            f"The classes cannot be saved: their dtype is {labels.dtype}; fit with strings or "
            "numbers as labels."
        )
    about = {"multilabel": classes.multilabel, "sparse": classes.sparse, "is_object": is_object}
    return labels, about


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
    BackpropClassifier or BackpropRegressor
        With the parameters, fitted attributes and training state of the one that was saved: it
        predicts the same, and partial_fit or warm_start continue in the same way.

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
    version = _take(header, "format", int)
    if _take(header, "kind", str) != "model":
        raise ModelFileError(f"it is a {header['kind']}, not a model.")
    if version != FORMAT:
        raise ModelFileError(
            f"it has format {version}, of fastbp {header.get('fastbp')}; this is fastbp {VERSION}, "
            f"which reads format {FORMAT}."
        )
    name = _take(header, "class", str)
    if name not in CLASSES:
        raise ModelFileError(f"it holds a {name}; {' or '.join(CLASSES)} is needed.")
    missing = _take(header, "omitted", list)
    if sorted(omitted) != sorted(map(str, missing)):
        raise ValueError(
            f"{missing} were omitted when the model was saved, and load_model was given "
            f"{sorted(omitted)}; both must be the same."
        )
    estimator = _with_parameters(CLASSES[name], _take(header, "parameters", dict), omitted)
    n_features = _take(header, "n_features", int)
    network = _network(_take(header, "network", dict), n_features, arrays, omitted)
    state = saved_state.read_state(header.get("state"), arrays, network.n_params, network.dtype)
    problem = None
    if name == "BackpropClassifier":
        problem = _classes(_take(header, "classes", dict), arrays, network)
    if arrays:
        raise ModelFileError(f"it has the unknown members {sorted(arrays)}.")
    _adopt(estimator, header, network, state, problem)
    return estimator


def _take(header, key, kind):
    value = header.get(key)
    if type(value) is not kind:
        raise ModelFileError(f"{key}={str(value)[:80]} in its header is not a {kind.__name__}.")
    return value


def _with_parameters(cls, saved, omitted):
    """An unfitted estimator; parameters that the file does not know have their defaults."""
    if NOT_SAVED & set(saved):
        raise ModelFileError(f"its parameters must not have {sorted(NOT_SAVED & set(saved))}.")
    try:
        values = {name: archives.from_json(value) for name, value in saved.items()}
        estimator = cls(**values, **omitted)
        parameters.check_parameters(estimator)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"its parameters are not those of {cls.__name__}: {error}") from None
    return estimator


def _network(saved, n_features, arrays, omitted):
    """The Network whose weights are among `arrays`, from which they are taken."""
    if set(saved) - set(OF_FRONTS) != set(NETWORK):
        raise ModelFileError(f"its network must have the settings {list(NETWORK)}.")
    front = _front(saved, n_features)
    coefs, intercepts = _layers("coefs", arrays), _layers("intercepts", arrays)
    if not coefs or coefs[0].ndim != 2 or coefs[0].dtype not in (np.float32, np.float64):
        raise ModelFileError("coefs_0 is missing, or no matrix of float32 or float64.")
    width = n_features if front is None else front.width
    dtype, sizes = coefs[0].dtype, [width]
    if coefs[0].shape[0] != width:
        raise ModelFileError(f"coefs_0 has {coefs[0].shape[0]} rows for {width} inputs.")
    for layer, coef in enumerate(coefs):
        width = coef.shape[-1] if coef.ndim == 2 else 0
        check_array(f"coefs_{layer}", coef, (sizes[-1], width), dtype)
        sizes.append(width)
    if len(intercepts) not in ((len(coefs),) if saved["fit_intercept"] else (0,)):
        raise ModelFileError(f"{len(coefs)} layers have {len(intercepts)} vectors of intercepts.")
    for layer, intercept in enumerate(intercepts):
        check_array(f"intercepts_{layer}", intercept, (sizes[layer + 1],), dtype)
    of_front = []
    for name, shape in ({} if front is None else front.shapes).items():
        check_array(f"front_{name}", arrays.get(f"front_{name}"), shape, dtype)
        of_front.append(arrays.pop(f"front_{name}"))
    sizes[0] = n_features
    try:
        settings = {name: archives.from_json(value) for name, value in saved.items()}
        if settings["loss_name"] is None:
            settings["loss_name"] = omitted.get("loss")
        network = Network.__new__(Network)
        params = np.concatenate([one.ravel() for one in [*coefs, *intercepts, *of_front]])
        network.__setstate__({**settings, "layer_sizes": sizes, "dtype": dtype, "_params": params})
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"its network cannot be built: {error}") from None
    return network


def _front(saved, n_features):
    """The Front of a network, or None."""
    try:
        return as_front(saved.get("front"), saved.get("n_periodic"), n_features)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"its network cannot be built: {error}") from None


def _layers(name, arrays):
    """Arrays name_0, name_1, ...; taken from `arrays`."""
    found: list[Array] = []
    while f"{name}_{len(found)}" in arrays:
        found.append(arrays.pop(f"{name}_{len(found)}"))
    return found


def _classes(about, arrays, network):
    labels = arrays.pop("classes", None)
    flags = [_take(about, name, bool) for name in ("multilabel", "sparse", "is_object")]
    if labels is None or labels.ndim != 1 or not len(labels):
        raise ModelFileError("classes is missing, or no vector of labels.")
    n_labels, n_outputs = len(labels), network.layer_sizes[-1]
    multilabel, is_sparse, is_object = flags
    is_binary = not multilabel and network.output_activation != "softmax" and n_labels <= 2
    if n_outputs != (1 if is_binary else n_labels):
        raise ModelFileError(f"{n_labels} classes do not go with {n_outputs} outputs.")
    if (labels[1:] <= labels[:-1]).any():
        raise ModelFileError("classes are not sorted, or occur twice.")
    return Classes(labels.astype(object) if is_object else labels, multilabel, is_sparse)


def _adopt(estimator, header, network, state, classes):
    """Make the estimator a fitted one."""
    n_features, names = _take(header, "n_features", int), header.get("feature_names")
    if n_features != network.layer_sizes[0]:
        raise ModelFileError(
            f"{n_features} features do not go with {network.layer_sizes[0]} inputs."
        )
    if names is not None:
        if not isinstance(names, list) or [type(one) for one in names] != n_features * [str]:
            raise ModelFileError(f"feature_names must be {n_features} strings.")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    estimator.n_features_in_ = n_features
    problem: ClassificationProblem | RegressionProblem
    if classes is None:
        problem = RegressionProblem(network.loss_name, network.output_activation, {}, ())
    else:
        problem = ClassificationProblem(classes, network.output_activation, {})
    estimator._finish(network, state, problem)
