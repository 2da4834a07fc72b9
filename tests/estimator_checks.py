"""scikit-learn's checks of estimators: names, those that say nothing here, several at once."""

# The first does nothing but say that another kind of arrays is not switched on, the second that a
# classifier has no decision_function, as scikit-learn's MLP has none.
LEFT_OUT = ("check_array_api_input", "check_classifiers_multilabel_output_format_decision_function")


def function_of(check):
    """A check is the function itself, or one or two partials around it."""
    while hasattr(check, "func"):
        check = check.func
    return check


def is_about(check, estimator):
    """False for the checks that say nothing, and of probabilities where there are none."""
    name = function_of(check).__name__
    return name not in LEFT_OUT and (
        not name.endswith("predict_proba") or hasattr(estimator, "predict_proba")
    )


def run(cases):
    """(estimator, check) of each case; an error says of which estimator."""
    for estimator, check in cases:
        try:
            check(estimator)
        except Exception as error:
            raise AssertionError(f"of {estimator!r}") from error
