"""Packages that only some need: imported when they are, and asked for by their pip command."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_extra(module: str, extra: str, what: str) -> Any:
    """The module; ModuleNotFoundError that says how to install it where it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f'{what} needs {package}: pip install "fastbp[{extra}]".', name=package
        ) from None
