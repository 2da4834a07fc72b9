"""Displays, and the layers in the HTML representation: what is drawn, where, and in which words."""

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sklearn
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_html_repr

from fastbp import BackpropClassifier, BackpropRegressor, LossCurveDisplay, WeightsDisplay
from fastbp.representation import LayersReprMixin, layers_html

matplotlib.use("Agg")

# Few epochs everywhere; that training would go on is no news.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, y[:200]


def make_clf(**params):
    defaults = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0}
    return BackpropClassifier(**{**defaults, **params})


class Recorded(BaseEstimator):
    """An estimator with these curves."""

    def __init__(self, loss, validation_loss=None, scores=None, solver="adam"):
        self.loss, self.validation_loss, self.scores = loss, validation_loss, scores
        self.solver, self.early_stopping = solver, scores is not None
        self.loss_curve_ = loss
        self.validation_loss_curve_, self.validation_scores_ = validation_loss, scores

    def fit(self, X, y):
        return self


def legend_texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def assert_curve(line, epochs, losses):
    np.testing.assert_array_equal(line.get_xdata(), epochs)
    np.testing.assert_array_equal(line.get_ydata(), losses)


# --- loss curves of one estimator ---


def test_training_loss_over_epochs(digits):
    clf = make_clf().fit(*digits)
    display = LossCurveDisplay.from_estimator(clf)
    assert_curve(display.lines_[0], [1, 2, 3, 4, 5], clf.loss_curve_)
    assert display.lines_[0] in display.ax_.lines
    assert display.validation_lines_ == [None]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Epoch", "Loss")
    assert legend_texts(display) == ["training", "best epoch: 5"]
    assert display.figure_ is display.ax_.figure


def test_validation_loss_is_dashed_and_of_the_same_colour():
    est = Recorded([4.0, 3.0, 2.0], [5.0, 3.5, 3.9])
    display = LossCurveDisplay.from_estimator(est, name="net")
    training, validation = display.lines_[0], display.validation_lines_[0]
    assert_curve(validation, [1, 2, 3], [5.0, 3.5, 3.9])
    assert training.get_linestyle() == "-"
    assert validation.get_linestyle() == "--"
    assert training.get_color() == validation.get_color()
    assert legend_texts(display) == ["net, training", "net, validation", "net, best epoch: 2"]


def test_fit_with_validation_samples(digits):
    X, y = digits
    clf = make_clf(max_iter=8).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    display = LossCurveDisplay.from_estimator(clf)
    assert_curve(display.validation_lines_[0], np.arange(1, 9), clf.validation_loss_curve_)
    assert display.best_epochs == [1 + np.argmin(clf.validation_loss_curve_)]


@pytest.mark.parametrize(
    ("est", "best", "height"),
    [
        (Recorded([3.0, 1.0, 2.0]), 2, 1.0),
        (Recorded([3.0, 2.0, 1.0], [6.0, 5.0, 7.0]), 2, 5.0),
        (Recorded([3.0, 2.0, 1.0], [6.0, 5.0, 7.0], [0.9, 0.8, 0.9]), 1, 6.0),
        (Recorded([3.0, 2.0, 1.0], None, [0.7, 0.8, 0.8]), 2, 2.0),
        (Recorded([3.0, 2.0, 1.0], [np.nan, 5.0, 7.0]), 2, 5.0),
        (Recorded([3.0, 2.0, 1.0], None, [np.nan, 0.5, 0.6]), 3, 1.0),
    ],
    ids=["training", "validation", "score", "score alone", "nan loss", "nan score"],
)
def test_best_epoch(est, best, height):
    display = LossCurveDisplay.from_estimator(est)
    assert display.best_epochs == [best]
    assert_curve(display.best_markers_[0], [best], [height])
    assert display.best_markers_[0].get_marker() == "o"
    assert legend_texts(display)[-1] == f"best epoch: {best}"


def test_best_epoch_is_the_one_whose_weights_were_kept(digits):
    clf = make_clf(early_stopping=True, max_iter=30, n_iter_no_change=2, learning_rate_init=0.05)
    clf.fit(*digits)
    (best,) = LossCurveDisplay.from_estimator(clf).best_epochs
    assert clf.validation_scores_[best - 1] == clf.best_validation_score_
    assert best < clf.n_iter_


