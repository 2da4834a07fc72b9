"""The text of to_c: what it says, what it refuses, and what compilers say to it."""

import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from c_programs import (
    COMPILERS,
    MOST_UNITS,
    STRICT,
    Library,
    compile_c,
    rounding_units,
    values_of,
)
from exported import make_estimator
from internals import functions
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastbp import BackpropClassifier, BackpropRegressor, RobustSmoothScaler, TabularRegressor, to_c
from fastbp.exchange.c_text import comment, literal, string, strings

SCALERS = {
    "standard": StandardScaler(),
    "no mean": StandardScaler(with_mean=False),
    "no std": StandardScaler(with_std=False),
    "neither": StandardScaler(with_mean=False, with_std=False),
    "smooth": RobustSmoothScaler(),
}


def made(task="three classes", activation="relu", dtype="float64", **others):
    case = dict(front=None, fit_intercept=True, sizes=(4,), task=task, activation=activation)
    return make_estimator({**case, "dtype": dtype, **others})


def made_pipeline(scaler, dtype):
    """A pipeline on inputs of different scales, one of them constant."""
    net, X = made("three outputs, identity", "tanh", dtype, sizes=(6, 5))
    X = X * np.array([1e-3, 1, 100, 0, 2], dtype) + np.array([0, 50, 1000, 3, -1], dtype)
    scaler = (
        scaler.fit(X.astype(np.float64)) if isinstance(scaler, StandardScaler) else scaler.fit(X)
    )
    return make_pipeline(scaler, net), X


# --- texts --------------------------------------------------------------------------------------


def test_the_header_says_what_x_and_out_are():
    table = pd.DataFrame({"width (cm)": [0.0, 1, 2], 'odd "*/ name??/': [1.0, 0, 1]})
    net = BackpropClassifier((3,), solver="lbfgs", random_state=0).fit(table, ["no", "yes", "no"])
    header, _, code = to_c(net, name="leaf").partition(" */\n")
    for line in (
        "/* leaf: a BackpropClassifier, written by fastbp",
        ' *          x[0]  "width (cm)"',
        ' *          out[1]  "yes"',
        " * void leaf_predict(const double *x, double *out);",
        " * int leaf_label(const double *x);",
        " * Network: 2 inputs, 3 relu, 1 logistic.",
        " * Bytes of arrays on the stack: 24 in leaf_predict, 32 in leaf_label.",
    ):
        assert line in header
    assert "*/" not in header and "??" not in header
    assert "enum { leaf_n_features = 2, leaf_n_outputs = 2, leaf_n_classes = 2 };" in code


def test_equal_estimators_make_equal_texts_in_ascii():
    texts = [to_c(made("three named classes, CSR")[0]) for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].isascii()


@pytest.mark.parametrize("ctype", ["float", "double"])
def test_numbers_are_written_exactly(ctype):
    dtype = {"float": np.float32, "double": np.float64}[ctype]
    info = np.finfo(dtype)
    rng = np.random.default_rng(0)
    numbers = [0.0, 1.0, -2.5, 0.1, 1000.0, info.max, info.tiny, info.smallest_subnormal, np.pi]
    for number in np.array([*numbers, *rng.standard_normal(100)], dtype):
        text = literal(number, ctype)
        assert text.endswith("F") == (ctype == "float")
        digits = text.removesuffix("F")
        value = float.fromhex(digits) if "x" in digits else float(digits)
        assert value == number and "." in digits or "p" in digits


def test_texts_cannot_leave_their_place():
    assert string('a"b\\c??/é\n1') == r'"a\"b\\c\?\?/\303\251\0121"'
    assert strings(["a", "'é" + 4093 * "?"])[:5] == [
        '"a"',
        r"(const char[]){'\''",
        *r"'\303' '\251' '\?'".split(),
    ]
    inner = comment(["a */ b", "/* c **/"])
    assert "".join(inner).count("*/") == 1 and "".join(inner).count("/*") == 1


