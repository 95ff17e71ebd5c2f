"""Scripts, style sheets and fonts: compressed, under addresses that change with their contents.

`url_for("static", filename="js/start.js")` gives `/static/<version>/js/start.js`, which a browser keeps and never asks
for again. The version is a folder: modules import each other by relative paths, so these follow it.
"""

import functools
import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from flask import Flask, Response, request
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

T = TypeVar("T")
VERSION_DIGITS = 12
MAX_ADDRESSES = 1000
_VERSIONED = re.compile(rf"([0-9a-f]{{{VERSION_DIGITS}}})/(.+)")
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";', re.MULTILINE)
FOR_GOOD = "public, max-age=31536000, immutable"
# An address without the version may show another file tomorrow, and one with an old version shows today's files.
ASK_AGAIN = "public, no-cache"
COMPRESSIBLE = ("text/", "application/json", "image/svg+xml")
# Python's own table, whatever the machine has in /etc/mime.types: small images have none.
MEDIA_TYPES = mimetypes.MimeTypes(filenames=())
for _media_type, _suffix in (("text/javascript", ".js"), ("image/webp", ".webp"), ("font/woff2", ".woff2")):
    MEDIA_TYPES.add_type(_media_type, _suffix)


@dataclass(frozen=True)
class Asset:
    """A file. packed: its bytes in gzip, None where that saves nothing."""

    data: bytes
    packed: bytes | None
    media_type: str
    digest: str


def init_app(app: Flask) -> None:
    """Serve the application's own folder."""
    assert app.static_folder
    serve(app, "static", Path(app.static_folder))
    imports = functools.cache(functools.partial(_imports, Path(app.static_folder)))

    def addresses(name: str) -> list[str]:
        """A module's, after those of all that it imports."""
        url_for = cast(Callable[..., str], app.jinja_env.globals["url_for"])
        return [url_for("static", filename=module) for module in (*imports(name), name)]

    def preload(name: str) -> Markup:
        """The tags that fetch a module for later, and all that it imports."""
        return _preload(addresses(name))

    def script(name: str) -> Markup:
        """The tags that run a module. All that it imports is asked for at once, not when each importer has come."""
        *imported, module = addresses(name)
        return _preload(imported) + Markup('\n  <script type="module" src="{}"></script>').format(module)

    app.jinja_env.globals.update(script=_once_for_each_root(script), preload=_once_for_each_root(preload))


def _preload(addresses: Iterable[str]) -> Markup:
    tags = [Markup('<link rel="modulepreload" href="{}">').format(address) for address in addresses]
    return Markup("\n  ").join(tags)


def serve(app: Flask, endpoint: str, folder: Path) -> None:
    """Serve a folder at the address of an endpoint that Flask made for it."""
    version = _version(folder)
    load = functools.cache(functools.partial(_load, folder))

    def add_version(name: str, values: dict[str, Any]) -> None:
        if name == endpoint:
            values["filename"] = f"{version}/{values['filename']}"

    def view(filename: str) -> Response:
        versioned = _VERSIONED.fullmatch(filename)
        asset = load(versioned[2] if versioned else filename)
        return _answer(asset, FOR_GOOD if versioned and versioned[1] == version else ASK_AGAIN)

    app.url_defaults(add_version)
    app.jinja_env.globals["url_for"] = _remembering(app, endpoint)
    app.view_functions[endpoint] = view


def _remembering(app: Flask, endpoint: str) -> Callable[..., str]:
    """`url_for` that makes an address once where it is always the same: a page names three dozen of them.

    That is so for each of the endpoint's files, and for an endpoint by its full name and without values.
    """
    url_for = cast(Callable[..., str], app.jinja_env.globals["url_for"])
    file = _once_for_each_root(lambda filename: url_for(endpoint, filename=filename))
    page = _once_for_each_root(url_for)

    def address(name: str, /, **values: Any) -> str:
        if name == endpoint and values.keys() == {"filename"}:
            return file(values["filename"])
        return url_for(name, **values) if values or name.startswith(".") else page(name)

    return address


def _once_for_each_root(make: Callable[[str], T]) -> Callable[[str], T]:
    """A function that keeps what another makes of a name, for each path under which a proxy serves the application."""
    made: dict[tuple[str, str], T] = {}

    def get(name: str) -> T:
        key = request.script_root, name
        if key not in made:
            if len(made) == MAX_ADDRESSES:  # The path comes from the request.
                made.clear()
            made[key] = make(name)
        return made[key]

    return get


def _imports(folder: Path, name: str) -> list[str]:
    """The modules that a module imports, and those that these import, by their names in the folder."""
    found = [name]
    for module in found:
        for path in _IMPORT.findall((folder / module).read_text()):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(module), path))
            if imported not in found:
                found.append(imported)
    return found[1:]


def _version(folder: Path) -> str:
    """The hash of all files of a folder and their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:VERSION_DIGITS]


def _load(folder: Path, name: str) -> Asset:
    """Read a file. Names of no file raise `NotFound`, so only files are kept in memory."""
    path = safe_join(str(folder), name)
    if path is None or not Path(path).is_file():
        raise NotFound
    data = Path(path).read_bytes()
    media_type = MEDIA_TYPES.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(data, mtime=0) if media_type.startswith(COMPRESSIBLE) else b""
    return Asset(
        data, packed if 0 < len(packed) < len(data) else None, media_type, hashlib.sha256(data).hexdigest()[:16]
    )


def _answer(asset: Asset, cache: str) -> Response:
    """The file as the client can take it; 304 where the client has it."""
    packed = asset.packed if request.accept_encodings["gzip"] > 0 else None
    response = Response(packed or asset.data, mimetype=asset.media_type)
    if packed:
        response.content_encoding = "gzip"
    if asset.packed:
        response.vary.add("Accept-Encoding")
    response.set_etag(f"{asset.digest}-gzip" if packed else asset.digest)
    response.headers["Cache-Control"] = cache
    response.make_conditional(request)
    return response