def test_no_best_epoch_without_finite_values_or_when_not_wanted():
    assert LossCurveDisplay.from_estimator(Recorded([np.nan, np.nan])).best_markers_ == [None]
    display = LossCurveDisplay.from_estimator(Recorded([2.0, 1.0]), mark_best=False)
    assert display.best_markers_ == [None]
    assert legend_texts(display) == ["training"]
    assert len(display.ax_.lines) == 1


def test_warm_started_curve_is_drawn_whole(digits):
    clf = make_clf(warm_start=True).fit(*digits)
    clf.fit(*digits)
    display = LossCurveDisplay.from_estimator(clf)
    assert clf.n_iter_ == 5
    assert_curve(display.lines_[0], np.arange(1, 11), clf.loss_curve_)


def test_shorter_validation_curve_is_that_of_the_last_epochs():
    display = LossCurveDisplay.from_estimator(Recorded([5.0, 4.0, 3.0, 2.0], [3.5, 2.5]))
    assert_curve(display.validation_lines_[0], [3, 4], [3.5, 2.5])
    assert_curve(display.best_markers_[0], [4], [2.5])
    by_score = LossCurveDisplay.from_estimator(Recorded([5.0, 4.0, 3.0, 2.0], None, [0.9, 0.8]))
    assert_curve(by_score.best_markers_[0], [3], [3.0])


def test_early_stopping_begun_in_a_later_fit(digits):
    clf = make_clf(warm_start=True).fit(*digits)
    clf.set_params(early_stopping=True).fit(*digits)
    assert len(clf.loss_curve_) == 10
    assert len(clf.validation_scores_) == 5
    (best,) = LossCurveDisplay.from_estimator(clf).best_epochs
    assert best == 6 + np.argmax(clf.validation_scores_)


def test_iterations_are_called_so(digits):
    clf = make_clf(solver="lbfgs").fit(*digits)
    display = LossCurveDisplay.from_estimator(clf)
    assert display.ax_.get_xlabel() == "Iteration"
    assert legend_texts(display)[-1] == "best iteration: 5"
    both = LossCurveDisplay.from_estimators([clf, make_clf().fit(*digits)])
    assert both.ax_.get_xlabel() == "Epoch or iteration"


def test_log_scale():
    display = LossCurveDisplay.from_estimator(Recorded([20.0, 2.0, 0.15, 0.0]), log_scale=True)
    assert display.ax_.get_yscale() == "log"
    display.figure_.draw_without_rendering()
    shown = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert {"0.1", "1", "10"} <= shown
    linear = LossCurveDisplay.from_estimator(Recorded([20.0, 2.0]))
    assert linear.ax_.get_yscale() == "linear"


def test_given_axes_and_line_keywords():
    _, ax = plt.subplots()
    ax.plot([1, 2], [1, 1], label="baseline")
    display = LossCurveDisplay.from_estimator(
        Recorded([2.0, 1.0], [3.0, 2.0]),
        ax=ax,
        line_kw={"lw": 3, "ls": ":", "color": "red"},
        best_kw={"marker": "*"},
    )
    assert display.ax_ is ax
    for line in (display.lines_[0], display.validation_lines_[0]):
        assert line.get_linewidth() == 3
        assert line.get_linestyle() == ":"
        assert line.get_color() == "red"
    assert display.best_markers_[0].get_marker() == "*"
    assert legend_texts(display)[0] == "baseline"
    assert ax.spines["top"].get_visible()


def test_display_is_plotted_again_without_the_estimator(digits):
    clf = make_clf(warm_start=True).fit(*digits)
    display = LossCurveDisplay.from_estimator(clf)
    before, first = list(clf.loss_curve_), display.ax_
    clf.loss_curve_[:] = [0.0] * len(before)
    assert display.plot() is display
    assert display.ax_ is not first
    assert_curve(display.lines_[0], [1, 2, 3, 4, 5], before)


# --- loss curves of several ---


def test_several_estimators_in_one_axes():
    first, second = Recorded([3.0, 2.0], [4.0, 3.0]), Recorded([5.0, 1.0, 1.5])
    display = LossCurveDisplay.from_estimators({"a": first, "b": second})
    assert_curve(display.lines_[0], [1, 2], [3.0, 2.0])
    assert_curve(display.lines_[1], [1, 2, 3], [5.0, 1.0, 1.5])
    colours = [line.get_color() for line in display.lines_]
    assert colours == plt.rcParams["axes.prop_cycle"].by_key()["color"][:2]
    assert display.validation_lines_[0].get_color() == colours[0]
    assert display.validation_lines_[1] is None
    assert [m.get_markeredgecolor() for m in display.best_markers_] == colours
    assert [m.get_xdata()[0] for m in display.best_markers_] == [2, 2]
    assert legend_texts(display) == ["a", "b", "training", "validation", "best epoch"]
    assert {line.axes for line in display.ax_.lines} == {display.ax_}


