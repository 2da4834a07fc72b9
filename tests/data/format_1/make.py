"""Made the model files beside it, with the first release that had them: format 1, little-endian.

They are not to be made again: a file that is there stays as it is. A later format gets a folder of
its own.

In outputs, tables are the columns of numbers X, and the columns of text T, empty where a value is
missing.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    TabularClassifier,
    TabularRegressor,
    save_model,
)

HERE = Path(__file__).parent

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
labels = np.array(["ash", "oak", "yew"], dtype=object)[np.arange(60) % 3]

MODELS = {
    "classifier": BackpropClassifier(
        (5, 3), activation=("tanh", "relu"), early_stopping=True, class_weight="balanced"
    ).fit(X, labels),
    "regressor": BackpropRegressor((4,), solver="lbfgs", alpha=0.1).fit(X, np.sin(X[:, :2])),
    "float32": BackpropRegressor(
        (6,), loss="quantile", quantile=[0.1, 0.5, 0.9], dropout=0.1, n_iter_no_change=np.inf
    ).fit(X.astype("f4"), X[:, 0]),
}

MODELS["front"] = BackpropRegressor(
    (3,), front="periodic", n_periodic=2, learning_rate_factors={"scale": 6.0}, max_iter=20
).fit(X, X[:, 1])

text = np.array(["ash", "oak", "yew", "", "elm"], dtype=object)[np.arange(60) % 5]
table = pd.DataFrame({"height": X[:, 0], "width": X[:, 1], "tree": text}).replace("", None)
table.loc[::9, "width"] = np.nan
small = {"n_estimators": 3, "hidden_layer_sizes": (4,), "max_iter": 8, "random_state": 0}
TABLES = {
    "table_of_classes": TabularClassifier(
        **small, class_weight="balanced", preset={"n_bins": 3, "front": "scale"}
    ).fit(table, labels),
    "table_of_numbers": TabularRegressor(
        **small, loss="quantile", quantile=[0.1, 0.9], preset={"n_bins": 0, "front": "periodic"}
    ).fit(table.to_numpy(), X[:, 1]),
}

(HERE / "outputs").mkdir(exist_ok=True)
for name, model in {**MODELS, **TABLES}.items():
    if (HERE / f"{name}.npz").exists():
        continue
    save_model(model, HERE / f"{name}.npz")
    if name in MODELS:
        inputs = {"X": X[:7].astype(model.network_.dtype)}
        outputs = model.network_.forward(inputs["X"])
    else:
        rows = table[:7]
        inputs = {"X": rows[["height", "width"]].to_numpy(), "T": text[:7, np.newaxis].astype(str)}
        if isinstance(model, TabularClassifier):
            outputs = model.predict_proba(rows)
        else:
            outputs = model.predict_interval(rows.to_numpy(), 0.7)
    np.savez(HERE / "outputs" / f"{name}.npz", **inputs, outputs=outputs)
