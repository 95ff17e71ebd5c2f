"""Versions: trained models, and which is the default. For administrators."""

from typing import Any

from flask import Response

from app.store.models import Version
from app.web.api import schemas
from app.web.api.blueprint import api, describe, json_response
from app.web.common import inputs
from app.web.common.keys import check_admin
from app.web.common.services import services


@api.get(
    "/versions",
    operation_id="listVersions",
    summary="List the versions",
    responses=describe(403, s200=schemas.VersionList),
)
def list_versions() -> Response:
    """Every trained model in the store, newest first."""
    check_admin()
    return _listed()


@api.post(
    "/versions/<version_id>/promote",
    operation_id="promoteVersion",
    summary="Promote a version",
    responses=describe(403, 404, s200=schemas.VersionList),
)
def promote_version(path: inputs.VersionPath) -> Response:
    """Make a version the default. Workers take it up without a restart; old results stay with their model."""
    check_admin()
    services().store.versions.promote(path.version_id)
    return _listed()


@api.post(
    "/versions/default/back",
    operation_id="rollBack",
    summary="Roll back",
    responses=describe(403, 409, s200=schemas.VersionList),
)
def roll_back() -> Response:
    """Make the default what was it before the last promotion."""
    check_admin()
    services().store.versions.roll_back()
    return _listed()


@api.delete(
    "/versions/<version_id>",
    operation_id="deleteVersion",
    summary="Delete a version",
    responses=describe(403, 404, 409, s204={"description": "The version is deleted."}),
)
def delete_version(path: inputs.VersionPath) -> Response:
    """Delete a version that is not the default."""
    check_admin()
    services().store.versions.delete(path.version_id)
    return Response(status=204)


def _listed() -> Response:
    store = services().store.versions
    current = store.current()
    return json_response({"versions": [_json(each, current) for each in store.all()], "default": current})


def _json(version: Version, current: str | None) -> dict[str, Any]:
    return {
        "id": version.id,
        "title": version.title,
        "created_at": version.created_at.isoformat(),
        "bytes": version.bytes,
        "default": version.id == current,
        "card": version.card,
    }
