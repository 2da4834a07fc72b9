"""A fitted tabular estimator as a header of JSON values and arrays, and back.

    contents    what the file of a TabularClassifier or TabularRegressor holds
    build       the estimator again, every value checked before anything is built

The header has the record of the encoder and, for each network, what the file of a single one holds;
the arrays of network k have the prefix ``network_k_``. Networks of an ensemble
have no moments of an optimizer, which would be two thirds of all numbers: a fit always begins anew.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import archives, network_files
from .archives import ModelFileError
from .classes import Classes
from .network_files import as_json, classes_for_file, classes_of_file, take, with_parameters
from .tables.classifier import TabularClassifier
from .tables.encoder import TableEncoder
from .tables.intervals import ConformalErrors
from .tables.presets import DEFAULT, Preset
from .tables.regressor import TabularRegressor
from .tables.target_scales import TargetScale
from .training.saved_state import check_array
from .types import Array

CLASSES: dict[str, Any] = {one.__name__: one for one in (TabularClassifier, TabularRegressor)}
# The networks of each, and their out-of-bag estimates.
NETWORKS = {"TabularClassifier": "BackpropClassifier", "TabularRegressor": "BackpropRegressor"}
ESTIMATES = {"TabularClassifier": "oob_decision_function_", "TabularRegressor": "oob_prediction_"}
SCALE = [field.name for field in fields(TargetScale)]


def contents(estimator: Any, omit: list[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """(header, arrays) of a fitted estimator; ValueError for what cannot be saved."""
    check_is_fitted(estimator)
    name = type(estimator).__name__
    header: dict[str, Any] = {
        "parameters": network_files.saved_parameters(estimator, [*omit, "preset"]),
        "omitted": omit,
        "encoder": estimator.encoder_._as_record(),
        "networks": [],
        "oob_score": as_json("oob_score_", getattr(estimator, "oob_score_", None)),
    }
    if "preset" not in omit:
        header["parameters"]["preset"] = as_json("preset", _changes(estimator.preset))
    arrays: dict[str, Array] = {"feature_importances": estimator.feature_importances_}
    for k, network in enumerate(estimator.estimators_):
        about, of_network = _contents_of_network(k, network)
        header["networks"].append(about)
        arrays |= {f"network_{k}_{key}": array for key, array in of_network.items()}
    if hasattr(estimator, ESTIMATES[name]):
        arrays["oob"] = getattr(estimator, ESTIMATES[name])
    if isinstance(estimator, TabularClassifier):
        labels, header["classes"] = classes_for_file(Classes(estimator.classes_))
        return header, {**arrays, "classes": labels}
    scale, errors = estimator._target_scale, vars(estimator).get("_errors")
    arrays |= {f"target_{key}": getattr(scale, key) for key in SCALE}
    if errors is not None:
        arrays["error_members"] = errors.members
        arrays["error_sizes"] = np.array([len(one) for one in errors.errors], np.int64)
        arrays["errors"] = np.concatenate(errors.errors)
    return header, arrays


def _contents_of_network(k, network):
    # in these parameters there is nothing that could be omitted: they come from the preset
    for name, value in network.get_params(deep=False).items():
        try:
            archives.to_json(value)
        except TypeError as error:
            raise ValueError(
                f"Network {k} cannot be saved, because of its {name}={value!r}: {error}. Fit with "
                f"another {name} in the preset."
            ) from None
    return network_files.contents(network, [])


def _changes(preset):
    """What a preset changes of the recipe, as a dict."""
    if not isinstance(preset, Preset):
        return None if preset is None else dict(preset)
    usual = asdict(DEFAULT)
    return {name: value for name, value in asdict(preset).items() if value != usual[name]}


def build(header: dict[str, Any], arrays: dict[str, Array], omitted: dict[str, Any]) -> Any:
    """The estimator of a header and arrays, which are taken from `arrays`."""
    name = header["class"]
    estimator = with_parameters(CLASSES[name], take(header, "parameters", dict), omitted)
    encoder = _encoder(take(header, "encoder", dict))
    networks = _networks(take(header, "networks", list), arrays, NETWORKS[name], encoder)
    n_features = encoder.n_features_in_
    fitted: dict[str, Any] = {
        "encoder_": encoder,
        "estimators_": networks,
        "n_iter_": max(network.n_iter_ for network in networks),
        "n_features_in_": n_features,
        # NaN where a loss was too large for float32
        "feature_importances_": _taken(arrays, "feature_importances", (n_features,)),
    }
    if hasattr(encoder, "feature_names_in_"):
        fitted["feature_names_in_"] = encoder.feature_names_in_
    if name == "TabularClassifier":
        fitted["classes_"] = _classes(take(header, "classes", dict), arrays, networks)
        n_estimates = len(fitted["classes_"])
    else:
        n_estimates = _n_predicted(networks[0])
        fitted["_target_scale"] = _scale(arrays, n_estimates)
    is_vector = name == "TabularRegressor" and n_estimates == 1
    estimates = _estimates(header, arrays, () if is_vector else (n_estimates,))
    if estimates is not None:
        fitted["oob_score_"], fitted[ESTIMATES[name]] = estimates
        if name == "TabularRegressor":
            fitted["_errors"] = _errors(arrays, len(networks))
    if arrays:
        raise ModelFileError(f"it has the unknown members {sorted(arrays)}.")
    vars(estimator).update(fitted)
    return estimator


def _taken(arrays, name, shape):
    """An array of float64 that may have NaN, taken from `arrays`; ModelFileError for another."""
    array = arrays.pop(name, None)
    if array is None or array.shape != shape or array.dtype != np.float64:
        found = "missing" if array is None else f"of shape {array.shape} and dtype {array.dtype}"
        raise ModelFileError(f"{name} is {found}; {shape} and float64 are needed.")
    return array


def _encoder(record):
    try:
        return TableEncoder._from_record(record)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"its encoder cannot be built: {error}") from None


def _networks(headers, arrays, class_name, encoder):
    """The networks whose arrays are among `arrays`, from which they are taken."""
    if not headers:
        raise ModelFileError("it has no networks.")
    arrays_of = _by_network(arrays)
    networks = []
    for k, header in enumerate(headers):
        if not isinstance(header, dict):
            raise ModelFileError(f"network {k} of its header is {str(header)[:80]}.")
        try:
            network = network_files.build({**header, "class": class_name}, arrays_of.pop(k, {}), {})
            _check_network(network, len(encoder.feature_of_column_))
        except ModelFileError as error:
            raise ModelFileError(f"its network {k}: {error}") from None
        networks.append(network)
    if arrays_of:
        raise ModelFileError(
            f"it has arrays of network {max(arrays_of)}, but its header has {len(networks)}."
        )
    # what they predict is averaged
    kinds = {(one.network_.loss_name, one.network_.layer_sizes[-1]) for one in networks}
    if len(kinds) > 1:
        raise ModelFileError("its networks have different losses, or numbers of outputs.")
    return networks


def _by_network(arrays):
    """The arrays of each network under the names they have in its own file; taken from `arrays`."""
    found: dict[int, dict[str, Array]] = {}
    for name in list(arrays):
        match = re.fullmatch(r"network_(0|[1-9][0-9]{0,8})_(.*)", name, re.ASCII)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = arrays.pop(name)
    return found


def _check_network(network, n_columns):
    """ModelFileError for a network that does not go with the encoder."""
    if network.n_features_in_ != n_columns or network.network_.dtype != np.float32:
        raise ModelFileError(
            f"it takes {network.n_features_in_} columns of {network.network_.dtype}, and the "
            f"encoder makes {n_columns} of float32."
        )
    if hasattr(network, "feature_names_in_"):
        raise ModelFileError("it has feature_names, and encoded columns have none.")


def _classes(about, arrays, networks):
    classes = classes_of_file(about, arrays)
    if classes.multilabel or classes.sparse:
        raise ModelFileError("its classes are multi-label, and tables have one class a row.")
    positions = np.arange(len(classes.labels))
    for k, network in enumerate(networks):
        if not hasattr(network, "predict_proba") or network._classes.multilabel:
            raise ModelFileError(f"its network {k} has no probabilities of classes.")
        if not np.array_equal(network.classes_, positions):
            raise ModelFileError(
                f"its network {k} has the classes {network.classes_[:5].tolist()}; the positions "
                f"of {len(positions)} classes are needed."
            )
    return classes.labels


def _n_predicted(network):
    """How many numbers a regressor's network predicts for each row."""
    return 1 if network.network_.loss_name == "gaussian" else network.network_.layer_sizes[-1]


