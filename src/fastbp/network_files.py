"""A fitted network estimator as a header of JSON values and arrays, and back.

    contents    what the file of a BackpropClassifier or BackpropRegressor holds
    build       the estimator again, every value checked before anything is built

model_files.py writes and reads the files; table_files.py has estimators with several networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import archives, parameters
from .archives import ModelFileError
from .classes import Classes, ClassificationProblem
from .classifier import BackpropClassifier
from .fits import fitted_attributes
from .front import as_front
from .network import Network
from .regressor import BackpropRegressor, RegressionProblem
from .training import saved_state
from .training.saved_state import check_array
from .types import Array

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
# In files of networks with a front only: all others are as they were before there were fronts.
OF_FRONTS = ("front", "n_periodic")


def contents(estimator: Any, omit: list[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """(header, arrays) of a fitted estimator; ValueError for what cannot be saved."""
    check_is_fitted(estimator)
    network, state = estimator.network_, estimator._training_state
    names = NETWORK if network.front is None else NETWORK + OF_FRONTS
    settings = {name: getattr(network, name) for name in names}
    if "loss" in omit:
        settings["loss_name"] = None
    header = {
        "parameters": saved_parameters(estimator, omit),
        "omitted": omit,
        "n_features": estimator.n_features_in_,
        "feature_names": _feature_names(estimator),
        "network": {name: as_json("loss", value) for name, value in settings.items()},
        "state": saved_state.numbers_of(state),
    }
    arrays = {f"coefs_{layer}": coef for layer, coef in enumerate(network.coefs)}
    arrays |= {f"intercepts_{layer}": one for layer, one in enumerate(network.intercepts)}
    arrays |= {f"front_{name}": one for name, one in network.front_params.items()}
    arrays |= saved_state.arrays_of(state)
    if isinstance(estimator, BackpropClassifier):
        arrays["classes"], header["classes"] = classes_for_file(estimator._classes)
    return header, arrays


def saved_parameters(estimator: Any, omit: list[str]) -> dict[str, Any]:
    """The parameters as JSON values, without those that are not saved."""
    parameters.check_parameters(estimator)
    values = parameters.parameters_of(estimator)
    for name in omit:
        if name not in values:
            class_name = type(estimator).__name__
            raise ValueError(f"omit=[{name!r}]: {class_name} has no parameter {name!r}.")
    left_out = NOT_SAVED.union(omit)
    return {name: as_json(name, value) for name, value in values.items() if name not in left_out}


def as_json(name: str, value: Any) -> Any:
    """A value for a header; ValueError that names the parameter for one that needs pickle."""
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


def classes_for_file(classes: Classes) -> tuple[Array, dict[str, bool]]:
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


def build(header: dict[str, Any], arrays: dict[str, Array], omitted: dict[str, Any]) -> Any:
    """The estimator of a header and arrays, which are taken from `arrays`."""
    name = header["class"]
    estimator = with_parameters(CLASSES[name], take(header, "parameters", dict), omitted)
    n_features = take(header, "n_features", int)
    network = _network(take(header, "network", dict), n_features, arrays, omitted)
    state = saved_state.read_state(header.get("state"), arrays, network.n_params, network.dtype)
    problem = None
    if name == "BackpropClassifier":
        problem = _classes(take(header, "classes", dict), arrays, network)
    if arrays:
        raise ModelFileError(f"it has the unknown members {sorted(arrays)}.")
    _adopt(estimator, header, network, state, problem)
    return estimator


def take(header: dict[str, Any], key: str, kind: type) -> Any:
    """An entry of a header; ModelFileError if it is not there or of another kind."""
    value = header.get(key)
    if type(value) is not kind:
        raise ModelFileError(f"{key}={str(value)[:80]} in its header is not a {kind.__name__}.")
    return value


def with_parameters(cls: Any, saved: dict[str, Any], omitted: dict[str, Any]) -> Any:
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
    classes = classes_of_file(about, arrays)
    n_labels, n_outputs = len(classes.labels), network.layer_sizes[-1]
    is_binary = not classes.multilabel and network.output_activation != "softmax" and n_labels <= 2
    if n_outputs != (1 if is_binary else n_labels):
        raise ModelFileError(f"{n_labels} classes do not go with {n_outputs} outputs.")
    return classes


def classes_of_file(about: dict[str, Any], arrays: dict[str, Array]) -> Classes:
    """The inverse of classes_for_file; takes the labels from `arrays`."""
    labels = arrays.pop("classes", None)
    multilabel, is_sparse, is_object = (
        take(about, name, bool) for name in ("multilabel", "sparse", "is_object")
    )
    if labels is None or labels.ndim != 1 or not len(labels):
        raise ModelFileError("classes is missing, or no vector of labels.")
    if (labels[1:] <= labels[:-1]).any():
        raise ModelFileError("classes are not sorted, or occur twice.")
    return Classes(labels.astype(object) if is_object else labels, multilabel, is_sparse)


def _adopt(estimator, header, network, state, classes):
    """Make the estimator a fitted one."""
    n_features, names = take(header, "n_features", int), header.get("feature_names")
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
    vars(estimator).update(fitted_attributes(network, state, problem))
