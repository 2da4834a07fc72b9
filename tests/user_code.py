"""The code of scikit-learn users, written for MLPClassifier and MLPRegressor.

Each function is what somebody might have in a notebook or a service today, except that the two
classes come in as arguments. It returns the numbers that it would have printed or plotted.
test_drop_in.py runs every function with scikit-learn's classes and with fastbp's.
"""

import copy
import io
import pickle
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    get_scorer,
    log_loss,
    make_scorer,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils import check_random_state, shuffle
from sklearn.utils.validation import check_is_fitted


def iris():
    X, y = load_iris(return_X_y=True)
    return train_test_split(StandardScaler().fit_transform(X), y, random_state=0, stratify=y)


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    return train_test_split(StandardScaler().fit_transform(X), y, random_state=0)


# --- first steps ---


def classify_iris(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier(hidden_layer_sizes=(10,), max_iter=40, random_state=1)
    clf.fit(X_train, y_train)
    return {
        "score": clf.score(X_test, y_test),
        "labels": clf.predict(X_test),
        "proba": clf.predict_proba(X_test),
        "log_proba": clf.predict_log_proba(X_test),
        "confusion": confusion_matrix(y_test, clf.predict(X_test)),
        "auc": roc_auc_score(y_test, clf.predict_proba(X_test), multi_class="ovr"),
        "log_loss": log_loss(y_test, clf.predict_proba(X_test)),
    }


def regress_diabetes(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(20,), max_iter=30, random_state=1)
    prediction = reg.fit(X_train, y_train).predict(X_test)
    return {
        "r2": reg.score(X_test, y_test),
        "mse": mean_squared_error(y_test, prediction),
        "prediction": prediction,
    }


def hidden_layers_positional(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier((8, 4), random_state=0, max_iter=20).fit(X_train, y_train)
    return clf.predict_proba(X_test)


def string_labels(Classifier, Regressor):
    data = load_iris()
    labels = data.target_names[data.target]
    clf = Classifier(hidden_layer_sizes=(6,), max_iter=30, random_state=3).fit(data.data, labels)
    report = classification_report(
        labels, clf.predict(data.data), output_dict=True, zero_division=0
    )
    return clf.classes_, clf.predict(data.data[::10]), report["accuracy"]


def label_encoder_round_trip(Classifier, Regressor):
    data = load_iris()
    encoder = LabelEncoder()
    y = encoder.fit_transform(data.target_names[data.target])
    clf = Classifier(hidden_layer_sizes=(6,), max_iter=30, random_state=3).fit(data.data, y)
    return encoder.inverse_transform(clf.predict(data.data[::7]))


def python_lists(Classifier, Regressor):
    """The user guide's first example: XOR's corners with L-BFGS."""
    X, y = [[0.0, 0.0], [1.0, 1.0]], [0, 1]
    clf = Classifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(5, 2), random_state=1)
    clf.fit(X, y)
    return clf.predict([[2.0, 2.0], [-1.0, -2.0]]), [coef.shape for coef in clf.coefs_]


def multilabel_lists(Classifier, Regressor):
    """The user guide's second example."""
    X, y = [[0.0, 0.0], [1.0, 1.0]], [[0, 1], [1, 1]]
    clf = Classifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(15,), random_state=1)
    clf.fit(X, y)
    return clf.predict([[1.0, 2.0]]), clf.predict([[0.0, 0.0]])


def multilabel(Classifier, Regressor):
    X, Y = make_multilabel_classification(n_samples=90, n_features=8, random_state=0)
    clf = Classifier(hidden_layer_sizes=(9,), max_iter=30, random_state=0).fit(X, Y)
    return clf.predict(X[:10]), clf.predict_proba(X[:10]), clf.score(X, Y), clf.out_activation_


