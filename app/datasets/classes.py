"""Which classes a model knows after it was trained on a data set."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

# Those of the base and of the data set, or those of the data set alone.
Classes = Literal["base+data", "data"]
BOTH: Final[Classes] = "base+data"
CHOICES: Final[tuple[Classes, ...]] = get_args(Classes)


def classes_of(choice: Classes, base: Sequence[str], data: Sequence[str]) -> tuple[str, ...]:
    """The classes of the model: the base's come first where they are kept."""
    kept = tuple(base) if choice == BOTH else ()
    return (*kept, *(name for name in data if name not in kept))