def test_sequence_is_named_after_its_classes(digits):
    X, y = digits
    estimators = [make_clf(), BackpropRegressor((4,), max_iter=3), make_pipeline(make_clf(alpha=1))]
    display = LossCurveDisplay.from_estimators([est.fit(X, y) for est in estimators])
    assert display.names == ["BackpropClassifier 1", "BackpropRegressor", "BackpropClassifier 2"]
    assert legend_texts(display) == [*display.names, "best epoch"]


def test_scikit_learns_network_beside_ours(digits):
    clf = make_clf().fit(*digits)
    mlp = MLPClassifier((6,), max_iter=5, random_state=0).fit(*digits)
    display = LossCurveDisplay.from_estimators({"ours": clf, "theirs": mlp})
    ours, theirs = (line.get_ydata() for line in display.lines_)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("est", [make_clf(), make_pipeline(StandardScaler(), make_clf())])
def test_single_estimator_is_no_sequence(est, digits):
    with pytest.raises(TypeError, match="not a single .*; use from_estimator for one"):
        LossCurveDisplay.from_estimators(est.fit(*digits))


@pytest.mark.parametrize("empty", [[], {}])
def test_nothing_to_draw(empty):
    with pytest.raises(ValueError, match=re.escape(f"estimators={empty!r} is empty")):
        LossCurveDisplay.from_estimators(empty)


# --- what may be given ---


def wrapped(kind):
    reg = BackpropRegressor((4,), max_iter=3, random_state=0)
    return {
        "pipeline": make_pipeline(StandardScaler(), reg),
        "search": GridSearchCV(reg, {"alpha": [0.1, 1]}, cv=2),
        "search of pipeline": GridSearchCV(
            make_pipeline(StandardScaler(), reg), {"backpropregressor__alpha": [0.1]}, cv=2
        ),
        "transformed target": TransformedTargetRegressor(reg, transformer=StandardScaler()),
    }[kind]


def inner(kind, model):
    return {
        "pipeline": lambda: model[-1],
        "search": lambda: model.best_estimator_,
        "search of pipeline": lambda: model.best_estimator_[-1],
        "transformed target": lambda: model.regressor_,
    }[kind]()


WRAPPED = pytest.mark.parametrize(
    "kind", ["pipeline", "search", "search of pipeline", "transformed target"]
)


@WRAPPED
def test_wrapped_estimator(kind, digits):
    model = wrapped(kind).fit(*digits)
    losses = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(losses.lines_[0].get_ydata(), inner(kind, model).loss_curve_)
    weights = WeightsDisplay.from_estimator(model)
    np.testing.assert_array_equal(weights.weights, inner(kind, model).coefs_[0])


@pytest.mark.parametrize("display", [LossCurveDisplay, WeightsDisplay])
@WRAPPED
def test_not_fitted(kind, display):
    for est in (make_clf(), wrapped(kind)):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            display.from_estimator(est)


def test_not_trained_yet(digits):
    clf = make_clf().initialize(*digits)
    with pytest.raises(NotFittedError, match="has not been trained yet: its loss_curve_ is empty"):
        LossCurveDisplay.from_estimator(clf)
    assert WeightsDisplay.from_estimator(clf).weights.shape == (64, 6)


@pytest.mark.parametrize(
    ("display", "attribute"), [(LossCurveDisplay, "loss_curve_"), (WeightsDisplay, "coefs_")]
)
def test_estimator_of_another_kind(display, attribute, digits):
    forest = RandomForestClassifier(n_estimators=2).fit(*digits)
    words = f"{display.__name__}.from_estimator draws {attribute}, which a fitted RandomForestC"
    with pytest.raises(TypeError, match=words):
        display.from_estimator(forest)


# --- weights ---


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


# --- without Matplotlib ---


