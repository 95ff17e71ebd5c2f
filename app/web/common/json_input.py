"""The JSON that requests bring."""

from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider


def init_app(app: Flask) -> None:
    """Let the application's JSON be read by `Json`."""
    app.json = Json(app)


class Json(DefaultJSONProvider):
    """Flask's own, for which JSON that is nested too deeply is as malformed as any other: status 400."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON. Raises ValueError where that cannot be done."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
