"""LossCurveDisplay: what is drawn, where, and in which words."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from problems import CUT_SHORT, make_clf
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor, LossCurveDisplay, TabularClassifier

pytestmark = CUT_SHORT


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


# --- the networks of a tabular estimator ---


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_each_network_of_a_tabular_estimator_is_drawn(digits, is_wrapped):
    model = TabularClassifier(2, max_iter=3, random_state=0).fit(*digits)
    given = make_pipeline(StandardScaler(), model) if is_wrapped else model
    display = LossCurveDisplay.from_estimator(given)
    assert legend_texts(display)[:2] == ["network 1", "network 2"]
    for k in range(2):
        assert_curve(display.lines_[k], [1, 2, 3], model.loss_curves_[k])
        assert_curve(display.validation_lines_[k], [1, 2, 3], model.validation_loss_curves_[k])
        best = np.argmin(model.validation_loss_curves_[k]) + 1
        assert display.best_markers_[k].get_xdata().tolist() == [best]
    named = LossCurveDisplay.from_estimator(given, name="all")
    assert legend_texts(named)[:2] == ["all, network 1", "all, network 2"]


def test_tabular_estimators_beside_others(digits):
    models = TabularClassifier(2, max_iter=3, random_state=0), make_clf()
    display = LossCurveDisplay.from_estimators([one.fit(*digits) for one in models])
    names = ["TabularClassifier, network 1", "TabularClassifier, network 2", "BackpropClassifier"]
    assert legend_texts(display)[:3] == names
    alone = LossCurveDisplay.from_estimator(
        TabularClassifier(1, max_iter=3, random_state=0).fit(*digits)
    )
    assert legend_texts(alone)[:2] == ["training", "validation"]
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        LossCurveDisplay.from_estimator(TabularClassifier())