def _scale(arrays, n_predicted):
    values = {key: arrays.pop(f"target_{key}", None) for key in SCALE}
    center = values["center"]
    n_targets = 0 if center is None else center.size
    if n_targets not in (1, n_predicted):  # one for all of several quantiles
        raise ModelFileError(f"target_center has {n_targets} numbers for {n_predicted} outputs.")
    for key, value in values.items():
        is_end = key in ("lowest", "highest")  # which may be infinite
        is_float = value is not None and value.dtype == np.float64
        finite = np.nan_to_num(value, nan=np.nan) if is_end and is_float else value
        check_array(f"target_{key}", finite, (n_targets,), np.float64)
    if not (values["scale"] > 0).all() or (values["lowest"] > values["highest"]).any():
        raise ModelFileError("target_scale is not positive, or target_lowest above target_highest.")
    return TargetScale(**values)


def _estimates(header, arrays, shape_of_row):
    """(out-of-bag score, estimates), which may have NaN, or None without them."""
    score, estimates = archives.from_json(header.get("oob_score")), arrays.get("oob")
    if score is None and estimates is None:
        return None
    if type(score) is not float or estimates is None:
        raise ModelFileError("its out-of-bag score and estimates are not both there.")
    n_samples = estimates.shape[0] if estimates.ndim else 0
    return score, _taken(arrays, "oob", (n_samples, *shape_of_row))


def _errors(arrays, n_networks):
    """The errors that intervals rest on; None for several targets, which have none."""
    members, sizes = arrays.pop("error_members", None), arrays.pop("error_sizes", None)
    errors = arrays.pop("errors", None)
    if members is None and sizes is None and errors is None:
        return None
    if sizes is None or sizes.ndim != 1 or sizes.dtype != np.int64 or not len(sizes):
        raise ModelFileError("error_sizes is missing, or no vector of int64.")
    # each of them first: a sum of large ones overflows
    n_errors = 0 if errors is None else errors.size
    if not ((sizes >= 1) & (sizes <= n_errors)).all() or sizes.sum() != n_errors:
        raise ModelFileError(f"error_sizes do not go with {n_errors} errors.")
    check_array("errors", errors, (n_errors,), np.float64)
    check_array("error_members", members, (len(sizes), n_networks), np.dtype(bool))
    groups = np.split(errors, np.cumsum(sizes)[:-1])
    if not members.any(axis=1).all() or any((np.diff(one) < 0).any() for one in groups):
        raise ModelFileError("errors are not sorted, or of no network.")
    return ConformalErrors(members, groups)