def test_the_file_is_written(tmp_path):
    net, _ = made()
    path = tmp_path / "model.c"
    path.write_text("old")
    assert path.read_text() != to_c(net, path) == path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_stays(tmp_path):
    net, _ = made()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        to_c(net, tmp_path / "folder")
    with pytest.raises(OSError):
        to_c(net, tmp_path / "none" / "model.c")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "2nd", "my model", "a-b", "größe", "int", "_model", "a\n", 3])
def test_a_name_that_c_does_not_allow(name):
    with pytest.raises(ValueError, match="must be an identifier of C") as error:
        to_c(made()[0], name=name)
    assert f"name={name!r}" in str(error.value)


@pytest.mark.parametrize("dtype", ["float16", "int", "no type", np.complex64])
def test_another_dtype(dtype):
    with pytest.raises(ValueError, match="must be None, 'float32' or 'float64'"):
        to_c(made()[0], dtype=dtype)


def test_estimators_that_cannot_be_written():
    net, X = made()
    with pytest.raises(NotFittedError):
        to_c(BackpropRegressor())
    with pytest.raises(TypeError, match="^StandardScaler cannot be written in C: .* a network.$"):
        to_c(StandardScaler())
    with pytest.raises(TypeError, match="The step 'minmaxscaler' of the pipeline, MinMaxScaler"):
        to_c(make_pipeline(MinMaxScaler().fit(X), net))
    with pytest.raises(TypeError, match="The step 'one' of the pipeline, StandardScaler"):
        scaler = StandardScaler().fit(X)
        to_c(Pipeline([("one", scaler), ("two", scaler), ("net", net)]))
    with pytest.raises(NotFittedError):
        to_c(make_pipeline(StandardScaler(), net))
    with pytest.raises(ValueError, match="has 2 features, and the network after it 5 inputs"):
        to_c(make_pipeline(StandardScaler().fit(X[:, :2]), net))


def bagged(net):
    return BaggingRegressor(net, 2).fit(np.eye(2), [0.0, 1.0])


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda net: GridSearchCV(net, {}, cv=2), "^GridSearchCV .* refit=True and pass its best_"),
        (lambda net: TransformedTargetRegressor(net), "Pass its regressor_; what .* transformer_"),
        (lambda net: bagged(net), "^BaggingRegressor .* Pass its estimators_ one by one, and"),
        (lambda net: BackpropRegressor, "^type .* Pass a fitted instance of the class.$"),
        (lambda net: make_pipeline(net, LinearRegression()), "^LinearRegression cannot be"),
        (lambda net: make_pipeline(net, net), "'backpropregressor-1' .* as the only step before"),
        (lambda net: make_pipeline(make_pipeline(PCA(1)), net), "'pipeline__pca' .*, PCA, cannot"),
        (
            lambda net: make_pipeline(StandardScaler(), TabularRegressor()),
            "^TabularRegressor after the step 'standardscaler' .* takes raw columns",
        ),
    ],
    ids="search target ensemble class other network nested table".split(),
)
def test_what_to_pass_instead(wrap, words):
    with pytest.raises(TypeError, match=words):
        to_c(wrap(BackpropRegressor((2,), solver="lbfgs").fit([[0.0], [1.0]], [0.0, 1.0])))


def test_the_best_estimator_of_a_search():
    search = GridSearchCV(BackpropRegressor((2,), solver="lbfgs", random_state=0), {}, cv=2)
    search.fit(np.eye(6), np.arange(6.0))
    with pytest.raises(TypeError, match="^GridSearchCV .* Pass its best_estimator_.$"):
        to_c(search)
    assert "model_predict" in to_c(search.best_estimator_)


def test_weights_that_are_not_finite():
    net, _ = made()
    net.coefs_[0][0, 0] = 1e300
    to_c(net)
    with pytest.raises(ValueError, match="finite numbers of the type float; those of coef_0"):
        to_c(net, dtype="float32")


def test_a_step_that_passes_through_is_left_out():
    net, _ = made()
    pipeline = Pipeline([("none", "passthrough"), ("net", net)])
    assert to_c(pipeline) == to_c(net)


