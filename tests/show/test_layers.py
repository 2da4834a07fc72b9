"""The layers in the HTML representation of an estimator."""

import re
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import sklearn
from internals import layers_html, with_layers
from problems import CUT_SHORT, make_clf
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

pytestmark = CUT_SHORT


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
    # No lines are drawn across the gap.
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
    est = fitted_twin()
    assert with_layers("<p>plain</p>", est) == f"<p>plain</p>{layers_html(est)}"
