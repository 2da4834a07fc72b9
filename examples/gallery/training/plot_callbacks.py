"""
Callbacks: a score after every epoch
====================================

With scikit-learn 1.9 or newer, the estimators take its callbacks. ``ScoringMonitor`` records any
scorer on the training samples after every epoch; ``ProgressBar`` shows how far a fit has come. An
older scikit-learn has no ``set_callbacks``, and this script says so.
"""

# %%
# A callback is set before ``fit``. It belongs to the estimator, not to its parameters.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    StandardScaler().fit_transform(X), y, test_size=0.4, random_state=0
)
model = BackpropClassifier((16,), learning_rate_init=0.003, max_iter=60, random_state=0)
model.set_params(n_iter_no_change=np.inf)

if hasattr(model, "set_callbacks"):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring=["accuracy", "roc_auc", "neg_log_loss"])
    model.set_callbacks(monitor)
else:
    monitor = None
    print(f"scikit-learn {sklearn.__version__} has no callbacks; 1.9 has.")

model.fit(X_train, y_train, X_val=X_test, y_val=y_test)

# %%
# The log has one row per epoch.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
if monitor is not None:
    log = monitor.get_logs().data_as_pandas
    scores = log[log["task_name"] == "epoch"]
    print(scores[["task_id", "accuracy", "roc_auc", "neg_log_loss"]].tail(3))
    for name in ("accuracy", "roc_auc"):
        left.plot(np.arange(1, len(scores) + 1), scores[name], label=f"{name}, training")
    right.plot(np.arange(1, len(scores) + 1), -scores["neg_log_loss"], label="log loss, training")
epochs = np.arange(1, model.n_iter_ + 1)
left.plot(epochs, model.validation_scores_, "k--", label="validation_scores_ (accuracy)")
right.plot(epochs, model.validation_loss_curve_, "k--", label="validation_loss_curve_")
left.set(xlabel="epoch", ylabel="score")
right.set(xlabel="epoch", ylabel="loss")
left.legend()
right.legend()
plt.show()

# %%
# ``model.set_callbacks(ProgressBar())`` draws a bar in the terminal (it needs the package rich).
# On a grid search the callback is set on the search, which passes it on to the fits.
#
# Scoring after each epoch costs one pass over the samples per scorer. For a small network that
# takes longer than the epoch itself.
