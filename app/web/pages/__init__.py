"""The pages: one blueprint per topic."""

from flask import Flask

from app.web.common import navigation
from app.web.pages import (
    admin,
    batch,
    chosen,
    correct,
    data_sets,
    history,
    models,
    run,
    start,
    status,
    teach,
    versions,
)


def init_app(app: Flask) -> None:
    """Attach the pages."""
    for module in (start, run, correct, history, chosen, batch, models, teach, data_sets, versions, admin, status):
        app.register_blueprint(module.pages)
    status.init_app(app)
    navigation.add(app, "start.start", "Detect")
    navigation.add(app, "history.page", "History")
    navigation.add(app, "teach.page", "Teach")
    if app.extensions["services"].settings.admin_key:
        navigation.add(app, "data_sets.page", "Data sets")
        navigation.add(app, "versions.page", "Versions")
