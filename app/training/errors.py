"""Errors that end a training with a sentence instead of a traceback."""

from collections.abc import Sequence


class DataError(ValueError):
    """A folder that cannot be trained on. problems: one sentence per file or annotation."""

    def __init__(self, message: str, problems: Sequence[str] = ()):
        super().__init__(message)
        self.problems = list(problems)


class TrainingError(RuntimeError):
    """Training cannot start or continue; the message says why in one sentence."""