def test_pipelines_in_a_pipeline():
    flat, _ = made_pipeline(StandardScaler(), "float64")
    nested = make_pipeline(make_pipeline(flat[0], "passthrough"), make_pipeline(None, flat[1]))
    assert to_c(nested) == to_c(flat)


# --- what compilers say, and programs do --------------------------------------------------------


def many_texts():
    """Every activation, output, front, type and scaler, each in a file of its own."""
    tasks = ["three classes", "two classes", "three classes, logistic", "three labels", "one class"]
    tasks += [
        "one class, softmax",
        "one output, gaussian",
        "one output, poisson",
        "three quantiles",
    ]
    tasks += ["two classes, identity", "three named classes, CSR"]
    fronts = [None, "scale", "periodic", "two periodic"]
    activations = list(functions.ACTIVATIONS)
    for k in range(len(tasks) + len(activations)):
        front = None if "CSR" in tasks[k % len(tasks)] else fronts[k % 4]
        activation, dtype = activations[k % len(activations)], ["float32", "float64"][k % 3 == 0]
        sizes = [(4,), (), (3, 2, 3)][k % 3] if k < len(tasks) else (3,)
        others = dict(front=front, sizes=sizes, fit_intercept=k % 5 > 0)
        yield to_c(made(tasks[k % len(tasks)], activation, dtype, **others)[0], name=f"model_{k}")
    for k, scaler in enumerate(SCALERS.values()):
        for dtype in ("float32", "float64"):
            yield to_c(made_pipeline(scaler, dtype)[0], name=f"scaled_{k}_{dtype}")


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_compilers_have_nothing_to_say(compiler, tmp_path):
    text = "\n".join(many_texts())
    compile_c(text, tmp_path / "models.o", *STRICT, "-c", compiler=compiler)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pipelines_with_a_scaler(dtype, tmp_path):
    pipelines = [made_pipeline(scaler, dtype) for scaler in SCALERS.values()]
    texts = [to_c(model, name=f"scaled_{k}") for k, (model, _) in enumerate(pipelines)]
    library = Library("\n".join(texts), tmp_path)
    for k, (model, X) in enumerate(pipelines):
        values, units = library.values(f"scaled_{k}", X, 3), rounding_units(model, X)
        assert (np.abs(values - values_of(model, X)) <= MOST_UNITS * units).all()


@pytest.mark.slow
def test_another_type_than_the_models(tmp_path):
    cases = [("float32", "float64"), ("float64", "float32")]
    models = [made("three outputs, identity", "tanh", own, sizes=(6, 5)) for own, _ in cases]
    texts = [
        to_c(model, name=f"as_{dtype}", dtype=dtype)
        for (model, _), (_, dtype) in zip(models, cases, strict=True)
    ]
    library = Library("\n".join(texts), tmp_path)
    for (model, X), (_, dtype) in zip(models, cases, strict=True):
        values = library.values(f"as_{dtype}", X.astype(dtype), 3)
        units = rounding_units(model, X.astype(np.float32))
        assert (np.abs(values - model.predict(X)) <= MOST_UNITS * units).all()
        assert (values != model.predict(X)).any()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_added_in_the_order_of_predict(build, dtype, tmp_path):
    """The same bits as predict for many rows, where nothing but sums is computed."""
    net, X = made("three outputs, identity", "relu", dtype, sizes=(23, 11), front="scale")
    options = ["-mfma"] if build in ("avx2", "avx512") else []
    library = Library(to_c(net), tmp_path, "-O1", *options)
    np.testing.assert_array_equal(library.values("model", X, 3), net.predict(X))


FRAME = 112  # bytes that a function needs beside its arrays, unoptimised, at most


