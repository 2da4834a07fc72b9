"""Labels that are missing, of several types or of an odd one are refused with what to do."""

from decimal import Decimal

import numpy as np
import pytest
from problems import tiny

from fastbp import BackpropClassifier


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


@pytest.mark.parametrize("kind", [int, bool, np.int32, Decimal])
def test_numbers_in_an_array_of_objects(kind):
    labels = np.array([kind(k % 2) for k in range(8)], dtype=object)
    to = "str" if kind is Decimal else "int"
    words = rf"Unknown label type: {kind.__name__}, in an array of objects.*by y.astype\({to}\)"
    with pytest.raises(ValueError, match=words):
        tiny(BackpropClassifier).fit(np.eye(8), labels)
