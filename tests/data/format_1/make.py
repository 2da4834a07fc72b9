"""Made the model files beside it, with the first release that had them: format 1, little-endian.

They are not to be made again. A later format gets a folder of its own.
"""

from pathlib import Path

import numpy as np

from fastbp import BackpropClassifier, BackpropRegressor, save_model

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

for name, model in MODELS.items():
    save_model(model, HERE / f"{name}.npz")
    inputs = X[:7].astype(model.network_.dtype)
    (HERE / "outputs").mkdir(exist_ok=True)
    np.savez(HERE / "outputs" / f"{name}.npz", X=inputs, outputs=model.network_.forward(inputs))
