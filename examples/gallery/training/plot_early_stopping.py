"""
Validation data and early stopping
==================================

With validation data, the fit records its loss and score on them after every epoch. With
``early_stopping=True``, the score decides when to stop, and the best weights are restored.
"""

# %%
# The diabetes data have 442 patients, ten features and a lot of noise. Without a stopping rule, a
# network with 100 hidden units learns the training set by heart.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastbp import BackpropRegressor

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_diabetes(return_X_y=True)
y = scale(y)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=100, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=100, random_state=0)

# %%
# Validation samples must go through the same scaler. A pipeline takes care of that, if it is told
# that ``X_val`` is an input to transform and that the network requests it.

sklearn.set_config(enable_metadata_routing=True)


def pipeline(**parameters):
    net = BackpropRegressor((100,), learning_rate_init=0.01, random_state=0, **parameters)
    net.set_fit_request(X_val=True, y_val=True)
    return Pipeline([("scale", StandardScaler()), ("net", net)], transform_input=["X_val"])


watched = pipeline(early_stopping=True, n_iter_no_change=20, max_iter=200)
watched.fit(X_train, y_train, X_val=X_val, y_val=y_val)
unwatched = pipeline(max_iter=200, n_iter_no_change=np.inf)
unwatched.fit(X_train, y_train, X_val=X_val, y_val=y_val)
sklearn.set_config(enable_metadata_routing=False)

for name, model in (("with early stopping", watched), ("without", unwatched)):
    n_epochs = model.named_steps["net"].n_iter_
    print(f"{name:20} {n_epochs:4} epochs, test R² {model.score(X_test, y_test):.3f}")

# %%
# ``loss_curve_`` includes the penalty and is measured while the weights still change.
# ``validation_loss_curve_`` is the plain loss after the epoch.

stopped, complete = watched.named_steps["net"], unwatched.named_steps["net"]
best = int(np.argmax(stopped.validation_scores_))
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), sharex=True)
epochs = np.arange(1, complete.n_iter_ + 1)
left.plot(epochs, complete.loss_curve_, label="training loss")
left.plot(epochs, complete.validation_loss_curve_, label="validation loss")
right.plot(epochs, complete.validation_scores_, "C1", label="validation R²")
for ax in (left, right):
    ax.axvline(best + 1, color="k", linestyle="--", label="restored by early stopping")
    ax.axvline(stopped.n_iter_, color="k", linestyle=":", label="stopped here")
    ax.set_xlabel("epoch")
    ax.legend()
left.set_ylabel("loss")
right.set_ylabel("R²")
plt.show()
