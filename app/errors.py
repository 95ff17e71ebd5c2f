"""Errors that users may see, each with an HTTP status, a short code and one plain sentence.

This module does not import Flask: `app/web/common/errors.py` turns the errors into pages, JSON and problem details.
"""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, camera raw files and PDF"


class PublicError(Exception):
    """Base of every error whose message is safe to show.

    Args:
        message: one plain sentence, with the next step where there is one.
        headers: extra response headers, such as `Retry-After`.
    """

    status = 400
    code = "bad-request"
    message = "This request cannot be understood."

    def __init__(self, message: str | None = None, headers: dict[str, str] | None = None):
        self.message = message or self.message
        self.headers = headers or {}
        super().__init__(self.message)


class NotFound(PublicError):
    status, code, message = 404, "not-found", "There is nothing at this address. It may have expired."


class BadRequest(PublicError):
    pass


class Forbidden(PublicError):
    status, code, message = 403, "forbidden", "This is not allowed."


class Unauthorized(PublicError):
    status, code, message = 401, "unauthorized", "This request needs a valid API key."


class LengthRequired(PublicError):
    status, code, message = (
        411,
        "length-required",
        "This upload has no length. Send a Content-Length header.",
    )


class UploadCutShort(PublicError):
    status, code, message = 400, "upload-cut-short", "This upload ended early. Please send it again."


class UploadTooSlow(PublicError):
    status, code, message = (
        408,
        "upload-too-slow",
        "This upload was too slow. Please try a faster connection.",
    )


class UploadTooLarge(PublicError):
    status, code, message = 413, "upload-too-large", "This file is too large."


class TooManyPixels(PublicError):
    status, code, message = 413, "too-many-pixels", "This photo has too many pixels."


class NoPhoto(PublicError):
    status, code, message = 400, "no-photo", "No photo was sent. Choose one first."


class NoAnalysis(PublicError):
    status, code, message = 422, "no-analysis", "Choose at least one thing to look for."


class NotAPhoto(PublicError):
    status, code = 415, "not-a-photo"
    message = f"This file is not a photo we can read. {READABLE} work."


class BrokenPhoto(PublicError):
    status, code, message = 422, "broken-photo", "This photo is damaged or incomplete and cannot be opened."


class UnknownAnalysis(PublicError):
    status, code, message = 422, "unknown-analysis", "This analysis does not exist."


class AnalysisUnavailable(PublicError):
    status, code, message = 503, "analysis-unavailable", "No worker is ready for this yet. Try again in a few seconds."


class QueueFull(PublicError):
    status, code, message = 503, "queue-full", "Too many photos are waiting. Try again in a little while."


class ServiceUnavailable(PublicError):
    status, code, message = (
        503,
        "unavailable",
        "The service is not available right now. Try again in a few seconds.",
    )


class TooManyRequests(PublicError):
    status, code = 429, "too-many-requests"
    message = "Too many requests or photos. Please wait a little before the next one."


class Busy(PublicError):
    """No thread may be held for this request; see `app.web.common.waiting`."""

    status, code = 503, "too-many-waiting"
    message = "Too many requests are waiting for a result. Try again in a moment."

    def __init__(self, message: str | None = None):
        super().__init__(message, {"Retry-After": "1"})


class NotReady(PublicError):
    status, code, message = 409, "not-ready", "This run has no result yet."


class NothingToCorrect(PublicError):
    status, code = 409, "nothing-to-correct"
    message = "Objects were not looked for in this photo, so there is nothing to correct."


class CorrectedMeanwhile(PublicError):
    status, code = 409, "corrected-meanwhile"
    message = "Somebody else, or another tab, has corrected this photo meanwhile. Load it again."


class AddressRefused(PublicError):
    status, code = 422, "address-refused"
    message = "This address does not belong to a public web server. Only public http and https addresses can be used."


class FetchFailed(PublicError):
    status, code, message = 422, "fetch-failed", "The photo at this address could not be fetched."


class BrokenArchive(PublicError):
    status, code, message = 422, "broken-archive", "This ZIP is damaged or not a ZIP, and cannot be opened."


class EntryRefused(PublicError):
    """A file in a ZIP, or one of several sent together, that is not accepted; the others are."""

    status, code, message = 422, "entry-refused", "This file was not accepted."
