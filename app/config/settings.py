"""All settings of the service: name, type, default and help.

Values come from the environment (`PORT=8080`), or, for secrets, from a file named by `<NAME>_FILE`
(`SECRET_KEY_FILE=/run/secrets/key`). A malformed value, or a misspelt name of a longer setting, ends
the program at start with one sentence. `python -m app.config.settings` prints the table of `docs/settings.md`, and
`--write` writes it into that file.
"""

import dataclasses
import difflib
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.config import checks
from app.config.secret_key import kept_key

ROOT = Path(__file__).resolve().parents[2]
# Upper bounds in megabytes, seconds and days: far beyond any use, and within the range of Python's times.
TERABYTE, DAY, CENTURY = 1_000_000, 86_400, 36_500
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class SettingsError(ValueError):
    """A malformed setting; the message names it and says what is accepted."""


def _setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    check: Callable[[str], None] | None = None,
    secret: bool = False,
    empty: bool = False,
) -> Any:
    bounds = {"choices": choices, "minimum": minimum, "maximum": maximum, "check": check}
    metadata = {"help": help, "secret": secret, "empty": empty, **bounds}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """The service's configuration. The environment variable of a field is its name in capitals."""

    # Serving
    host: str = _setting("127.0.0.1", "Address that the web process listens on. `::`: every IPv6 and IPv4 address.")
    port: int = _setting(5000, "Port that the web process listens on.", minimum=1, maximum=65535)
    threads: int = _setting(16, "Threads of the web process.", minimum=2)
    connections_per_address: int = _setting(
        200,
        "Connections of one address (of IPv6, one /64) at a time; 0: any number. Not counted with TRUSTED_PROXIES.",
        minimum=0,
    )
    secret_key: str = _setting(
        "", "Signs cookies and forms. Empty: made once and kept in DATA_DIR.", check=checks.key, secret=True
    )
    public_url: str = _setting(
        "", "Address that people use, for absolute links. Empty: taken from the request.", check=checks.address
    )
    trusted_proxies: int = _setting(0, "Number of reverse proxies whose X-Forwarded-* headers count.", minimum=0)
    trusted_headers: str = _setting(
        "for,proto",
        "Which of those count: some of for, proto, host, port, prefix, separated by commas.",
        check=checks.forwarded,
    )
    allowed_hosts: str = _setting(
        "",
        "Names under which the service answers, besides PUBLIC_URL's, IP addresses, localhost and the machine's own, "
        "separated by commas. `.example.org`: all below it; `*`: every name.",
        check=checks.hosts,
    )
    cookie_secure: bool = _setting(False, "Send cookies over HTTPS only.")
    log_level: str = _setting("INFO", "Lowest severity that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    log_format: str = _setting("text", "Form of a log line.", choices=("text", "json"))

    # Where things are kept
    data_dir: str = _setting("data", "Folder of the database, the blobs, caches and the secret key.")
    database_url: str = _setting("", "SQLAlchemy or Heroku database address. Empty: SQLite in DATA_DIR.", secret=True)
    redis_url: str = _setting(
        "", "Redis address. Empty: `make up` starts a Redis of its own.", check=checks.redis_address, secret=True
    )
    redis_tls_verify: bool = _setting(True, "Verify the certificate of a rediss:// server (Heroku's is self-signed).")
    s3_bucket: str = _setting("", "S3 bucket for photos and results. Empty: a folder in DATA_DIR.")
    s3_endpoint_url: str = _setting("", "Address of an S3-compatible store. Empty: Amazon's.", check=checks.address)
    s3_region: str = _setting("us-east-1", "Region of the bucket.")
    s3_prefix: str = _setting("", "Prefix of every key in the bucket.")
    s3_access_key_id: str = _setting("", "S3 key. Empty: boto3's own search order.", secret=True)
    s3_secret_access_key: str = _setting("", "S3 secret. Empty: boto3's own search order.", secret=True)

    # Photos
    max_upload_mb: float = _setting(
        16, "Largest upload, in megabytes of 1024 * 1024 bytes.", minimum=0.1, maximum=TERABYTE
    )
    max_megapixels: float = _setting(40, "Largest photo, in millions of pixels.", minimum=0.1, maximum=178)
    upload_timeout: float = _setting(
        30, "Seconds within which every 256 KB of an upload must arrive.", minimum=1, maximum=DAY
    )
    url_timeout: float = _setting(15, "Seconds that fetching a photo by address may take.", minimum=1, maximum=DAY)
    photo_allowed_networks: str = _setting(
        "",
        "Networks, addresses and hosts besides the public web from which photos may be fetched, separated by commas; "
        "a port may follow (`192.168.1.0/24, camera.lan:8081`). See [deploying](deploying.md#the-local-network).",
        check=checks.networks,
    )
    batch_max: int = _setting(200, "Maximum number of photos in a batch.", minimum=1)
    max_batch_mb: float = _setting(
        256, "Largest upload of several photos or a ZIP, in the same megabytes.", minimum=0.1, maximum=TERABYTE
    )

    # Models and worker
    model: str = _setting("auto", "Detector: catalogue or zoo name, or a training's folder. auto: the best installed.")
    analyses: str = _setting(
        "auto",
        "Analyses that the worker loads, separated by commas. auto: all whose packages are installed.",
        check=checks.analyses,
    )
    checkpoints_dir: str = _setting("checkpoints", "Folder of the weights.")
    weights_mirror: str = _setting(
        "",
        "Where weights are fetched from first: base addresses (https://, http://, s3://) or folders, separated by "
        "commas. s3:// uses S3_ENDPOINT_URL and the S3 keys.",
        check=checks.mirrors,
        secret=True,
    )
    trust_model_code: bool = _setting(
        False,
        "Load a model folder whose config does more than name values. Such a config runs any code of its author's.",
    )
    device: str = _setting("auto", "Where models run.", choices=("auto", "cpu", "cuda"))
    engine: str = _setting("auto", "What runs the models; mmdet is PyTorch.", choices=("auto", "openvino", "mmdet"))
    precision: str = _setting("auto", "Arithmetic of the OpenVINO engine.", choices=("auto", "f32", "bf16", "int8"))
    memory_limit_mb: int = _setting(
        0,
        "Memory for all workers; with little, photos are looked at smaller. 0: the container's limit, if any.",
        minimum=0,
    )
    workers: int = _setting(1, "Worker processes.", minimum=1)
    job_timeout: float = _setting(120, "Seconds that one analysis may take.", minimum=1, maximum=DAY)
    queue_max: int = _setting(
        200,
        "Maximum number of waiting analyses; beyond it uploads are refused with 503. A batch is taken whole.",
        minimum=1,
    )
    score_floor: float = _setting(0.05, "Minimum score of a stored instance.", minimum=0, maximum=1)

    # Results
    threshold: float = _setting(0.5, "Minimum score shown where a request has no threshold.", minimum=0, maximum=1)
    retention_days: float = _setting(7, "Days that a run is kept; 0 keeps it.", minimum=0, maximum=CENTURY)
    shared_results: bool = _setting(
        False,
        "Answer a photo that anybody sent before from the stored result, not only one of the same sender. "
        "Senders can then tell that a photo was here before.",
    )
    cleanup_interval: float = _setting(900, "Seconds between two clean-ups of expired runs.", minimum=1)
    view_cache_mb: int = _setting(256, "Largest size of the cache of rendered views.", minimum=0)

    # API
    api_keys_required: bool = _setting(False, "Refuse API requests without a key; pages stay open to everybody.")
    rate_limit: str = _setting(
        "600/minute",
        "API requests and photos, also of batches and pages, allowed per key or address; empty: no limit.",
        check=checks.rate,
        empty=True,
    )
    render_limit: str = _setting(
        "3000/minute;30000/hour",
        "Megapixels of pictures and exports that may be decoded and made per key or address, half of it per visitor; "
        "empty: no limit. Pictures in the cache cost nothing.",
        check=checks.rate,
        empty=True,
    )
    cors_origins: str = _setting(
        "", "Origins that may call the API from a browser, separated by commas; * for all.", check=checks.origins
    )
    admin_key: str = _setting(
        "", "Key of administrators: for data sets, /reset and /log. Empty: these refuse.", check=checks.key, secret=True
    )
    webhook_secret: str = _setting(
        "",
        "Signs webhooks; several `whsec_...`, separated by spaces, all sign, so receivers can change to the first. "
        "Empty: derived from SECRET_KEY.",
        secret=True,
    )
    webhook_allowed_networks: str = _setting(
        "", "The same as PHOTO_ALLOWED_NETWORKS, for webhooks (`homeassistant.local:8123`).", check=checks.networks
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment. Raises SettingsError on a malformed value or a misspelt name."""
        environ = os.environ if environ is None else environ
        values = {f.name: _read(f, environ) for f in dataclasses.fields(cls)}
        _refuse_misspelt(environ)
        return cls(**{name: value for name, value in values.items() if value is not None})

    @property
    def data_path(self) -> Path:
        """DATA_DIR as an absolute path; relative paths start at the project's root."""
        return ROOT / self.data_dir

    @property
    def checkpoints_path(self) -> Path:
        """CHECKPOINTS_DIR as an absolute path; relative paths start at the project's root."""
        return ROOT / self.checkpoints_dir

    @property
    def analysis_names(self) -> tuple[str, ...]:
        """The names in ANALYSES, in order; empty for `auto`."""
        return () if self.analyses == "auto" else checks.split(self.analyses)

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * 1024 * 1024)

    @property
    def max_batch_bytes(self) -> int:
        return int(self.max_batch_mb * 1024 * 1024)

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)

    def signing_key(self) -> str:
        """SECRET_KEY, or a key created on first use and kept in DATA_DIR with mode 0600."""
        if self.secret_key:
            return self.secret_key
        return kept_key(self.data_path / "secret_key")


