"""Versions: trained models in the store, compared, promoted and rolled back. For administrators."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.store.versions import model_name
from app.web.common.admin import admins_only
from app.web.common.services import services
from app.web.pages.status import service_status

pages = Blueprint("versions", __name__, url_prefix="/versions")
pages.before_request(admins_only)


@pages.get("")
def page() -> ResponseReturnValue:
    """Every version with its card."""
    store = services().store.versions
    card = service_status().cards.get("objects")
    return render_template(
        "versions.html",
        versions=store.all(),
        current=store.current(),
        answering=card,
        names=model_name,
    )


@pages.post("/<id>/promote")
def promote(id: str) -> ResponseReturnValue:
    """Make a version the default."""
    store = services().store.versions
    store.promote(id)
    flash(f"{store.get(id).title} is the default now. Workers take it up in a few seconds.")
    return redirect(url_for(".page"), 303)


@pages.post("/back")
def roll_back() -> ResponseReturnValue:
    """Make the default what was it before."""
    store = services().store.versions
    id = store.roll_back()
    title = store.get(id).title if id else "The model of the settings"
    flash(f"{title} is the default again. Workers take it up in a few seconds.")
    return redirect(url_for(".page"), 303)


@pages.post("/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    """Delete a version that is not the default."""
    services().store.versions.delete(id)
    flash("The version was deleted.")
    return redirect(url_for(".page"), 303)
