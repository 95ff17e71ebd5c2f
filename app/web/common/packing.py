"""Compresses pages for visitors of this site.

Pages hold a secret, the token of their forms. Where others can have a browser ask for pages again and again, with
guesses in their addresses, sizes of compressed answers give it away (BREACH). Browsers say that a request came from our
own pages, and scripts of others cannot: only then it is compressed.
"""

import gzip

from flask import Flask, Response, request

MIN_BYTES = 1000
LEVEL = 5


def init_app(app: Flask) -> None:
    """Compress from now on."""
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if response.mimetype != "text/html" or response.is_streamed:
        return response
    response.vary.update(("Accept-Encoding", "Sec-Fetch-Site"))
    own = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if own and request.accept_encodings["gzip"] > 0 and not response.content_encoding:
        data = response.get_data()
        if len(data) >= MIN_BYTES:
            response.set_data(gzip.compress(data, LEVEL, mtime=0))
            response.content_encoding = "gzip"
    return response
