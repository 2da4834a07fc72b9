"""A fitted tabular estimator as a header of JSON values and arrays, and back.

    contents    what the file of a TabularClassifier or TabularRegressor holds
    build       the estimator again, every value checked before anything is built

The header has the record of the encoder and, for each network, what the file of a single one holds;
the arrays of network k have the prefix ``network_k_``.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import network_files
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
        about, of_network = network_files.contents(network, [])
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
        arrays["error_sizes"] = np.array([len(one) for one in errors.errors])
        arrays["errors"] = np.concatenate(errors.errors)
    return header, arrays


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
    n_outputs = networks[0].network_.layer_sizes[-1]
    if any(network.network_.layer_sizes[-1] != n_outputs for network in networks):
        raise ModelFileError("its networks have different numbers of outputs.")
    n_features = encoder.n_features_in_
    importances = arrays.pop("feature_importances", None)
    check_array("feature_importances", importances, (n_features,), np.float64)
    fitted: dict[str, Any] = {
        "encoder_": encoder,
        "estimators_": networks,
        "n_iter_": max(network.n_iter_ for network in networks),
        "n_features_in_": n_features,
        "feature_importances_": importances,
    }
    if hasattr(encoder, "feature_names_in_"):
        fitted["feature_names_in_"] = encoder.feature_names_in_
    fitted |= _estimates(header, arrays, ESTIMATES[name])
    if name == "TabularClassifier":
        fitted["classes_"] = _classes(take(header, "classes", dict), arrays, networks)
    else:
        fitted["_target_scale"] = _scale(arrays, n_outputs)
        if ESTIMATES[name] in fitted:
            fitted["_errors"] = _errors(arrays, len(networks))
    if arrays:
        raise ModelFileError(f"it has the unknown members {sorted(arrays)}.")
    vars(estimator).update(fitted)
    return estimator


def _encoder(record):
    try:
        return TableEncoder._from_record(record)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"its encoder cannot be built: {error}") from None


def _networks(headers, arrays, name, encoder):
    if not headers:
        raise ModelFileError("it has no networks.")
    networks = []
    for k, header in enumerate(headers):
        if not isinstance(header, dict):
            raise ModelFileError(f"network {k} of its header is {str(header)[:80]}.")
        prefix = f"network_{k}_"
        own = {key: arrays.pop(key) for key in sorted(arrays) if key.startswith(prefix)}
        own = {key.removeprefix(prefix): array for key, array in own.items()}
        try:
            network = network_files.build({**header, "class": name}, own, {})
        except ModelFileError as error:
            raise ModelFileError(f"its network {k}: {error}") from None
        n_columns = len(encoder.feature_of_column_)
        if network.n_features_in_ != n_columns or network.network_.dtype != np.float32:
            raise ModelFileError(
                f"its network {k} takes {network.n_features_in_} columns of "
                f"{network.network_.dtype}, and the encoder makes {n_columns} of float32."
            )
        networks.append(network)
    return networks


def _estimates(header, arrays, name):
    score, estimates = header.get("oob_score"), arrays.pop("oob", None)
    if score is None and estimates is None:
        return {}
    if type(score) is not float or estimates is None or estimates.dtype != np.float64:
        raise ModelFileError("its out-of-bag score and estimates are not both there.")
    return {"oob_score_": score, name: estimates}


def _classes(about, arrays, networks):
    classes = classes_of_file(about, arrays)
    if classes.multilabel or any(len(one.classes_) != len(classes.labels) for one in networks):
        raise ModelFileError(f"{len(classes.labels)} classes do not go with its networks.")
    return classes.labels


def _scale(arrays, n_outputs):
    values = {key: arrays.pop(f"target_{key}", None) for key in SCALE}
    center = values["center"]
    n_targets = 0 if center is None else center.size
    if n_targets not in (1, n_outputs):
        raise ModelFileError(f"target_center has {n_targets} numbers for {n_outputs} outputs.")
    for key, value in values.items():
        is_end = key in ("lowest", "highest")  # which may be infinite
        finite = value if value is None or not is_end else np.nan_to_num(value, nan=np.nan)
        check_array(f"target_{key}", finite, (n_targets,), np.float64)
    if not (values["scale"] > 0).all() or (values["lowest"] > values["highest"]).any():
        raise ModelFileError("target_scale is not positive, or target_lowest above target_highest.")
    return TargetScale(**values)


def _errors(arrays, n_networks):
    """The errors that intervals rest on; None for several targets, which have none."""
    members, sizes = arrays.pop("error_members", None), arrays.pop("error_sizes", None)
    errors = arrays.pop("errors", None)
    if members is None and sizes is None and errors is None:
        return None
    if sizes is None or sizes.ndim != 1 or sizes.dtype.kind != "i" or (sizes < 1).any():
        raise ModelFileError("error_sizes is missing, or no vector of positive numbers.")
    if errors is None or sizes.sum() != errors.size:
        raise ModelFileError("errors is missing, or does not go with error_sizes.")
    check_array("errors", errors, (errors.size,), np.float64)
    check_array("error_members", members, (len(sizes), n_networks), np.dtype(bool))
    groups = np.split(errors, np.cumsum(sizes)[:-1])
    if not members.any(axis=1).all() or any((np.diff(one) < 0).any() for one in groups):
        raise ModelFileError("errors are not sorted, or of no network.")
    return ConformalErrors(members, groups)
