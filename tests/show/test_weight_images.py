"""WeightsDisplay: what is drawn, where, and in which words."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from problems import CUT_SHORT, make_clf
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fastbp import WeightsDisplay

pytestmark = CUT_SHORT


def test_one_image_for_each_unit(digits):
    clf = make_clf(hidden_layer_sizes=(10, 3)).fit(*digits)
    display = WeightsDisplay.from_estimator(clf, image_shape=(8, 8))
    assert len(display.images_) == 10
    for unit, image in enumerate(display.images_):
        np.testing.assert_array_equal(image.get_array(), clf.coefs_[0][:, unit].reshape(8, 8))
    assert display.ax_.get_title() == "Hidden units"
    assert [text.get_text() for text in display.ax_.texts] == [str(unit) for unit in range(10)]


def test_images_share_a_scale_with_zero_in_the_middle(digits):
    clf = make_clf().fit(*digits)
    display = WeightsDisplay.from_estimator(clf, image_shape=(8, 8))
    limit = np.abs(clf.coefs_[0]).max()
    assert {image.get_clim() for image in display.images_} == {(-limit, limit)}
    assert display.colorbar_.ax.get_ylabel() == "Weight"
    assert display.images_[0].get_cmap().name == "RdBu_r"


def extents(display):
    return np.array([image.get_extent() for image in display.images_])


@pytest.mark.parametrize(
    ("n_units", "grid"), [(1, (1, 1)), (10, (2, 5)), (16, (4, 4)), (7, (2, 4))]
)
def test_grid_has_no_overlap_and_the_images_proportions(n_units, grid):
    weights = np.random.default_rng(0).normal(size=(6, n_units))
    display = WeightsDisplay(weights=weights, image_shape=(2, 3)).plot()
    left, right, bottom, top = extents(display).T
    assert (len(np.unique(top)), len(np.unique(left))) == grid
    np.testing.assert_allclose(right - left, 3)
    np.testing.assert_allclose(bottom - top, 2)
    assert (np.diff(np.unique(left)) > 3).all()
    assert (np.diff(np.unique(top)) > 2).all()
    assert display.ax_.get_aspect() == 1
    # All of them are in view; the y axis points down, as an image's rows do.
    (x0, x1), (y0, y1) = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert x0 <= left.min() and right.max() <= x1
    assert y1 <= top.min() and bottom.max() <= y0


@pytest.mark.slow
@pytest.mark.parametrize("inches", [4.5, 9])
def test_numbers_stand_between_the_images(inches):
    weights = np.random.default_rng(0).normal(size=(64, 100))
    _, ax = plt.subplots(figsize=(inches, inches))
    display = WeightsDisplay(weights=weights, image_shape=(8, 8)).plot(ax)
    display.figure_.canvas.draw()
    to_data = display.ax_.transData.inverted()
    for text, (_, _, _, top) in zip(display.ax_.texts, extents(display), strict=True):
        (_, low), (_, high) = to_data.transform(text.get_window_extent())
        assert top - 8 * 0.28 < high < low <= top


def test_most_units(digits):
    clf = make_clf(hidden_layer_sizes=(12,)).fit(*digits)
    images = WeightsDisplay.from_estimator(clf, image_shape=(8, 8), max_units=5)
    assert len(images.images_) == 5
    assert images.ax_.get_title() == "Hidden units (first 5 of 12)"
    heat_map = WeightsDisplay.from_estimator(clf, max_units=5)
    np.testing.assert_array_equal(heat_map.images_[0].get_array(), clf.coefs_[0][:, :5])
    assert heat_map.ax_.get_xlabel() == "Hidden unit (first 5 of 12)"
    for bad in (0, 2.5):
        with pytest.raises(ValueError, match=f"max_units={bad} must be a positive whole number"):
            WeightsDisplay.from_estimator(clf, max_units=bad)


def tick_labels(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def test_heat_map_has_features_by_units(digits):
    X, y = digits
    clf = make_clf().fit(X[:, :9], y)
    display = WeightsDisplay.from_estimator(clf)
    assert len(display.images_) == 1
    np.testing.assert_array_equal(display.images_[0].get_array(), clf.coefs_[0])
    assert tick_labels(display) == [f"x{i}" for i in range(9)]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Hidden unit", "Feature")


def frame():
    data = load_breast_cancer(as_frame=True)
    return data.data.iloc[:100, :7], data.target[:100]


def test_feature_names_of_a_frame():
    X, y = frame()
    assert tick_labels(WeightsDisplay.from_estimator(make_clf().fit(X, y))) == list(X.columns)


def test_feature_names_from_the_steps_before():
    X, y = frame()
    model = make_pipeline(StandardScaler(), make_clf()).fit(X, y)
    assert not hasattr(model[-1], "feature_names_in_")
    assert tick_labels(WeightsDisplay.from_estimator(model)) == list(X.columns)


def test_a_step_that_knows_no_names():
    X, y = frame()
    model = make_pipeline(FunctionTransformer(np.log1p), make_clf()).fit(X.to_numpy(), y)
    assert tick_labels(WeightsDisplay.from_estimator(model)) == [f"x{i}" for i in range(7)]


def test_given_feature_names_go_first():
    X, y = frame()
    names = pd.Index(list("abcdefg"))
    display = WeightsDisplay.from_estimator(make_clf().fit(X, y), feature_names=names)
    assert tick_labels(display) == list(names)


def test_names_are_left_out_where_there_is_no_room():
    weights = np.random.default_rng(0).normal(size=(500, 4))
    display = WeightsDisplay(weights=weights).plot()
    labels, places = tick_labels(display), display.ax_.get_yticks()
    assert 20 < len(labels) < 100
    assert labels == [f"x{int(place)}" for place in places]
    display.figure_.canvas.draw()
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert all(lower.y1 <= upper.y0 for upper, lower in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("shape", [(8, 9), (4, 4)])
def test_image_shape_that_does_not_fit(shape, digits):
    clf = make_clf().fit(*digits)
    words = rf"{re.escape(str(shape))} has {shape[0] * shape[1]} pixels, but .* has 64 input"
    with pytest.raises(ValueError, match=words):
        WeightsDisplay.from_estimator(clf, image_shape=shape)


@pytest.mark.parametrize("shape", [64, (64,), (8, 8, 1), (-8, -8), (8.0, 8.0), (0, 64)])
def test_image_shape_that_is_none(shape, digits):
    clf = make_clf().fit(*digits)
    words = re.escape(f"image_shape={shape!r} must be two positive whole numbers")
    with pytest.raises(ValueError, match=words):
        WeightsDisplay.from_estimator(clf, image_shape=shape)


def test_wrong_number_of_feature_names(digits):
    clf = make_clf().fit(*digits)
    with pytest.raises(ValueError, match="3 feature_names, but the network has 64 input"):
        WeightsDisplay.from_estimator(clf, feature_names=["a", "b", "c"])


def test_without_hidden_layers_the_units_are_outputs(digits):
    clf = make_clf(hidden_layer_sizes=()).fit(*digits)
    assert WeightsDisplay.from_estimator(clf).ax_.get_xlabel() == "Output"
    assert WeightsDisplay.from_estimator(clf, image_shape=(8, 8)).ax_.get_title() == "Outputs"


def test_image_keywords_and_given_axes(digits):
    clf = make_clf().fit(*digits)
    for image_shape in (None, (8, 8)):
        figure, ax = plt.subplots()
        display = WeightsDisplay.from_estimator(
            clf,
            image_shape=image_shape,
            ax=ax,
            cmap="PiYG",
            colorbar=False,
            im_kw={"vmin": -2, "vmax": 2},
        )
        assert display.ax_ is ax
        assert display.colorbar_ is None
        assert figure.axes == [ax]
        assert {image.get_clim() for image in display.images_} == {(-2, 2)}
        assert {image.get_cmap().name for image in display.images_} == {"PiYG"}


def test_weights_of_zero_are_the_middle_of_the_colour_map():
    image = WeightsDisplay(weights=np.zeros((4, 2))).plot(colorbar=False).images_[0]
    white = plt.get_cmap("RdBu_r")(0.5)
    np.testing.assert_allclose(image.to_rgba(np.zeros(1))[0], to_rgba(white), atol=0.01)


def test_display_keeps_the_weights_it_was_made_of(digits):
    clf = make_clf().fit(*digits)
    display = WeightsDisplay.from_estimator(clf)
    before = clf.coefs_[0].copy()
    clf.coefs_[0][:] = 0
    np.testing.assert_array_equal(display.plot().images_[0].get_array(), before)
