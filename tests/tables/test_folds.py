"""Which rows are held out: shares, classes, and what stays when members are added."""

import numpy as np
import pytest
from internals import deal_out, make_splits


def source(seed=0):
    return np.random.RandomState(seed)


@pytest.mark.parametrize("n_samples", [5, 23, 100])
def test_folds_differ_in_size_by_one_at_most(n_samples):
    sizes = np.bincount(deal_out(None, n_samples, 5, source()), minlength=5)
    assert sizes.sum() == n_samples and sizes.max() - sizes.min() <= 1


def test_each_class_is_spread_over_the_folds():
    codes = np.repeat([0, 1, 2, 3], [61, 30, 5, 1])
    fold = deal_out(codes, len(codes), 5, source(3))
    for code in range(4):
        counts = np.bincount(fold[codes == code], minlength=5)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 1


def test_the_rows_of_a_fold_are_drawn_at_random():
    folds = [tuple(deal_out(None, 40, 5, source(seed))) for seed in range(4)]
    assert len(set(folds)) == 4 and folds[0] == tuple(deal_out(None, 40, 5, source(0)))


@pytest.mark.parametrize("n_members", [1, 3, 5, 7, 10])
def test_every_member_trains_on_four_fifths(n_members):
    splits = make_splits(None, 50, n_members, 5, source())
    for training, held_out in splits:
        assert len(training) == 40 and len(held_out) == 10
        np.testing.assert_array_equal(np.sort(np.r_[training, held_out]), np.arange(50))
    for first in range(0, n_members - 4, 5):
        rows = np.concatenate([held_out for _, held_out in splits[first : first + 5]])
        np.testing.assert_array_equal(np.sort(rows), np.arange(50))


def test_members_stay_when_others_follow():
    few, many = (make_splits(None, 31, n, 5, source()) for n in (3, 12))
    for (a, b), (c, d) in zip(few, many, strict=False):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    assert {tuple(held_out) for _, held_out in many[:5]} != {tuple(h) for _, h in many[5:10]}


def test_fewer_rows_than_folds():
    splits = make_splits(None, 2, 5, 5, source())
    assert all(len(training) == len(held_out) == 1 for training, held_out in splits)
    with pytest.raises(ValueError, match="n_samples=1: at least 2 rows"):
        make_splits(None, 1, 5, 5, source())
