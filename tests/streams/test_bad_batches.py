"""Batches that cannot be used: which batch, which row, and the estimator as after whole epochs."""

import pickle

import numpy as np
import pandas as pd
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    assert_equal_networks,
    assert_same_bits,
    assert_same_state,
    assert_unfitted,
    make_multilabel,
    make_named_classes,
    make_named_task,
    make_regression,
    public_state,
    small,
)
from scipy import sparse
from streams_of import batches_of

from fastbp import BackpropClassifier, BackpropRegressor, BatchError

pytestmark = CUT_SHORT

X, NAMES = make_named_classes()
NUMBERS = make_regression()[1]
LABELS = make_multilabel()[1]
# what is changed in row 3 of batch 2, what the message says, and the row
AT = 2 * 10 + 3
ROWS = {
    "NaN in X": (BackpropRegressor, "X", np.nan, "contains NaN"),
    "infinite X": (BackpropClassifier, "X", np.inf, "contains infinity"),
    "too large": (BackpropRegressor, "X", 1e300, "a value too large for dtype"),
    "text": (BackpropRegressor, "X", "ten", "could not convert string to float: 'ten'"),
    "NaN in y": (BackpropRegressor, "y", np.nan, "contains NaN"),
    "text in y": (BackpropRegressor, "y", "ten", "could not convert string to float"),
    "unknown label": (BackpropClassifier, "y", "elk", "has classes not in"),
    "negative weight": (BackpropClassifier, "weights", -0.5, "Negative values.*-0.5"),
    "NaN weight": (BackpropRegressor, "weights", np.nan, "sample_weight contains NaN"),
}


def arrays_of(cls, part, value, at=AT):
    arrays = {
        "X": X.astype(np.float32 if value == 1e300 else np.float64),
        "y": NAMES if cls is BackpropClassifier else NUMBERS,
        "weights": np.ones(48),
    }
    changed = arrays[part].astype(object)
    if part == "X":
        changed[at, 1] = value
    else:
        changed[at] = value
    if not isinstance(value, str):
        changed = changed.astype(np.float64)
    return list((arrays | {part: changed}).values())


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame], ids=["array", "table"])
@pytest.mark.parametrize("case", ROWS)
def test_a_bad_row_is_named(case, form):
    cls, part, value, message = ROWS[case]
    rows, y, weights = arrays_of(cls, part, value)
    if case == "too large":  # for the type of the first batch
        batches = [(form(rows[k : k + 10]), y[k : k + 10]) for k in range(0, 48, 10)]
        batches[0] = form(rows[:10].astype(np.float32)), y[:10]
    else:
        batches = [
            (form(rows[k : k + 10]), y[k : k + 10], weights[k : k + 10]) for k in range(0, 48, 10)
        ]
    model = small(cls)
    classes = {"classes": np.unique(NAMES)} if cls is BackpropClassifier else {}
    with pytest.raises(BatchError, match=message) as caught:
        model.fit_batches(batches, **classes)
    error = caught.value
    assert (error.epoch, error.batch, error.row) == (1, 2, 3)
    assert str(error).startswith("Epoch 1, batch 2, row 3 (counted from 0): ")
    assert isinstance(error, ValueError)
    assert_unfitted(model)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.epoch, again.batch, again.row) == (str(error), 1, 2, 3)


def test_tables_with_other_columns():
    first, other = (pd.DataFrame(X[:5], columns=list(names)) for names in ("abcd", "abdc"))
    with pytest.raises(BatchError, match="feature names should match") as caught:
        small(BackpropRegressor).fit_batches([(first, NUMBERS[:5]), (other, NUMBERS[:5])])
    assert caught.value.batch == 1
    with pytest.raises(BatchError, match="feature names should match") as caught:
        small(BackpropRegressor).fit_batches([(first, NUMBERS[:5]), (first[["a"]], NUMBERS[:5])])
    assert (caught.value.batch, caught.value.row) == (1, None)


@pytest.mark.parametrize("at", [0, 9, 10, 47])
@pytest.mark.parametrize("buffer_rows", [None, 16])
def test_any_row_of_any_batch(at, buffer_rows):
    rows, y, _ = arrays_of(BackpropRegressor, "y", np.nan, at)
    with pytest.raises(BatchError) as caught:
        small(BackpropRegressor).fit_batches(batches_of(rows, y, size=10), buffer_rows=buffer_rows)
    assert (caught.value.batch, caught.value.row) == divmod(at, 10)


