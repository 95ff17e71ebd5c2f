"""In which order photos are corrected: the most doubtful first, and every fourth one at random."""

from collections.abc import Sequence

from app.store.corrections import Waiting
from app.web.common.services import services

# A model can be sure and wrong, which its doubt does not tell.
AT_RANDOM = 4


def most_doubtful_first(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The runs in the order in which they are corrected, the same each time.

    By falling doubt, those of unknown doubt last; but each fourth place goes to the next one at random. Ids are random,
    so their order is.
    """
    doubtful = sorted(waiting, key=lambda run: (run.doubt is None, -(run.doubt or 0), run.id))
    drawn = sorted(waiting, key=lambda run: run.id)
    sources = [iter(doubtful)] * (AT_RANDOM - 1) + [iter(drawn)]
    order: dict[str, Waiting] = {}
    while len(order) < len(waiting):
        source = sources[len(order) % AT_RANDOM]
        run = next(run for run in source if run.id not in order)
        order[run.id] = run
    return list(order.values())


def next_after(owner: str, run_id: str = "", batch: str = "") -> str | None:
    """The id of the run to correct after another one, which may be checked by now; None where all are checked.

    batch: the id of the batch whose photos alone count.
    """
    waiting = services().store.unchecked(owner, also=run_id, batch=batch)
    ids = [run.id for run in most_doubtful_first(waiting)]
    place = ids.index(run_id) if run_id in ids else -1
    others = ids[place + 1 :] + ids[: max(place, 0)]
    return others[0] if others else None