def test_importing_does_not_import_matplotlib():
    code = "import sys, fastbp.displays, fastbp; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("caller", "draw"),
    [
        ("LossCurveDisplay.from_estimator", LossCurveDisplay.from_estimator),
        ("LossCurveDisplay.from_estimators", lambda est: LossCurveDisplay.from_estimators([est])),
        ("LossCurveDisplay.plot", lambda est: LossCurveDisplay(loss_curves=[[1.0]]).plot()),
        ("WeightsDisplay.from_estimator", WeightsDisplay.from_estimator),
        ("WeightsDisplay.plot", lambda est: WeightsDisplay(weights=np.eye(2)).plot()),
    ],
)
def test_without_matplotlib(caller, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=f"{caller} requires matplotlib"):
        draw(make_clf())


# --- the layers in the HTML representation ---

VOID_TAGS = {"input", "br"}


class Parsed(HTMLParser):
    """Rows of the layers' table, and the texts; fails on tags that do not nest."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.texts, self.tags = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if data.strip() and "style" not in self.open:
            self.texts.append(data)


def sketch(html):
    root = ElementTree.fromstring(re.search("<svg.*</svg>", html).group())
    namespace = "{http://www.w3.org/2000/svg}"
    circles = [float(circle.get("cx")) for circle in root.iter(f"{namespace}circle")]
    columns = [circles.count(x) for x in sorted(set(circles))]
    lines = root.find(f"{namespace}path").get("d").count("M")
    texts = [text.text for text in root.iter(f"{namespace}text")]
    return SimpleNamespace(columns=columns, lines=lines, texts=texts, root=root)


def fitted_twin(sizes=(4, 3, 2), **changes):
    """What layers_html reads of a fitted estimator."""
    n_params = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
    attributes = {
        "layer_sizes": tuple(sizes),
        "activation": "relu",
        "hidden_activations": ("relu",) * (len(sizes) - 2),
        "output_activation": "softmax",
        "n_params": n_params,
        "fit_intercept": True,
    }
    network = {key: changes.pop(key, value) for key, value in attributes.items()}
    estimator = {"loss": "log_loss", "solver": "adam", "loss_": 0.25, "n_iter_": 2}
    estimator |= {"loss_curve_": [0.5, 0.25], **changes}
    return SimpleNamespace(network_=SimpleNamespace(**network), **estimator)


def facts(html):
    parts = re.search('<p class="facts">(.*?)</p>', html).group(1)
    return unescape(parts).split(" · ")


def test_table_of_layers(digits):
    clf = make_clf(hidden_layer_sizes=(20, 30), activation=("tanh", "relu")).fit(*digits)
    parsed = Parsed(layers_html(clf))
    assert parsed.rows == [
        ["Layer", "Units", "Activation", "Parameters"],
        ["input", "64", "", ""],
        ["hidden 1", "20", "tanh", "1,300"],
        ["hidden 2", "30", "relu", "630"],
        ["output", "10", "softmax", "310"],
        ["total", "", "", "2,240"],
    ]
    assert clf.network_.n_params == 2240
    assert "Network 64 → 20 → 30 → 10, 2,240 parameters" in parsed.texts


def test_parameters_without_intercepts_add_up(digits):
    clf = make_clf(hidden_layer_sizes=(5,), fit_intercept=False).fit(*digits)
    rows = Parsed(layers_html(clf)).rows
    assert [row[-1] for row in rows[1:]] == ["", "320", "50", "370"]
    assert clf.network_.n_params == 370


def test_network_that_names_one_activation_for_all():
    twin = fitted_twin((2, 3, 3, 1))
    del twin.network_.hidden_activations
    assert [row[2] for row in Parsed(layers_html(twin)).rows[2:5]] == ["relu", "relu", "softmax"]


def test_line_of_facts():
    assert facts(layers_html(fitted_twin())) == [
        "loss log_loss",
        "solver adam",
        "2 epochs",
        "last training loss 0.25",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_iter_": 1, "loss_curve_": [0.5]}, "1 epoch"),
        ({"solver": "lbfgs"}, "2 iterations"),
        ({"n_iter_": 1, "loss_curve_": [0.1] * 30}, "1 epoch (30 in all)"),
        ({"n_iter_": 0, "loss_curve_": []}, "0 epochs"),
    ],
)
def test_epochs_in_the_facts(changes, words):
    assert facts(layers_html(fitted_twin(**changes)))[2] == words


def test_loss_that_is_not_known_is_left_out():
    assert len(facts(layers_html(fitted_twin(loss_=np.nan)))) == 3
    assert facts(layers_html(fitted_twin(loss=RandomForestClassifier())))[0] == (
        "loss RandomForestClassifier"
    )


def test_all_that_comes_from_the_estimator_is_escaped():
    evil = '<script>alert("&ß")</script>'
    loss = type(evil, (), {})()
    twin = fitted_twin(hidden_activations=(evil,), output_activation=evil, loss=loss, solver=evil)
    html = layers_html(twin)
    assert "<script" not in html
    assert '"&ß"' not in html
    assert html.isascii()
    parsed = Parsed(html)
    assert [row[2] for row in parsed.rows[2:4]] == [evil, evil]
    assert f"loss {evil} · solver {evil} · 2 epochs · last training loss 0.25" in parsed.texts
    assert sketch(html).texts.count(evil) == 2


def test_html_is_ascii_and_well_formed():
    for sizes in ((1, 1), (4, 3, 2), (100, 50, 10), (5,) * 30):
        html = layers_html(fitted_twin(sizes))
        assert html.isascii()
        Parsed(html)


def test_sketch_has_a_circle_for_each_unit_and_a_line_for_each_weight():
    drawn = sketch(layers_html(fitted_twin((8, 3, 2))))
    assert drawn.columns == [8, 3, 2]
    assert drawn.lines == 8 * 3 + 3 * 2
    assert drawn.texts == ["8", "input", "3", "relu", "2", "softmax"]
    assert drawn.root.get("aria-label") == "Network 8 → 3 → 2, 35 parameters"


def test_sketch_shortens_wide_layers():
    drawn = sketch(layers_html(fitted_twin((9, 1000, 1))))
    assert drawn.columns == [7, 7, 1]
    assert drawn.lines == 7 * 7 + 7
    assert drawn.texts == ["⋮", "9", "input", "⋮", "1,000", "relu", "1", "softmax"]


def test_sketch_shortens_deep_networks():
    sizes = (3, *range(10, 30), 2)
    html = layers_html(fitted_twin(sizes))
    drawn = sketch(html)
    assert len(drawn.columns) == 7
    assert [text for text in drawn.texts if text.isdigit()] == [
        *("3", "10", "11", "12"),
        *("28", "29", "2"),
    ]
    assert "Network 3 → 10 → 11 → 12 → … → 28 → 29 → 2, " in "".join(Parsed(html).texts)
    # The gap is no layer: nothing is drawn across it.
    assert drawn.lines == 3 * 7 + 7 * 7 * 2 + 7 * 7 + 7 * 2
    # The table leaves nothing out.
    assert len(Parsed(html).rows) == len(sizes) + 2


def without_ids(html):
    return re.sub(r"(sk-(?:container|estimator)-id)-\d+", r"\1", html)


def test_fitted_estimator_shows_its_layers_after_scikit_learns_diagram(digits):
    clf = make_clf().fit(*digits)
    layers = layers_html(clf)
    for html in (clf._repr_html_(), clf._repr_mimebundle_()["text/html"]):
        assert html.count(layers) == 1
        assert without_ids(html.replace(layers, "")) == without_ids(estimator_html_repr(clf))
        assert html.endswith(f"{layers}</body>")


@pytest.mark.parametrize(
    "est",
    [
        make_clf(),
        make_pipeline(StandardScaler(), make_clf()),
        GridSearchCV(make_clf(), {"alpha": [1]}),
    ],
    ids=["alone", "pipeline", "search"],
)
def test_unfitted_is_scikit_learns_own(est):
    assert without_ids(est._repr_html_()) == without_ids(estimator_html_repr(est))
    assert "fastbp-layers" not in est._repr_html_()


def test_step_of_a_fitted_pipeline_is_scikit_learns_own(digits):
    model = make_pipeline(StandardScaler(), make_clf()).fit(*digits)
    assert "fastbp-layers" not in model._repr_html_()
    assert "fastbp-layers" in model[-1]._repr_html_()


def test_text_display_has_no_html(digits):
    clf = make_clf().fit(*digits)
    with sklearn.config_context(display="text"):
        assert not hasattr(clf, "_repr_html_")
        assert list(clf._repr_mimebundle_()) == ["text/plain"]


def test_html_of_another_form_is_appended_to():
    class Plain:
        def _html_repr(self):
            return "<p>plain</p>"

    class Both(LayersReprMixin, Plain):
        pass

    est = Both()
    assert est._html_repr() == "<p>plain</p>"
    vars(est).update(vars(fitted_twin()))
    assert est._html_repr() == f"<p>plain</p>{layers_html(est)}"
