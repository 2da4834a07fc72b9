"""What ends a run that has diverged: an error that says where, and what to try."""


def diverged(found, where, remedies):
    """The error for a run whose weights or loss, as `found` says, are not finite.

    `where` names the epoch or iteration and the learning rate, `remedies` what to try besides
    scaling the data.
    """
    return ValueError(
        f"Solver produced non-finite {found} in {where}. The input data may contain large values "
        "and need to be preprocessed: scale X (StandardScaler) and, for regression, y"
        f"{remedies}."
    )
