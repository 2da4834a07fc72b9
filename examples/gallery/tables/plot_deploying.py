"""
Deploying a model
=================

A fitted model leaves Python as a file that many programs can run. Here a tabular estimator goes to
ONNX with its preprocessing, and onnxruntime predicts from it, without fastbp or scikit-learn. Then
it becomes a C file, which a compiler makes a library of.
"""

# %%
# The prices of houses, by a formula that we know, in a table with text and missing values.

import ctypes
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd

from fastbp import TabularRegressor, to_c, to_onnx


def draw(n, rng):
    houses = pd.DataFrame(
        {
            "area": rng.uniform(40, 250, n),
            "year": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1900, 2025, n)),
            "town": rng.choice(["Ashford", "Brookton", "Calder"], n),
            "garage": rng.random(n) < 0.4,
        }
    )
    price = 3000 * houses["area"] + 50_000 * (houses["town"] == "Calder")
    price += 20_000 * houses["garage"] + 80_000 * (houses["year"] > 1990)
    return houses, price * rng.lognormal(sigma=0.1, size=n)


rng = np.random.default_rng(0)
houses, price = draw(2000, rng)
model = TabularRegressor(max_iter=20, n_threads=1, random_state=0).fit(houses, price)
print(f"R2 of rows that were held out: {model.oob_score_:.3f}")

# %%
# One file
# --------
#
# It holds the encoder and the five networks. Its inputs are the columns of the table. Here
# onnxruntime gets one thread, as in a service that answers many requests at once.

path = Path(tempfile.mkdtemp(), "prices.onnx")
to_onnx(model, path)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options)
print(f"{path.stat().st_size / 1e6:.1f} MB")
for value in session.get_inputs():
    print(f"{value.name:8} {value.type}")

# %%
# In a service
# ------------
#
# Text comes as strings, with ``""`` for a missing value; everything else as float64, with NaN.


def inputs_of(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "area": table[["area"]].to_numpy(),
        "year": table[["year"]].to_numpy(),
        "town": table[["town"]].to_numpy(dtype=object),
        "garage": table[["garage"]].to_numpy(dtype=np.float64),
    }


new, _ = draw(10_000, rng)
variable, std = session.run(None, inputs_of(new))
expected = model.predict(new)
error = np.abs(variable[:, 0] - expected).max() / expected.max()
print(f"largest difference from predict: {error:.1e} of the highest price")
print(f"first price: {variable[0, 0]:,.0f}; the networks differ by {std[0, 0]:,.0f}")

# %%
# How long it takes
# -----------------
#
# A call for a few rows is much cheaper without a DataFrame to look at. For many rows, the networks
# take most of the time. Both have one thread.


def microseconds(call, n_calls=7):
    times = []
    for _ in range(n_calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times))


sizes = [1, 10, 100, 1000, 10_000]
tables = [new[:size] for size in sizes]
feeds = [inputs_of(table) for table in tables]
in_python = [microseconds(lambda table=table: model.predict(table)) for table in tables]
in_runtime = [microseconds(lambda feed=feed: session.run(None, feed)) for feed in feeds]

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.loglog(sizes, in_python, marker="o", label="predict, of a DataFrame")
axes.loglog(sizes, in_runtime, marker="o", label="onnxruntime, of arrays")
axes.set_xlabel("rows of a call")
axes.set_ylabel("microseconds")
axes.legend()
plt.show()
for size, one, other in zip(sizes, in_python, in_runtime, strict=True):
    print(f"{size:6} rows: predict {one:9.0f} us, onnxruntime {other:9.0f} us")

# %%
# As C
# ----
#
# ``to_c`` writes one file without dependencies, for a program in C or a small device. Its first
# comment says what the inputs are: here a number for each column, and for text a code. The compiler
# of this machine makes a library of it, and ctypes calls it for the first house.

source = path.with_suffix(".c")
text = to_c(model, source, name="price")
print(text.partition("*/")[0])

library = path.with_suffix(".so")
command = ["cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(library), "-lm"]
subprocess.run(command, check=True)
c = ctypes.CDLL(str(library))
code = c.price_code(2, new["town"].iloc[0].encode())
house = new.iloc[0]
x = np.array([house["area"], house["year"], code, house["garage"]], dtype=np.float64)
out = np.empty(1)
pointer = ctypes.POINTER(ctypes.c_double)
c.price_predict(x.ctypes.data_as(pointer), out.ctypes.data_as(pointer))
print(f"C: {out[0]:.6f}, predict: {expected[0]:.6f}")
