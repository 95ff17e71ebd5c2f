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
    trainings,
    versions,
)


def init_app(app: Flask) -> None:
    """Attach the pages."""
    visitors = (start, run, correct, history, chosen, batch, models, teach)
    for module in (*visitors, data_sets, trainings, versions, admin, status):
        app.register_blueprint(module.pages)
    status.init_app(app)
    navigation.add(app, "start.start", "Detect")
    navigation.add(app, "history.page", "History")
    navigation.add(app, "teach.page", "Teach")
    if app.extensions["services"].settings.admin_key:
        navigation.add(app, "data_sets.page", "Data sets")
        navigation.add(app, "trainings.page", "Trainings")
        navigation.add(app, "versions.page", "Versions")
