"""
The hidden layer as a transformer
=================================

``transform`` returns the activations of the last hidden layer, so a network can come before another
estimator in a pipeline.
"""

# %%
# A network with two units in its last hidden layer makes a map of the digits. Next to it is the map
# of a principal component analysis.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier

# Fits of a fixed number of epochs end with a ConvergenceWarning, which is intended here.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

net = BackpropClassifier(
    (32, 2), activation="tanh", learning_rate_init=0.01, max_iter=200, random_state=0
).fit(X_train, y_train)
print(net.get_feature_names_out())

fig, axes = plt.subplots(1, 2, figsize=(10, 4.6))
for ax, transformer, title in (
    (axes[0], PCA(2).fit(X_train), "PCA"),
    (axes[1], net, "two hidden units"),
):
    points = transformer.transform(X_test)
    drawn = ax.scatter(*points.T, c=y_test, cmap="tab10", s=8, vmin=-0.5, vmax=9.5)
    ax.set_title(f"{title}, test samples")
fig.colorbar(drawn, ticks=range(10), label="digit")
plt.show()

# %%
# In a pipeline
# -------------
#
# Nearest neighbours treat every feature as equally important. Here half of the features are pixels
# and half are noise, and the hidden units have learned which are which. In each fold the network is
# fitted again, on the training samples of that fold only.

noise = 0.5 * np.random.default_rng(0).normal(size=X.shape)
X_noisy = np.hstack([X / 16, noise])
neighbours = KNeighborsClassifier(5)
hidden = BackpropClassifier((20,), learning_rate_init=0.01, max_iter=20, alpha=1.0, random_state=0)
candidates = {
    "5 neighbours of all features": make_pipeline(StandardScaler(), neighbours),
    "5 neighbours of 20 components": make_pipeline(StandardScaler(), PCA(20), neighbours),
    "5 neighbours of 20 hidden units": make_pipeline(StandardScaler(), hidden, neighbours),
    "the network itself": make_pipeline(StandardScaler(), hidden),
}
results = {name: cross_val_score(model, X_noisy, y, cv=5) for name, model in candidates.items()}
for name, scores in results.items():
    print(f"{name:32} accuracy {scores.mean():.3f} ± {scores.std():.3f}")

fig, ax = plt.subplots(figsize=(8, 2.8))
ax.boxplot(list(results.values()), orientation="horizontal", tick_labels=list(results))
ax.set_xlabel("accuracy of five folds")
plt.show()
