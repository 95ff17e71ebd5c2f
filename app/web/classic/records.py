"""The third classic API's stored results: runs that carry its name."""

from sqlalchemy import Select, or_, select

from app.errors import NotFound
from app.store.models import DONE, Photo, Run, utcnow
from app.web import services

API = "data_science"


def latest(md5: str) -> Run:
    """The newest finished run of the API for a photo with this MD5. Raises NotFound."""
    held = services()
    query = _ids().join(Photo, Photo.sha256 == Run.photo_sha256)
    alive = or_(Run.expires_at.is_(None), Run.expires_at > utcnow())
    query = query.where(Photo.md5 == md5, Run.state == DONE, alive).order_by(Run.created_at.desc(), Run.id.desc())
    with held.store.reading() as session:
        found = session.scalar(query.limit(1))
    if found is None:
        raise NotFound
    return held.store.get_run(found)


def reset() -> int:
    """Delete every stored result of the API; how many there were. Analyses that other runs share stay."""
    held = services()
    with held.store.reading() as session:
        ids = session.scalars(_ids()).all()
    for id in ids:
        held.store.delete_run(id)
    return len(ids)


def _ids() -> Select[str]:
    return select(Run.id).where(Run.options["api"].as_string() == API)