def _read(setting: dataclasses.Field[Any], environ: Mapping[str, str]) -> Any:
    name = setting.name.upper()
    text = environ.get(name, "").strip()
    path = environ.get(f"{name}_FILE") if setting.metadata["secret"] else None
    if not text and path:
        try:
            text = Path(path).read_text().strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{name}_FILE must name a file of text.") from error
    # `NAME=` in a file of settings means the default, except for settings to which an empty value means something.
    if text == "" and not (name in environ and setting.metadata["empty"]):
        return None
    value = _parse(name, setting.type, text)
    _check(name, setting.metadata, value)
    return value


def _parse(name: str, kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in TRUE + FALSE:
            raise SettingsError(f"{name} must be true or false, not {text!r}.")
        return text.lower() in TRUE
    try:
        value = kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError("not finite")
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{name} must be {wanted}, not {text!r}.") from error
    return value


def _check(name: str, metadata: Mapping[str, Any], value: Any) -> None:
    choices, minimum, maximum = metadata["choices"], metadata["minimum"], metadata["maximum"]
    if choices and value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    if minimum is not None and not value >= minimum:
        raise SettingsError(f"{name} must be at least {minimum}, not {value}.")
    if maximum is not None and not value <= maximum:
        raise SettingsError(f"{name} must be at most {maximum}, not {value}.")
    try:
        if metadata["check"] is not None:
            metadata["check"](value)
    except ValueError as error:
        given = "" if metadata["secret"] else f", not {value!r}"
        raise SettingsError(f"{name} must be {error}{given}.") from error


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    names = {f.name.upper(): f.metadata["secret"] for f in dataclasses.fields(Settings)}
    known = set(names) | {f"{name}_FILE" for name, secret in names.items() if secret}
    # Shorter names resemble variables of other programs, such as MODE.
    long = [name for name in known if len(name) >= 7]
    for name in environ:
        close = difflib.get_close_matches(name, long, n=1, cutoff=0.9) if name not in known else []
        if close:
            raise SettingsError(f"{name} is not a setting; did you mean {close[0]}?")


def markdown_table() -> str:
    """The table of settings in `docs/settings.md`."""
    rows = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for f in dataclasses.fields(Settings):
        default = str(f.default).lower() if f.type is bool else str(f.default)
        choices = f" One of {', '.join(f'`{c}`' for c in f.metadata['choices'])}." if f.metadata["choices"] else ""
        rows.append(f"| `{f.name.upper()}` | {f'`{default}`' if default else ''} | {f.metadata['help']}{choices} |")
    return "\n".join(rows)


def write_table(document: Path = ROOT / "docs" / "settings.md") -> None:
    """Write the table between the markers in the document."""
    before, _, rest = document.read_text().partition("<!-- settings -->")
    after = rest.partition("<!-- /settings -->")[2]
    document.write_text(f"{before}<!-- settings -->\n{markdown_table()}\n<!-- /settings -->{after}")


if __name__ == "__main__":
    if "--write" in sys.argv:
        write_table()
    else:
        print(markdown_table())