@pytest.mark.slow
def test_the_stated_stack(tmp_path):
    """gcc's own numbers for the functions on the way to the deepest one."""
    iris = TabularRegressor(3, max_iter=1, hidden_layer_sizes=(40, 30), random_state=0)
    table = np.random.default_rng(0).standard_normal((60, 3))
    models = {
        "wide": (made("three classes", "relu", sizes=(50, 7, 80))[0], []),
        "scaled": (made_pipeline(SCALERS["smooth"], "float32")[0], ["smooth_clip"]),
        "periodic": (made("three labels", "mish", front="periodic")[0], []),
        "shares": (made("three classes, logistic", "tanh", sizes=())[0], []),
        "table": (iris.fit(table, table[:, 0]), ["member"]),
    }
    texts = [to_c(model, name=name) for name, (model, _) in models.items()]
    options = ["-O0", "-fstack-usage", "-c"]
    compile_c("\n".join(texts), tmp_path / "models.o", *options, compiler="gcc")
    used = {}
    for line in (tmp_path / "models.su").read_text().splitlines():
        place, n_bytes, kind = line.split("\t")
        assert kind == "static"
        used[place.split(":")[-1]] = int(n_bytes)
    for text, (name, (_, between)) in zip(texts, models.items(), strict=True):
        stated = re.findall(r"(\d+) in (\w+)", text.partition("on the stack: ")[2].split("\n")[0])
        assert stated
        for n_bytes, function in stated:
            chain = [function, *(f"{name}_{one}" for one in ["network", *between])]
            if function == "table_predict_std" or "predict" not in function:
                continue
            total = sum(used[one] for one in chain)
            assert int(n_bytes) <= total <= int(n_bytes) + FRAME * len(chain)


@pytest.mark.slow
def test_no_access_out_of_bounds(tmp_path):
    """Under the sanitizers of addresses and of undefined behaviour."""
    names, texts, calls = [], [], []
    for k, text in enumerate(many_texts()):
        name, ctype = re.search(r"void (\w+)_predict\(const (\w+)", text).groups()
        names.append(name)
        texts.append(text)
        others = {
            f"int {name}_label(": f"{name}_label(x);",
            f"void {name}_labels(": f"int k[{name}_n_outputs]; {name}_labels(x, k);",
            f"void {name}_predict_std(": f"{name}_predict_std(x, out, out + 1);",
        }
        more = "".join(call for head, call in others.items() if head in text)
        calls.append(
            f"{{ {ctype} x[{name}_n_features] = {{{k}, -1, 2, -3, 0.5}}, out[{name}_n_outputs + 1];"
            f" {name}_predict(x, out); {more} }}"
        )
    main = "int main(void)\n{\n" + "\n".join(calls) + "\nreturn 0;\n}\n"
    checks = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
    compile_c("\n".join([*texts, main]), tmp_path / "checked", *checks, "-O0", "-w", compiler="gcc")
    subprocess.run([tmp_path / "checked"], check=True)


@pytest.mark.slow
def test_labels_are_kept_in_the_file(tmp_path):
    """A program prints the classes: text of any characters and length, and numbers."""
    labels = ["ä", 'a"\\b??/', "", "*/ x", "b" * 4095, 600 * "c'\"\\ö?"]
    of_classes = [labels, [-3, 5, 2**31, 2**40, 0, 1], [0.0, -1.0, 3.0, 1e15, 1.0, 2.0]]
    named, numbered, floats = models = [
        BackpropClassifier((2,), max_iter=1).initialize(np.eye(6), y) for y in of_classes
    ]
    texts = [to_c(one, name=f"m{k}") for k, one in enumerate(models)]
    program = """
#include <stdio.h>
int main(void)
{
    int k;
    for (k = 0; k < m0_n_classes; k++)
        printf("%s|%s|%a\\n", m0_classes[k], m1_classes[k], m2_classes[k]);
    return 0;
}
"""
    compile_c("\n".join([*texts, program]), tmp_path / "labels", *STRICT, "-Woverlength-strings")
    output = subprocess.run([tmp_path / "labels"], capture_output=True, check=True).stdout.decode()
    rows = [line.split("|") for line in output.splitlines()]
    assert [row[0] for row in rows] == named.classes_.tolist()
    assert [int(row[1]) for row in rows] == numbered.classes_.tolist()
    assert [float.fromhex(row[2]) for row in rows] == floats.classes_.tolist()