def poisson_counts(Classifier, Regressor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    counts = rng.poisson(np.exp(0.5 * X[:, 0]))
    reg = Regressor(loss="poisson", hidden_layer_sizes=(8,), max_iter=40, random_state=0)
    prediction = reg.fit(X, counts).predict(X)
    return prediction, mean_poisson_deviance(counts, prediction), reg.loss_


def two_targets(Classifier, Regressor):
    X, Y = make_regression(n_samples=80, n_features=5, n_targets=2, random_state=0)
    reg = Regressor(hidden_layer_sizes=(10,), max_iter=50, random_state=0).fit(X, Y / 100)
    return reg.predict(X[:5]), r2_score(Y / 100, reg.predict(X), multioutput="raw_values")


# --- looking at what was learned ---


def weights_and_shapes(Classifier, Regressor):
    X, y = load_digits(return_X_y=True)
    clf = Classifier(hidden_layer_sizes=(16,), max_iter=5, random_state=0).fit(
        X[:300] / 16, y[:300]
    )
    images = [column.reshape(8, 8) for column in clf.coefs_[0].T]
    return {
        "shapes": [coef.shape for coef in clf.coefs_] + [b.shape for b in clf.intercepts_],
        "range": [min(image.min() for image in images), clf.coefs_[0].max()],
        "layers": (clf.n_layers_, clf.n_outputs_, clf.out_activation_, clf.n_features_in_),
        "parameters": sum(c.size for c in clf.coefs_) + sum(b.size for b in clf.intercepts_),
    }


def loss_curves(Classifier, Regressor):
    """plot_mlp_training_curves.py: one curve for each way to train."""
    X, y = load_iris(return_X_y=True)
    X = MinMaxScaler().fit_transform(X)
    strategies = [
        {"solver": "sgd", "learning_rate": "constant", "momentum": 0},
        {"solver": "sgd", "learning_rate": "constant", "momentum": 0.9},
        {"solver": "sgd", "learning_rate": "constant", "nesterovs_momentum": False},
        {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0},
        {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
        {"solver": "adam", "learning_rate_init": 0.01},
    ]
    curves = []
    for strategy in strategies:
        clf = Classifier(random_state=0, max_iter=25, hidden_layer_sizes=(12,), **strategy)
        curves.append(list(clf.fit(X, y).loss_curve_))
    return curves


def early_stopping_curves(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier(
        hidden_layer_sizes=(10,),
        early_stopping=True,
        n_iter_no_change=5,
        random_state=2,
        learning_rate_init=0.02,
        validation_fraction=0.2,
    ).fit(X_train, y_train)
    best = int(np.argmax(clf.validation_scores_))
    return best, clf.validation_scores_, clf.best_validation_score_, clf.n_iter_, clf.best_loss_


def regressor_early_stopping(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(10,), early_stopping=True, random_state=2, max_iter=60)
    reg.fit(X_train, y_train)
    return reg.validation_scores_, reg.best_validation_score_, reg.score(X_test, y_test)


def training_summary(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(5,), solver="sgd", max_iter=15, random_state=0)
    reg.fit(X_train, y_train)
    return reg.n_iter_, reg.t_, reg.loss_, reg.best_loss_, len(reg.loss_curve_)


def edit_weights_by_hand(Classifier, Regressor):
    """Pruning: small weights are set to zero in place."""
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier(hidden_layer_sizes=(10,), max_iter=60, random_state=0).fit(X_train, y_train)
    before = clf.predict_proba(X_test)
    for coef in clf.coefs_:
        coef[np.abs(coef) < 0.3] = 0.0
    return before, clf.predict_proba(X_test), sum(np.count_nonzero(c) for c in clf.coefs_)


def forward_pass_in_numpy(Classifier, Regressor):
    """Export: the prediction, recomputed from coefs_ and intercepts_."""
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(7, 5), activation="tanh", max_iter=20, random_state=0).fit(
        X_train, y_train
    )
    hidden = X_test
    for coef, intercept in zip(reg.coefs_[:-1], reg.intercepts_[:-1], strict=True):
        hidden = np.tanh(hidden @ coef + intercept)
    output = (hidden @ reg.coefs_[-1] + reg.intercepts_[-1]).ravel()
    return output, np.allclose(output, reg.predict(X_test))


# --- pipelines and columns ---


def scaled_pipeline(Classifier, Regressor):
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)
    model = make_pipeline(StandardScaler(), Classifier(max_iter=15, random_state=1))
    model.fit(X_train, y_train)
    return model.score(X_test, y_test), model.predict_proba(X_test), model[-1].loss_


def mixed_columns(Classifier, Regressor):
    """A data frame with numbers and categories."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 120),
            "income": rng.lognormal(10, 0.5, 120),
            "city": rng.choice(["Bonn", "Lyon", "Turin"], 120),
        }
    )
    bought = pd.Series(
        (frame["age"] + 10 * (frame["city"] == "Lyon") > 50).map({True: "y", False: "n"})
    )
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["age", "income"]), ("city", OneHotEncoder(), ["city"])]
    )
    model = Pipeline([("columns", columns), ("mlp", Classifier((8,), max_iter=60, random_state=0))])
    model.fit(frame, bought)
    return model.score(frame, bought), model.predict(frame.head(8)), model.predict_proba(frame)


def pandas_feature_names(Classifier, Regressor):
    frame, target = load_diabetes(return_X_y=True, as_frame=True)
    reg = Regressor(hidden_layer_sizes=(6,), max_iter=10, random_state=0).fit(frame, target / 100)
    return reg.feature_names_in_, reg.n_features_in_, reg.predict(frame.head())


def pandas_output(Classifier, Regressor):
    frame, target = load_iris(return_X_y=True, as_frame=True)
    scaler = StandardScaler().set_output(transform="pandas")
    model = make_pipeline(scaler, Classifier((6,), max_iter=10, random_state=0)).fit(frame, target)
    return model[-1].feature_names_in_, model.predict_proba(frame)[:3]


def text_features(Classifier, Regressor):
    texts = ["red apple", "green apple", "fast car", "slow car", "red car", "green pear"] * 6
    labels = ["fruit", "fruit", "vehicle", "vehicle", "vehicle", "fruit"] * 6
    model = make_pipeline(TfidfVectorizer(), Classifier((5,), max_iter=50, random_state=0))
    return model.fit(texts, labels).predict(["slow apple", "fast pear"]), model.predict_proba(
        texts[:6]
    )


def sparse_features(Classifier, Regressor):
    X = sparse.random(80, 30, density=0.1, format="csr", random_state=0)
    y = np.asarray(X.sum(axis=1)).ravel()
    reg = Regressor(hidden_layer_sizes=(6,), max_iter=30, random_state=0).fit(X, y)
    return reg.predict(X), reg.predict(X.tocsc()), reg.predict(X.toarray())


def pca_then_network(Classifier, Regressor):
    X, y = load_digits(return_X_y=True)
    model = Pipeline(
        [("scale", StandardScaler()), ("pca", PCA(12, random_state=0)), ("mlp", Classifier((20,)))]
    )
    model.set_params(mlp__max_iter=6, mlp__random_state=0, mlp__alpha=0.01)
    return model.fit(X[:400], y[:400]).score(X[400:800], y[400:800])


# --- model selection ---


def cross_validation_scores(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), Classifier((10,), max_iter=25, random_state=0))
    return cross_val_score(model, X, y, cv=StratifiedKFold(4)), cross_val_score(
        model, X, y, cv=3, scoring="neg_log_loss"
    )


def cross_validate_several_metrics(Classifier, Regressor):
    X, y = load_diabetes(return_X_y=True)
    model = make_pipeline(
        StandardScaler(), Regressor(hidden_layer_sizes=(10,), max_iter=15, random_state=0)
    )
    result = cross_validate(
        model,
        X,
        y / 100,
        cv=KFold(3),
        scoring=("r2", "neg_mean_absolute_error"),
        return_train_score=True,
        return_estimator=True,
    )
    losses = [model[-1].loss_ for model in result["estimator"]]
    return result["test_r2"], result["train_neg_mean_absolute_error"], losses


def cross_val_predictions(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    clf = Classifier((6,), max_iter=20, random_state=0)
    return cross_val_predict(clf, X, y, cv=3, method="predict_proba")


def grid_search(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(5,), (5, 5)], "activation": ["tanh"]}
    search = GridSearchCV(Classifier(max_iter=20, random_state=0), grid, cv=3).fit(X, y)
    return {
        "best": (search.best_params_["alpha"], search.best_params_["hidden_layer_sizes"]),
        "scores": search.cv_results_["mean_test_score"],
        "refit": search.predict_proba(X),
    }


def randomized_search_in_a_pipeline(Classifier, Regressor):
    X, y = load_diabetes(return_X_y=True)
    model = make_pipeline(
        StandardScaler(), Regressor(hidden_layer_sizes=(8,), max_iter=10, random_state=0)
    )
    name = model.steps[-1][0]
    search = RandomizedSearchCV(
        model,
        {f"{name}__learning_rate_init": loguniform(1e-3, 1e-1), f"{name}__alpha": [0.0, 1.0]},
        n_iter=4,
        cv=3,
        random_state=0,
        scoring=make_scorer(r2_score),
    ).fit(X, y / 100)
    return search.best_score_, search.cv_results_["mean_test_score"]


def learning_curves(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    clf = Classifier((8,), max_iter=15, random_state=0)
    return learning_curve(
        clf, X, y, cv=3, train_sizes=[0.3, 0.6, 1.0], shuffle=True, random_state=0
    )


def incremental_learning_curve(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    clf = Classifier((8,), random_state=0, batch_size=10)
    return learning_curve(
        clf,
        X,
        y,
        cv=3,
        train_sizes=[0.3, 0.6, 1.0],
        exploit_incremental_learning=True,
        shuffle=True,
        random_state=0,
    )


def validation_curves(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    clf = Classifier((6,), solver="sgd", max_iter=10, random_state=0)
    return validation_curve(
        clf, X, y, param_name="learning_rate_init", param_range=[0.001, 0.01, 0.1], cv=3
    )


def feature_selection(Classifier, Regressor):
    X, y = load_iris(return_X_y=True)
    selector = SequentialFeatureSelector(
        Classifier((4,), max_iter=15, random_state=0, learning_rate_init=0.05),
        n_features_to_select=2,
        cv=2,
    )
    return selector.fit(X, y).get_support()


def importances(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(10,), max_iter=30, random_state=0).fit(X_train, y_train)
    result = permutation_importance(reg, X_test, y_test, n_repeats=3, random_state=0)
    dependence = partial_dependence(reg, X_train, features=[2], grid_resolution=5)
    return result.importances_mean, dependence["average"]


# --- ensembles and other meta-estimators ---


def voting(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = VotingClassifier(
        [("mlp", Classifier((6,), max_iter=20, random_state=0)), ("lr", LogisticRegression())],
        voting="soft",
    ).fit(X_train, y_train)
    X, _, y, _ = diabetes()
    reg = VotingRegressor(
        [
            ("mlp", Regressor(hidden_layer_sizes=(6,), max_iter=9, random_state=0)),
            ("ridge", Ridge()),
        ]
    )
    return clf.predict_proba(X_test), reg.fit(X, y).predict(X[:9])


def stacking(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = StackingRegressor(
        [
            ("mlp", Regressor(hidden_layer_sizes=(6,), max_iter=15, random_state=0)),
            ("ridge", Ridge()),
        ],
        final_estimator=Regressor(
            hidden_layer_sizes=(3,), solver="lbfgs", alpha=1.0, max_iter=15, random_state=0
        ),
        cv=3,
    ).fit(X_train, y_train)
    X, X_new, y, _ = iris()
    clf = StackingClassifier([("mlp", Classifier((6,), max_iter=15, random_state=0))], cv=3)
    return reg.predict(X_test), clf.fit(X, y).predict_proba(X_new)


def calibration(Classifier, Regressor):
    X, y = make_classification(n_samples=150, random_state=0)
    clf = CalibratedClassifierCV(Classifier((5,), max_iter=15, random_state=0), cv=3)
    return clf.fit(X, y).predict_proba(X)


def bagging(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = BaggingClassifier(Classifier((5,), max_iter=12), n_estimators=3, random_state=0)
    X, X_new, y, _ = diabetes()
    reg = BaggingRegressor(
        Regressor(hidden_layer_sizes=(5,), max_iter=12), n_estimators=3, random_state=0
    )
    return clf.fit(X_train, y_train).predict_proba(X_test), reg.fit(X, y).predict(X_new)


def boosting(Classifier, Regressor):
    """AdaBoost needs sample_weight."""
    X_train, X_test, y_train, y_test = iris()
    clf = AdaBoostClassifier(
        Classifier((8,), max_iter=40, learning_rate_init=0.02), n_estimators=3, random_state=0
    )
    return clf.fit(X_train, y_train).predict_proba(X_test)


def one_against_the_rest(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    base = Classifier((4,), max_iter=12, random_state=0)
    one_vs_rest = OneVsRestClassifier(base).fit(X_train, y_train)
    one_vs_one = OneVsOneClassifier(base).fit(X_train, y_train)
    return one_vs_rest.predict_proba(X_test), one_vs_one.predict(X_test)


def several_outputs(Classifier, Regressor):
    X, Y = make_regression(n_samples=60, n_features=4, n_targets=2, random_state=0)
    base = Regressor(hidden_layer_sizes=(5,), max_iter=12, random_state=0)
    separate = MultiOutputRegressor(base).fit(X, Y / 100)
    chain = RegressorChain(base, order=[1, 0]).fit(X, Y / 100)
    X2, Y2 = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    clf = Classifier((5,), max_iter=12, random_state=0)
    labels = MultiOutputClassifier(clf).fit(X2, Y2).predict_proba(X2)
    chained = ClassifierChain(clf, random_state=0).fit(X2, Y2).predict_proba(X2)
    return separate.predict(X), chain.predict(X), labels, chained


def transformed_target(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    model = TransformedTargetRegressor(
        Regressor(hidden_layer_sizes=(6,), max_iter=15, random_state=0),
        transformer=StandardScaler(),
    )
    return model.fit(X_train, 100 * y_train).predict(X_test)


# --- training step by step ---


def partial_fit_loop(Classifier, Regressor):
    """Out-of-core learning: chunk by chunk, score after each."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    clf = Classifier((20,), random_state=0)
    scores = []
    for start in range(0, 600, 200):
        rows = slice(start, start + 200)
        clf.partial_fit(X[rows], y[rows], classes=np.arange(10))
        scores.append(clf.score(X[600:], y[600:]))
    return scores, clf.loss_curve_, clf.t_


def own_epochs_and_early_stopping(Classifier, Regressor):
    """The loop that people write to see a validation loss."""
    X_train, X_val, y_train, y_val = diabetes()
    reg = Regressor(hidden_layer_sizes=(12,), solver="sgd", learning_rate_init=0.01, random_state=0)
    rng = check_random_state(0)
    best, best_loss, history = None, np.inf, []
    for _ in range(12):
        X_epoch, y_epoch = shuffle(X_train, y_train, random_state=rng)
        reg.partial_fit(X_epoch, y_epoch)
        history.append(mean_squared_error(y_val, reg.predict(X_val)))
        if history[-1] < best_loss:
            best, best_loss = copy.deepcopy(reg), history[-1]
    return history, best_loss, best.predict(X_val)


def warm_start_loop(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier((8,), warm_start=True, max_iter=1, random_state=0)
    scores = []
    for _ in range(10):
        clf.fit(X_train, y_train)
        scores.append(accuracy_score(y_test, clf.predict(X_test)))
    return scores, clf.loss_curve_, clf.n_iter_, clf.t_


def fine_tuning(Classifier, Regressor):
    """Warm start on new data with a lower rate."""
    X_train, X_new, y_train, y_new = diabetes()
    reg = Regressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(X_train, y_train)
    reg.set_params(warm_start=True, learning_rate_init=1e-4, max_iter=5).fit(X_new, y_new)
    return reg.predict(X_new), reg.loss_curve_


# --- estimators as objects ---


def clone_and_set_params(Classifier, Regressor):
    original = Classifier(hidden_layer_sizes=(7,), alpha=0.5, random_state=4, max_iter=10)
    other = clone(original).set_params(activation="logistic", solver="sgd")
    X_train, X_test, y_train, y_test = iris()
    names = sorted(other.get_params().keys() & {"alpha", "activation", "solver", "tol", "max_fun"})
    return names, other.alpha, other.fit(X_train, y_train).predict_proba(X_test)


def kinds(Classifier, Regressor):
    return is_classifier(Classifier()), is_regressor(Regressor()), is_classifier(Regressor())


def pickled(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    clf = Classifier((8,), max_iter=20, random_state=0).fit(X_train, y_train)
    again = pickle.loads(pickle.dumps(clf))
    check_is_fitted(again)
    return again.predict_proba(X_test), again.loss_curve_, again.classes_


def saved_with_joblib(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    model = make_pipeline(
        StandardScaler(), Regressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0)
    )
    model.fit(X_train, y_train)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        return joblib.load(path).predict(X_test)


def saved_in_memory_and_continued(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(8,), random_state=0)
    for _ in range(4):
        reg.partial_fit(X_train, y_train)
        buffer = io.BytesIO()
        joblib.dump(reg, buffer)
        buffer.seek(0)
        reg = joblib.load(buffer)
    return reg.predict(X_test), reg.loss_curve_


def sample_weights(Classifier, Regressor):
    X_train, X_test, y_train, y_test = iris()
    weights = np.where(y_train == 1, 3.0, 0.5)
    clf = Classifier((8,), max_iter=20, random_state=0)
    clf.fit(X_train, y_train, sample_weight=weights)
    X, _, y, _ = diabetes()
    reg = Regressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(
        X, y, np.linspace(0.1, 2, len(y))
    )
    return clf.predict_proba(X_test), reg.predict(X[:9]), clf.score(X_train, y_train, weights)


def routed_sample_weights(Classifier, Regressor):
    """Metadata routing: the weights reach fit and the scorer through a cross-validation."""
    X_train, _, y_train, _ = iris()
    weights = np.where(y_train == 1, 3.0, 0.5)
    with sklearn.config_context(enable_metadata_routing=True):
        clf = Classifier((8,), max_iter=20, random_state=0)
        clf.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        clf.set_partial_fit_request(sample_weight=True, classes=True)
        model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), clf)
        scores = cross_validate(
            model,
            X_train,
            y_train,
            cv=3,
            scoring=get_scorer("accuracy").set_score_request(sample_weight=True),
            params={"sample_weight": weights},
        )
    return scores["test_score"]


def single_precision(Classifier, Regressor):
    X_train, X_test, y_train, y_test = diabetes()
    reg = Regressor(hidden_layer_sizes=(8,), solver="sgd", max_iter=10, random_state=0)
    reg.fit(X_train.astype(np.float32), y_train.astype(np.float32))
    prediction = reg.predict(X_test.astype(np.float32))
    return str(prediction.dtype), [str(c.dtype) for c in reg.coefs_], prediction.round(4)


def random_states(Classifier, Regressor):
    """One RandomState shared by several estimators, as in an ensemble written by hand."""
    X_train, X_test, y_train, y_test = iris()
    rng = np.random.RandomState(0)
    models = [
        Classifier((5,), max_iter=8, random_state=rng).fit(X_train, y_train) for _ in range(3)
    ]
    return np.mean([model.predict_proba(X_test) for model in models], axis=0)
