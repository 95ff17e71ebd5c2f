"""`/api/v1`: the documented REST API, a view of the stored results."""

from flask import Flask
from flask_cors import CORS

from app.config.checks import split
from app.web.api import corrections, create, data_sets, runs, spec, trainings, versions
from app.web.api.blueprint import PREFIX, api
from app.web.api.problems import problem
from app.web.common import errors, limits
from app.web.common.keys import check_key
from app.web.common.origins import check_origin
from app.web.common.security import csrf

__all__ = ["api", "corrections", "create", "data_sets", "init_app", "runs", "trainings", "versions"]

# Response headers that scripts of other origins may read.
EXPOSED = ["Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Preference-Applied", "X-Request-ID"]

api.before_request(check_origin)
api.before_request(check_key)


def init_app(app: Flask) -> None:
    """Attach the API, its documentation and, where the settings name origins, CORS."""
    errors.register_format(app, f"{PREFIX}/", problem)
    csrf.exempt(api)  # Clients send no form of ours; check_origin stands in for the token.
    spec.init_app(app)
    app.register_blueprint(api)
    limits.limit(app, api)
    origins = split(app.extensions["services"].settings.cors_origins)
    if origins:
        allowed = "*" if "*" in origins else list(origins)
        CORS(app, resources={rf"{PREFIX}/.*": {"origins": allowed}}, expose_headers=EXPOSED, max_age=600)
