"""Which part of a network learns."""

from typing import Any, Final, Literal, get_args

from app.datasets.classes import BOTH, Classes
from app.training.errors import TrainingError

# The heads of a two-stage detector, or all that is not frozen.
Part = Literal["heads", "all"]
AUTO: Final = "auto"
PARTS: Final[tuple[Part, ...]] = get_args(Part)
# Minutes up to which the heads alone learn more.
SHORT_EFFORT: Final = 30.0
NO_HEADS: Final = "Only the heads of a two-stage detector learn alone; choose --train all."
NO_BOTH: Final = (
    "The base's classes are kept where the heads of a two-stage detector learn, and nothing else; "
    "choose --classes data."
)


def part_of(asked: Part | None, classes: Classes, minutes: float | None, model: Any) -> Part:
    """What learns; `asked`, where that is not None. Raises TrainingError: it does not go with the rest."""
    two_stage = hasattr(model, "roi_head")
    if classes == BOTH and (asked == "all" or not two_stage):
        raise TrainingError(NO_BOTH)
    if asked == "heads" and not two_stage:
        raise TrainingError(NO_HEADS)
    short = two_stage and (classes == BOTH or (minutes is not None and minutes <= SHORT_EFFORT))
    return asked or ("heads" if short else "all")
