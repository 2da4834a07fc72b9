"""
A table, with intervals and importances
=======================================

``TabularRegressor`` takes a DataFrame with numbers, categories, text and missing values as it is.
It says how sure it is, and which columns it uses.
"""

# %%
# Rents of flats, by a formula that we know. ``garden`` and ``door_number`` are there to mislead:
# gardens are more frequent on the ground floor but worth nothing, and door numbers mean nothing at
# all. The rents of large flats scatter more than those of small ones.

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fastbp import ImportanceDisplay, TabularRegressor


def draw(n, rng):
    floor = rng.choice(["ground", "middle", "top"], n)
    flats = pd.DataFrame(
        {
            "area": rng.uniform(25, 140, n).round(),
            "year": rng.integers(1900, 2025, n).astype(float),
            "town": rng.choice(["Ashford", "Brookton", "Calder"], n),
            "floor": pd.Categorical(floor),
            "garden": rng.random(n) < np.where(floor == "ground", 0.6, 0.05),
            "door_number": rng.integers(1, 200, n),
        }
    )
    rent = 200 + 9 * flats["area"] + 250 * (flats["town"] == "Brookton")
    rent += 2 * flats["area"] * (floor == "top") + 300 * (flats["year"] > 1990)
    rent += rng.normal(size=n) * (20 + 1.2 * flats["area"])
    flats.loc[rng.random(n) < 0.1, "year"] = np.nan
    flats.loc[rng.random(n) < 0.05, "town"] = None
    return flats, rent


rng = np.random.default_rng(0)
X, y = draw(1000, rng)
X_test, y_test = draw(2000, rng)
print(X.head(3))

# %%
# Importances
# -----------
#
# Five networks are trained; each keeps a fifth of the rows out. The score of these rows is an
# estimate of the score of new ones.

model = TabularRegressor(random_state=0).fit(X, y)
print(f"R2: {model.oob_score_:.3f} of held-out rows, {model.score(X_test, y_test):.3f} of new ones")

# %%
# The importance of a column is how much the loss of held-out rows grows when its values are
# exchanged among them. What is of no use stays near 0.

ImportanceDisplay.from_estimator(model)
plt.show()

# %%
# Intervals
# ---------
#
# ``predict_interval`` gives intervals that hold about 90 % of new rows, whatever the loss was.
# After a fit to the squared error they are about equally wide everywhere: too wide for small flats,
# too narrow for large ones. After a fit to quantiles, their width follows the noise.

settings: dict[str, Any] = dict(loss="quantile", quantile=[0.05, 0.5, 0.95], random_state=0)
of_quantiles = TabularRegressor(**settings).fit(X, y)
intervals = {
    "squared error": model.predict_interval(X_test, coverage=0.9),
    "quantiles": of_quantiles.predict_interval(X_test, coverage=0.9),
}

area = X_test["area"].to_numpy()
groups = [(25, 60), (60, 100), (100, 141)]
for name, interval in intervals.items():
    low, high = interval.T
    inside = (low <= y_test) & (y_test <= high)
    shares = [inside[(area >= start) & (area < end)].mean() for start, end in groups]
    print(f"{name:13}  inside: {inside.mean():.1%} of all new rows;", end=" ")
    print("small, medium, large flats:", ", ".join(f"{share:.1%}" for share in shares))

# %%
# The same flats, sorted by the predicted rent; every tenth is drawn.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True)
order = np.argsort(model.predict(X_test))[::10]
places = np.arange(len(order))
for ax, (name, interval) in zip(axes, intervals.items(), strict=True):
    low, high = interval[order].T
    rents = y_test.to_numpy()[order]
    is_inside = (low <= rents) & (rents <= high)
    ax.vlines(places, low, high, color="tab:blue", alpha=0.3, label="90 % interval")
    ax.plot(places[is_inside], rents[is_inside], ".", color="0.3", markersize=4, label="inside")
    ax.plot(places[~is_inside], rents[~is_inside], ".", color="tab:red", label="outside")
    ax.set(title=f"after a fit to {name}", xlabel="new flats, by predicted rent")
axes[0].set_ylabel("rent")
axes[0].legend(loc="upper left")
plt.show()

# %%
# What a column does
# ------------------
#
# Change one column, and keep the rest: the mean of the predictions over 200 flats. It has found
# the step of the year 1990, though nobody has said that there is one. Networks are smooth
# functions: the step has become a slope, and beside it are waves that stand for nothing but noise.
# The range of the axis makes them look larger than they are.

years = np.arange(1900, 2025, 5)
means = [model.predict(X_test[:200].assign(year=float(year))).mean() for year in years]
fig, ax = plt.subplots(figsize=(7, 4))
ax.plot(years, means, "o-", markersize=4, label="mean prediction")
ax.axvline(1990, color="0.5", linestyle=":", label="where the step is")
ax.set(xlabel="year", ylabel="rent")
ax.legend()
plt.show()
