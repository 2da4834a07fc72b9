"""docs/guide/troubleshooting.md quotes warnings and errors as they are; each is provoked here."""

import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier, BackpropRegressor, TabularRegressor

ROOT = next(folder for folder in Path(__file__).parents if (folder / "docs" / "guide").is_dir())

X, y = load_diabetes(return_X_y=True, scaled=False)
Z = StandardScaler().fit_transform(X)
t = (y - y.mean()) / y.std()
net = partial(BackpropRegressor, (20,), max_iter=3, random_state=0)
sgd = partial(net, solver="sgd", max_iter=20)


class FitsAgain:
    """A loss that fits the estimator it is the loss of."""

    def loss(self, y, outputs):
        self.model.fit(Z, t)

    gradient = loss


def fit_within_a_fit():
    loss = FitsAgain()
    loss.model = net(loss=loss)
    loss.model.fit(Z, t)


def column(name, values):
    return pd.DataFrame({"area": np.arange(300.0), name: values})


# by the beginning of the quote, as far as it is not shared with others
PROVOKED = {
    "The fit is worse": lambda: sgd(learning_rate_init=0.1).fit(X, y),
    "Solver produced": lambda: sgd(learning_rate_init=3.0).fit(Z, t),
    "Input X contains NaN": lambda: net().fit(np.where(Z > 3, np.nan, Z), t),
    "Stochastic Optimizer": lambda: net().fit(Z, t),
    "lbfgs failed": lambda: net(solver="lbfgs").fit(Z, t),
    "Training stopped": lambda: net(max_time=1e-9).fit(Z, t),
    "X_val has": lambda: net().fit(Z, t, X_val=X, y_val=t),
    "quantile=": lambda: net(quantile=0.9).fit(Z, t),
    "Got `batch_size`": lambda: net(batch_size=1000).fit(Z, t),
    "A column-vector": lambda: net().fit(Z, t[:, np.newaxis]),
    "Unknown label type": lambda: BackpropClassifier().fit(Z, t),
    "BackpropRegressor.fit": lambda: net().fit(Z, t, eval_set=[(Z, t)]),
    "BackpropRegressor.__init__": lambda: BackpropRegressor(lr=0.1),
    "There are dates": lambda: TabularRegressor().fit(
        column("since", pd.date_range("2020-01-01", periods=300)), t[:300]
    ),
    "In column": lambda: TabularRegressor().fit(
        column("name", [f"flat {i}" for i in range(300)]), t[:300]
    ),
    "This BackpropRegressor": fit_within_a_fit,
}


def quotes():
    text = (ROOT / "docs/guide/troubleshooting.md").read_text(encoding="utf-8")
    return [" ".join(one.split()) for one in re.findall(r"```text\n(.*?)```", text, re.DOTALL)]


def provoke(cause):
    """What a user reads, as one line for each warning, and for the error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        said = []
        try:
            cause()
        except Exception as error:
            said = [error]
    said += [one.message for one in caught]
    return [f"{type(one).__name__}: {' '.join(str(one).split())}" for one in said]


def without_numbers(text):
    """Builds differ in digits, releases of SciPy in capitals, of pandas in units of dates."""
    text = re.sub(r"datetime64\[\w+\]", "datetime64", text)
    return re.sub(r"\d[\d.]*(e[-+]\d+)?", "#", text).lower()


@pytest.mark.parametrize("quote", quotes())
def test_what_is_quoted_is_what_is_said(quote):
    message = quote.partition(": ")[2]
    (cause,) = [cause for begin, cause in PROVOKED.items() if message.startswith(begin)]
    said = [without_numbers(one) for one in provoke(cause)]
    assert any(one.startswith(without_numbers(quote)) for one in said), said


def test_everything_provoked_is_quoted():
    messages = [quote.partition(": ")[2] for quote in quotes()]
    for begin in PROVOKED:
        assert any(message.startswith(begin) for message in messages), begin
