"""Labels that are missing, of several types or of an odd one are refused with what to do."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from problems import tiny

from fastbp import BackpropClassifier, TabularClassifier


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, r"y has missing labels \(None\), 1 of 8, the first in row 2, counted from 0: leave"),
        (7, r"y has labels of several types: 7 \(int\), 'b' \(str\). Convert them to one"),
    ],
)
def test_labels_of_several_types(label, words):
    labels = np.array(["a", "b"] * 4, dtype=object)
    labels[2] = label
    for call in "fit", "partial_fit", "initialize":
        with pytest.raises(ValueError, match=words):
            getattr(tiny(BackpropClassifier, solver="adam"), call)(np.eye(8), labels)


@pytest.mark.parametrize(
    "dtype", ["inferred", "category", "string", "Int64", "arrow", "polars", "polars categories"]
)
@pytest.mark.parametrize("cls", [BackpropClassifier, TabularClassifier])
def test_missing_labels_of_every_library(cls, dtype):
    values = [k % 2 if dtype == "Int64" else "ab"[k % 2] for k in range(8)]
    values[2] = None
    if dtype.startswith("polars"):
        polars = pytest.importorskip("polars")
        labels = polars.Series(values, dtype=polars.Categorical if " " in dtype else polars.String)
    elif dtype == "arrow":
        pytest.importorskip("pyarrow")
        labels = pd.Series(values, dtype="string[pyarrow]")
    elif dtype == "inferred":  # str with pandas 3
        labels = pd.Series(values)
    else:
        labels = pd.Series(values, dtype=object).astype(dtype)
    words = r"y has missing labels \((None|nan|<NA>)\), 1 of 8, the first in row 2, counted from 0"
    with pytest.raises(ValueError, match=f"^{words}"):
        cls(max_iter=1).fit(np.eye(8), labels)
    y = np.array([0, 1] * 4) if dtype == "Int64" else np.array(["a", "b"] * 4)
    with pytest.raises(ValueError, match=f"X_val and y_val cannot be used. {words}"):
        cls(max_iter=1).fit(np.eye(8), y, X_val=np.eye(8), y_val=labels)


@pytest.mark.parametrize("kind", [int, bool, np.int32, Decimal])
def test_numbers_in_an_array_of_objects(kind):
    labels = np.array([kind(k % 2) for k in range(8)], dtype=object)
    to = "str" if kind is Decimal else "int"
    words = rf"Unknown label type: {kind.__name__}, in an array of objects.*by y.astype\({to}\)"
    with pytest.raises(ValueError, match=words):
        tiny(BackpropClassifier).fit(np.eye(8), labels)
