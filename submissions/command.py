"""Run a command of this package, and read the competition's name from a task's entry."""

import argparse
import re
from collections.abc import Callable

from pipeline.config.schema import Params, load_params
from pipeline.running.stage import one_sentence, task_of
from pipeline.storage.files import BadInput
from pipeline.storage.paths import PARAMS
from submissions.client import KaggleError


def run(name: str, function: Callable[[Params, argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    """Run `function(params, arguments)`.

    An error that the user can mend becomes one sentence and exit status 1. Ctrl-C becomes exit status 130.
    """
    with one_sentence(name):
        try:
            function(load_params(PARAMS), arguments)
        except KaggleError as error:
            raise BadInput(str(error)) from error


def competition_of(params: Params, key: str) -> str:
    """Return the name of the task's competition on Kaggle.

    Raises:
        BadInput: the task is unknown, or its competition's name is missing or malformed.
    """
    name = task_of(params, key).competition
    if name is None or not re.fullmatch(r"\w[\w-]*", name):
        expected = "expected the last part of the address of the competition, kaggle.com/competitions/NAME"
        value = "missing" if name is None else repr(name)
        raise BadInput(f"{PARAMS}: tasks.{key}.competition: {value}, {expected}")
    return name
