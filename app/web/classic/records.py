"""The third classic API's stored results: runs that carry its name."""

from sqlalchemy import Select, or_, select

from app.errors import NotFound
from app.store.models import DONE, Photo, Run, utcnow
from app.web import services
from app.web.rendered import forget

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
    """Delete every stored result of the API, with its pictures; how many there were. What other runs share stays."""
    held = services()
    with held.store.reading() as session:
        found = session.execute(_ids().add_columns(Run.photo_sha256)).all()
    for id, photo in found:
        held.store.delete_run(id)
        forget(photo)
    return len(found)


def _ids() -> Select[str]:
    return select(Run.id).where(Run.options["api"].as_string() == API)
