"""Class labels in and out: what a classifier's y is to a network, and back.

    y                        outputs                  a network is trained towards
    two classes              one, logistic/identity   0 or 1
    several classes          one per class            the label (softmax) or a one-hot row
    label indicator matrix   one per label            the matrix

Classes takes y and a network's outputs and returns Targets, class labels, probabilities and
accuracy; ClassWeights is what class_weight makes of y. ClassificationProblem is both, as a fit sees
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from .checks import as_weights
from .data import Targets
from .types import Array, ClassWeight, FloatArray, MaybeSparse

LabelRule: TypeAlias = Literal["each above half", "largest", "above half"]
ProbabilityRule: TypeAlias = Literal["outputs", "ones", "complement", "shares"]

NUMBERS = "biuf"  # kinds of dtypes
FEW_SAMPLES = 20  # of which scikit-learn does not warn, however many classes they have


def check_labels(y: Any) -> None:
    """ValueError for what no classes are, or for labels that are missing or of several types."""
    try:
        check_classification_targets(y)
    except (TypeError, ValueError):  # scikit-learn's name neither the label nor the row
        check_no_label_missing(y)
        if isinstance(y, np.ndarray) and y.dtype.kind == "O" and y.ndim == 1:
            _check_types_of_labels(y)
        raise


def check_no_label_missing(y: Any) -> None:
    """ValueError that names the first row, if y are labels of any library, one of which is missing.

    For where scikit-learn's checks have failed: they may name neither y nor the row. What they say
    of an array of numbers stays as it is.
    """
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        return
    try:
        labels = np.asarray(y)
    except (TypeError, ValueError):
        return
    if labels.dtype.kind not in "Of" or labels.ndim != 1:
        return
    if labels.dtype.kind == "f":
        missing = np.flatnonzero(np.isnan(labels)).tolist()
    else:
        missing = [i for i, label in enumerate(labels) if _is_missing(label)]
    if missing:
        raise ValueError(
            f"y has missing labels ({labels[missing[0]]}), {len(missing)} of {len(labels)}, the "
            f"first in row {missing[0]}, counted from 0: leave these samples out, or give them a "
            "label."
        ) from None


def _is_missing(label):
    """Whether it is None, NaN, NA or NaT."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, (float, np.floating)) and bool(label != label)


def _check_types_of_labels(y):
    kinds = {type(label).__name__: label for label in y}
    if len(kinds) > 1:
        labels = ", ".join(f"{label!r} ({kind})" for kind, label in sorted(kinds.items()))
        raise ValueError(
            f"y has labels of several types: {labels}. Convert them to one, for example to text by "
            "y.astype(str)."
        ) from None
    (kind, label), *_ = kinds.items()
    if not isinstance(label, (str, float)):  # numbers with fractions are hardly labels
        to = "int" if isinstance(label, (Integral, np.bool_)) else "str"
        raise ValueError(
            f"Unknown label type: {kind}, in an array of objects. Convert y, for example by "
            f"y.astype({to})."
        ) from None


