"""The settings that pip is given, for uv, which reads neither pip's files nor `PIP_*`. Standard library only."""

from __future__ import annotations

import configparser
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

SYSTEM = Path("/etc/pip.conf")
TRUE = {"1", "true", "t", "yes", "y", "on"}


def pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What `pip install` goes by: options by name, with hyphens. Empty ones count for nothing.

    environment: variables of a process. Later files replace values of earlier ones, [install] those of [global], and
    variables both (https://pip.pypa.io/en/stable/topics/configuration/).
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ValueError(f"pip's settings in {path} cannot be read: {error}") from error
        for section, settings in sections.items():
            settings.update(parser.items(section) if parser.has_section(section) else ())
    variables = {name[4:]: value for name, value in environment.items() if name.startswith("PIP_")}
    merged = {**sections["global"], **sections["install"], **variables}
    return {name.lower().replace("_", "-"): value.strip() for name, value in merged.items() if value.strip()}


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """pip's configuration files on Linux and macOS, the weakest first; any may be missing."""
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(environment.get("HOME") or Path.home())
    for folder in (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder, "pip", "pip.conf")
    yield SYSTEM
    if not (named and Path(named).exists()):
        yield home / ".pip" / "pip.conf"
        yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    if named:
        yield Path(named)


def uv_variables(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """pip's settings as variables of uv, without those of uv's own that the environment sets.

    Where there are several indexes, the best version of all of them is taken, as by pip; uv alone would take the first
    index that has the package.
    """
    links = [link for link in _values(pip, "find-links") if "://" in link or Path(link).exists()]
    indexes = _values(pip, "extra-index-url")
    timeout = pip.get("timeout") or pip.get("default-timeout")
    cert = os.path.expanduser(pip.get("cert", ""))
    found = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(indexes),
        "UV_INDEX_STRATEGY": "unsafe-best-match" if indexes else "",
        "UV_FIND_LINKS": ",".join(links),
        "UV_CONSTRAINT": " ".join(_values(pip, "constraint")),
        "UV_BUILD_CONSTRAINT": " ".join(_values(pip, "build-constraint")),
        "UV_INSECURE_HOST": " ".join(_values(pip, "trusted-host")),
        "UV_HTTP_TIMEOUT": str(math.ceil(float(timeout))) if timeout else "",
        "UV_HTTP_RETRIES": pip.get("retries", ""),
        "UV_NO_CACHE": "1" if pip.get("no-cache-dir", "").lower() in TRUE else "",
        "SSL_CERT_DIR" if os.path.isdir(cert) else "SSL_CERT_FILE": cert,
        "ALL_PROXY": pip.get("proxy", ""),
    }
    return {name: value for name, value in found.items() if value and not environment.get(name)}


def uv_options(pip: Mapping[str, str]) -> list[str]:
    """What of pip's settings uv takes as an option only."""
    return ["--no-index"] if pip.get("no-index", "").lower() in TRUE else []


def _values(pip: Mapping[str, str], name: str) -> list[str]:
    """The words of a setting that may have several, `~` in paths resolved."""
    return [word if "://" in word else os.path.expanduser(word) for word in pip.get(name, "").split()]
