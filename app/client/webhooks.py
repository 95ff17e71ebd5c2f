"""Verify webhooks in the program that receives them.

Needs only the standard library. Unlike the package standardwebhooks it raises the same error for every malformed
signature.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Mapping


class InvalidSignature(ValueError):
    """The request does not come from the holder of the secret, was changed on its way, or is too old."""


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = 300, now: float | None = None
) -> None:
    """Check that a webhook comes from the server (Standard Webhooks).

    Args:
        secret: as the server's `python -m app.worker.webhooks` prints it, `whsec_...`.
        headers: of the request, in any case.
        body: of the request, as raw bytes.
        tolerance: maximum difference between the timestamp and now in seconds, against replayed requests.
        now: the current time in seconds since 1970, for tests.

    Raises:
        InvalidSignature: with the reason.
    """
    values = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp, signatures = (values[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        age = (time.time() if now is None else now) - int(timestamp)
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except KeyError as error:
        raise InvalidSignature(f"the header {error.args[0]} is missing") from error
    except binascii.Error as error:
        raise InvalidSignature("the secret is not base64") from error
    except ValueError as error:
        raise InvalidSignature("the timestamp is not a number") from error
    if abs(age) > tolerance:
        raise InvalidSignature("the timestamp is too far from now")
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    wanted = b"v1," + base64.b64encode(digest)
    if not any(hmac.compare_digest(wanted, given.encode()) for given in signatures.split()):
        raise InvalidSignature("no signature matches")