@dataclass(frozen=True)
class Classes:
    """The classes of a classification problem.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Sorted class labels; for multi-label targets the numbers of the columns.
    multilabel : bool
    sparse : bool
        Whether y was a sparse indicator matrix, as then the predictions are.
    """

    labels: Array
    multilabel: bool = False
    sparse: bool = False

    @classmethod
    def of(cls, y: Any) -> Classes:
        """The classes that occur in y."""
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Multioutput target data is not supported: y has several columns of classes. Use "
                "a label indicator matrix of 0 and 1, or sklearn.multioutput."
            )
        return cls(unique_labels(y), kind == "multilabel-indicator", sparse.issparse(y))

    def output_activation(self, given: str) -> str:
        """The output, the default one for "auto"; ValueError for one that does not fit."""
        if given == "auto":
            return "softmax" if len(self.labels) > 2 and not self.multilabel else "logistic"
        if given == "softmax" and self.multilabel:
            raise ValueError(
                "output_activation='softmax' needs one class per sample, but y is a label "
                "indicator matrix; use 'logistic' or 'auto'."
            )
        return given

    def check_same(self, y: Any) -> None:
        """ValueError unless y has exactly these classes (warm_start)."""
        other = Classes.of(y)
        if other.multilabel != self.multilabel or set(other.labels) != set(self.labels):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.labels}, `y` has {other.labels}"
            )

    def check_known(self, y: Any, name: str = "y") -> None:
        """ValueError if y has classes that are not among these."""
        other = Classes.of(y)
        same_columns = not self.multilabel or len(other.labels) == len(self.labels)
        if (
            other.multilabel != self.multilabel
            or not same_columns
            or len(np.setdiff1d(other.labels, self.labels))
        ):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.labels}. '{name}' has {other.labels}."
            )

    def has_all(self, y: Any) -> bool:
        """Whether every label of y is one of these; False also where that takes a longer check."""
        if self.multilabel:
            is_dense = isinstance(y, np.ndarray) and y.ndim == 2 and y.dtype.kind in "iufb"
            is_dense = is_dense and y.shape[1] == len(self.labels)
            return is_dense and bool(((y == 0) | (y == 1)).all())
        if y.ndim != 1 or len(self.labels) == 0:
            return False
        try:
            places = np.searchsorted(self.labels, y)
            return bool((self.labels[np.minimum(places, len(self.labels) - 1)] == y).all())
        except TypeError:
            return False

    def are(self, classes: Any) -> bool:
        """Whether these are all classes, in this order; False also for some unusual lists."""
        if type(classes) is np.ndarray and classes.dtype.kind != "O":
            classes = classes.tolist()
        return type(classes) in (list, tuple) and list(classes) == self.labels.tolist()

    def takes(self, y: Any) -> bool:
        """Whether check_labels and check_known would find nothing in y; False also where that
        takes these longer checks."""
        if self.multilabel:
            return self.has_all(y)
        kind, known = y.dtype.kind, self.labels.dtype.kind
        if known == "U":
            is_usual = kind == "U" or (kind == "O" and all(isinstance(label, str) for label in y))
        else:
            is_usual = known in NUMBERS and kind in NUMBERS
        # scikit-learn warns of classes that are many for so few samples
        may_warn = y.shape[0] > FEW_SAMPLES and len(self.labels) > y.shape[0] // 2
        return is_usual and not may_warn and self.has_all(y)

    def encode(self, y: Any, output_activation: str, dtype: Any) -> Targets:
        """Targets of y for a network with that output."""
        if self.multilabel:
            indicator = y.toarray() if sparse.issparse(y) else y
            return Targets.matrix(np.ascontiguousarray(indicator, dtype=dtype))
        codes = np.searchsorted(self.labels, y).astype(np.intp, copy=False)
        if output_activation == "softmax":
            return Targets(None, codes, len(self.labels))
        if len(self.labels) <= 2:
            return Targets.matrix(codes.astype(dtype).reshape(-1, 1))
        return Targets.matrix(np.eye(len(self.labels), dtype=dtype)[codes])

    def decode(self, outputs: FloatArray) -> Array | MaybeSparse:
        """Class labels of a network's outputs: the largest, or those above 1/2."""
        if self.multilabel:
            indicator = (outputs > 0.5).astype(int)
            return sparse.csr_matrix(indicator) if self.sparse else indicator
        return self.labels[self._codes(outputs)]

    def _codes(self, outputs):
        if self.label_rule(outputs.shape[1]) == "largest":
            return outputs.argmax(axis=1)
        # One output for a single class was trained towards 0, which is that class.
        return (outputs[:, 0] > 0.5).astype(np.intp) % len(self.labels)

    def label_rule(self, n_outputs: int) -> LabelRule:
        """How `decode` chooses: each label above 1/2, the largest output, or one above 1/2."""
        if self.multilabel:
            return "each above half"
        return "largest" if n_outputs > 1 else "above half"

    def probabilities(self, outputs: FloatArray, output_activation: str) -> FloatArray:
        """Class probabilities (n_samples, n_classes) of logistic or softmax outputs."""
        rule = self.probability_rule(output_activation)
        if rule == "outputs":
            return outputs
        if rule == "ones":
            return np.ones_like(outputs)
        if rule == "complement":
            return np.hstack([1 - outputs, outputs])
        total = outputs.sum(axis=1, keepdims=True)
        no_class = total[:, 0] == 0
        outputs[no_class], total[no_class] = 1, outputs.shape[1]
        return outputs / total

    def probability_rule(self, output_activation: str) -> ProbabilityRule:
        """What `probabilities` makes of outputs p.

        p itself, ones for a single class, (1 - p, p), or p / sum(p), where a row of zeros counts as
        one of ones.
        """
        if self.multilabel or output_activation == "softmax":
            return "outputs"
        if len(self.labels) > 2:
            return "shares"
        return "ones" if len(self.labels) == 1 else "complement"

    def accuracy(self, outputs: FloatArray, targets: Targets, weights: FloatArray | None) -> float:
        """Weighted fraction of samples whose class, or whose every label, is predicted."""
        if targets.labels is not None:
            correct = outputs.argmax(axis=1) == targets.labels
        elif self.multilabel:
            correct = ((outputs > 0.5) == (targets.values > 0.5)).all(axis=1)
        else:
            correct = self._codes(outputs) == self._codes(targets.values)
        return float(np.average(correct, weights=weights))