def test_rows_of_sparse_and_multilabel_batches():
    matrix = sparse.csr_matrix(X)
    matrix[AT, 2] = np.nan
    with pytest.raises(BatchError, match="contains NaN") as caught:
        small(BackpropClassifier).fit_batches(batches_of(matrix, NAMES, size=10))
    assert (caught.value.batch, caught.value.row) == (2, 3)
    wrong = LABELS.copy()
    wrong[AT, 1] = 2
    with pytest.raises(BatchError, match="not supported|classes") as caught:
        small(BackpropClassifier).fit_batches(batches_of(X, wrong, size=10))
    assert (caught.value.batch, caught.value.row) == (2, 3)


WHOLE = {
    "width": ((X[:5, :3], NUMBERS[:5]), "X has 3 features, but BackpropRegressor is expecting 4"),
    "lengths": ((X[:5], NUMBERS[:4]), "inconsistent numbers of samples"),
    "weights": ((X[:5], NUMBERS[:5], np.ones(4)), "sample_weight.shape == .4,., expected .5,."),
    "more weights": ((X[:5], NUMBERS[:5], np.ones(5)), "It has a sample_weight, and the first"),
    "a vector": ((X[:5, 0], NUMBERS[:5]), "Expected 2D array"),
    "columns": ((X[:5], np.ones((5, 2))), "y has 2 columns, and in the first batch y is a vector"),
    "sparse": ((sparse.csr_matrix(X[:5]), NUMBERS[:5]), "X is sparse, and in the first batch"),
    "no tuple": (X[:5], "must be a tuple .X, y. or .X, y, sample_weight., got a ndarray"),
    "too short": ((X[:5],), "got a tuple of 1"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_bad_batch_is_named(case):
    batch, message = WHOLE[case]
    model = small(BackpropRegressor)
    with pytest.raises(BatchError, match=message) as caught:
        model.fit_batches([(X, NUMBERS), batch])
    assert (caught.value.epoch, caught.value.batch, caught.value.row) == (1, 1, None)
    assert_unfitted(model)


class Changing:
    """Batches that are others from the third call on."""

    def __init__(self, good, bad, n_good=2):
        self.calls, self.good, self.bad, self.n_good = 0, good, bad, n_good

    def __call__(self):
        self.calls += 1
        return (self.good if self.calls <= self.n_good else self.bad)()


class OwnError(Exception):
    pass


def breaking_off():
    yield X[:20], NUMBERS[:20]
    raise OwnError("the disk")


BAD = {
    "bad row": (batches_of(*arrays_of(BackpropRegressor, "X", np.nan)[:2], size=10), BatchError),
    "fewer rows": (batches_of(X[:40], NUMBERS[:40], size=10), BatchError),
    "more rows": (batches_of(np.vstack([X, X]), np.tile(NUMBERS, 2), size=10), BatchError),
    "none": (lambda: iter(()), BatchError),
    "their own error": (breaking_off, OwnError),
}


@pytest.mark.parametrize("buffer_rows", [None, 32])
@pytest.mark.parametrize("case", BAD)
def test_later_epochs_leave_the_last_whole_one(case, buffer_rows):
    bad, kind = BAD[case]
    good = batches_of(X, NUMBERS, size=10)
    model = small(BackpropRegressor, max_iter=9)
    with pytest.raises(kind):
        model.fit_batches(Changing(good, bad), buffer_rows=buffer_rows)
    expected = small(BackpropRegressor, max_iter=2).fit_batches(good, buffer_rows=buffer_rows)
    assert_same_bits(model, expected)
    assert (model.n_iter_, model.t_, model.loss_) == (2, 96, expected.loss_)
    assert_same_bits(model.partial_fit(X, NUMBERS), expected.partial_fit(X, NUMBERS))


@pytest.mark.parametrize("case", ["bad row", "none", "their own error"])
def test_the_first_epoch_leaves_the_estimator_as_it_was(case):
    bad, kind = BAD[case]
    model = small(BackpropRegressor)
    with pytest.raises(kind):
        model.fit_batches(bad)
    assert_unfitted(model)
    model.fit(X, NUMBERS)
    before = public_state(model)
    with pytest.raises(kind):
        model.set_params(warm_start=True).fit_batches(bad, buffer_rows=16)
    model.set_params(warm_start=False)
    assert_same_state(before, public_state(model))


def test_the_best_epoch_is_restored_before_an_error():
    params = dict(early_stopping=True, max_iter=9, learning_rate_init=0.3)
    validation = {"X_val": X[:20], "y_val": NUMBERS[:20]}
    good, bad = batches_of(X, NUMBERS, size=10), BAD["bad row"][0]
    model = small(BackpropRegressor, **params)
    with pytest.raises(BatchError):
        model.fit_batches(Changing(good, bad, 4), **validation)
    expected = small(BackpropRegressor, **(params | {"max_iter": 4}))
    assert_equal_networks(model, expected.fit_batches(good, **validation))
    assert len(model.validation_scores_) == 4


@ESTIMATORS
def test_their_own_errors_arrive_unchanged(cls):
    rows, y = make_named_task(cls)
    error = OwnError("once")

    def failing():
        yield rows, y
        raise error

    with pytest.raises(OwnError) as caught:
        small(cls).fit_batches(failing)
    assert caught.value is error

    def at_once():
        raise error

    with pytest.raises(OwnError) as caught:
        small(cls).fit_batches(at_once)
    assert caught.value is error


def test_iterators_are_refused():
    for batches in (iter([(X, NUMBERS)]), ((X, NUMBERS) for _ in range(3))):
        with pytest.raises(TypeError, match="is an iterator .*pass a function"):
            small(BackpropRegressor).fit_batches(batches)
    with pytest.raises(TypeError, match="must be a function .*got int"):
        small(BackpropRegressor).fit_batches(3)
    with pytest.raises(TypeError, match=r"batches\(\) has returned None; it must return an iter"):
        small(BackpropRegressor).fit_batches(lambda: None)


def test_no_classes_at_all():
    with pytest.raises(BatchError, match=r"Epoch 1, batch 0, row 0 .*`self.classes_` has \[\]"):
        small(BackpropClassifier).fit_batches([(X, NAMES)], classes=[])


def test_a_function_that_returns_the_same_iterator_again():
    iterator = batches_of(X, NUMBERS, size=10)()
    model = small(BackpropRegressor)
    with pytest.raises(
        BatchError, match="must be a function that returns a new iterator"
    ) as caught:
        model.fit_batches(lambda: iterator)
    assert (caught.value.epoch, caught.value.batch) == (2, None)
    assert model.n_iter_ == 1


@pytest.mark.parametrize("n_rows", [10, 20, 40])
def test_rows_that_are_gone_after_they_were_counted(n_rows):
    batches = Changing(
        batches_of(X, NAMES, size=10), batches_of(X[:n_rows], NAMES[:n_rows], size=10), 1
    )
    with pytest.raises(BatchError, match=f"has {n_rows} rows now, and had 48 before"):
        small(BackpropClassifier).fit_batches(batches, buffer_rows=32)


@pytest.mark.parametrize("batches", [[], [(X[:0], NUMBERS[:0])]], ids=["none", "empty"])
def test_no_rows_at_all(batches):
    model = small(BackpropRegressor)
    with pytest.raises(BatchError, match="batches has no rows"):
        model.fit_batches(batches)
    assert_unfitted(model)


def test_weights_of_zero():
    """A batch without weight is passed over; a stream without any is an error."""
    weights = np.ones(48)
    weights[10:30] = 0
    arrays = X, NUMBERS, weights
    for buffer_rows in (None, 16):
        model = small(BackpropRegressor)
        model.fit_batches(batches_of(*arrays, size=10), buffer_rows=buffer_rows)
        with pytest.raises(ValueError, match="sample_weight is zero|sum 0"):
            small(BackpropRegressor).fit_batches(
                batches_of(X, NUMBERS, np.zeros(48), size=10), buffer_rows=buffer_rows
            )


def test_a_class_without_rows_cannot_be_balanced():
    with pytest.raises(ValueError, match="there are none of .'elk'."):
        small(BackpropClassifier, class_weight="balanced").fit_batches(
            [(X, NAMES)], classes=["ant", "bee", "cow", "elk"]
        )
