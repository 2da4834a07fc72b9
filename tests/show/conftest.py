import matplotlib
import matplotlib.pyplot as plt
import pytest
from sklearn.datasets import load_digits

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, y[:200]