@dataclass(frozen=True)
class ClassWeights:
    """Weights of the classes of each column of y, as ``class_weight`` asks for them.

    Attributes
    ----------
    tables : tuple of (classes, weights)
        One pair of arrays per column; the columns' weights are multiplied.
    """

    tables: tuple[tuple[Array, FloatArray], ...]

    @classmethod
    def of_training(cls, class_weight: ClassWeight, y: Any, labels: Array) -> ClassWeights:
        """From the targets of the training samples, and the labels of a y of one column."""
        columns, is_list = columns_of(y), isinstance(class_weight, list)
        if class_weight != "balanced" and is_list != (y.ndim == 2):
            raise ValueError(
                f"class_weight={class_weight!r}: for one class per sample a dict or 'balanced' is "
                "needed, for multi-label targets a list of dicts, one per label, or 'balanced'."
            )
        choices: Any = class_weight if is_list else [class_weight] * len(columns)
        if len(choices) != len(columns):
            raise ValueError(
                f"class_weight lists {len(choices)} dicts for {len(columns)} labels; one per label "
                "is needed."
            )
        tables = []
        for choice, column in zip(choices, columns, strict=True):
            # a batch of partial_fit may lack a label altogether
            of_label = np.unique(column) if choice == "balanced" else np.array([0, 1])
            classes = labels if y.ndim == 1 else of_label
            weights = compute_class_weight(choice, classes=classes, y=column)
            tables.append((classes, weights))
        return cls(tuple(tables))

    @classmethod
    def balanced(cls, columns: Iterable[tuple[Array, Array]]) -> ClassWeights:
        """From labels, and how often each occurs, of each column: what 'balanced' means."""
        tables = []
        for labels, counts in columns:
            seen = counts > 0
            tables.append((labels[seen], counts.sum() / (seen.sum() * counts[seen])))
        return cls(tuple(tables))

    def of_samples(self, y: Any) -> FloatArray:
        """(n_samples,) weights; a class that was not in training has the weight 1."""
        factors = np.ones(y.shape[0])
        for (classes, weights), column in zip(self.tables, columns_of(y), strict=True):
            place = np.minimum(np.searchsorted(classes, column), len(classes) - 1)
            factors *= np.where(classes[place] == column, weights[place], 1.0)
        return factors


def columns_of(y: Any) -> list[Any]:
    """The columns of targets, dense."""
    if y.ndim == 1:
        return [y]
    return list((y.toarray() if sparse.issparse(y) else y).T)


@dataclass(frozen=True)
class ClassificationProblem:
    """What a fit of a classifier is about: its classes, its output, and weights of the classes.

    RegressionProblem has the same members.

    Attributes
    ----------
    classes : Classes
    output_activation : str
    network_settings : dict
        Arguments of Network that only classifiers have.
    class_weights : ClassWeights or None
    """

    classes: Classes
    output_activation: str
    network_settings: dict[str, Any]
    class_weights: ClassWeights | None = None

    is_classification: ClassVar[bool] = True

    def targets(self, y: Any, dtype: Any, name: str = "y") -> Targets:
        """Targets of y, or of y_val, whose classes must be known."""
        if name != "y":
            self.classes.check_known(y, name)
        return self.classes.encode(y, self.output_activation, dtype)

    def targets_of_part(self, y: Any, dtype: Any) -> Targets:
        """Targets of some of the rows, whose classes must be known."""
        if not self.classes.has_all(y):
            self.classes.check_known(y)
        return self.classes.encode(y, self.output_activation, dtype)

    def weights(
        self,
        y: Any,
        sample_weight: FloatArray | None,
        dtype: Any,
        *,
        may_be_zero: bool = False,
    ) -> FloatArray | None:
        """sample_weight times the weights of the samples' classes."""
        if self.class_weights is None:
            return sample_weight
        factors = self.class_weights.of_samples(y)
        product = factors if sample_weight is None else sample_weight * factors
        name = "sample_weight times class_weight"
        return as_weights(product, len(factors), dtype, name, may_be_zero=may_be_zero)

    def score(self, outputs: FloatArray, targets: Targets, weights: FloatArray | None) -> float:
        """Accuracy of outputs."""
        return self.classes.accuracy(outputs, targets, weights)

    @property
    def fitted_attributes(self) -> dict[str, Any]:
        return {"classes_": self.classes.labels, "_classes": self.classes}
