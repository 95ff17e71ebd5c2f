"""The error of data that cannot be used."""

from collections.abc import Sequence
from typing import Any

from app.errors import PublicError

# Problems that an answer lists. Nobody reads more.
MAX_LISTED = 100


class DataError(PublicError, ValueError):
    """A folder of labelled photos that cannot be used. problems: one sentence per file or annotation."""

    status, code, message = 422, "unusable-data", "These labelled photos cannot be used."

    def __init__(self, message: str, problems: Sequence[str] = ()):
        super().__init__(message)
        self.problems = list(problems)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The first problems, as the API lists what is wrong with a request."""
        return [{"loc": [], "msg": problem} for problem in self.problems[:MAX_LISTED]]
