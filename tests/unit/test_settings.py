"""Settings are read from the environment, or refused with one sentence that names the setting."""

import dataclasses
from pathlib import Path

import pytest

from app.config.analyses import ANALYSES
from app.config.settings import Settings, SettingsError


def refusal(**environ: str) -> str:
    """The sentence that an environment is refused with."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(environ)
    return str(refused.value)


def test_what_is_not_set_has_its_default() -> None:
    blank = {f.name.upper(): " " for f in dataclasses.fields(Settings) if not f.metadata["empty"]}
    assert Settings.from_env({**blank, "LANG": "C"}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", " 8080 ", 8080),
        ("COOKIE_SECURE", "Yes", True),
        ("REDIS_TLS_VERIFY", "off", False),
        ("RETENTION_DAYS", "0.5", 0.5),
        ("RATE_LIMIT", "", ""),
        ("RATE_LIMIT", "10/second;600 per 5 minutes", "10/second;600 per 5 minutes"),
        ("ANALYSES", "faces, objects", "faces, objects"),
        ("PUBLIC_URL", "https://example.org/photos/", "https://example.org/photos/"),
        ("S3_ENDPOINT_URL", "http://10.0.0.1:9000", "http://10.0.0.1:9000"),
        ("CORS_ORIGINS", "*", "*"),
        ("CORS_ORIGINS", "https://a.example, http://localhost:3000", "https://a.example, http://localhost:3000"),
        ("REDIS_URL", "rediss://:secret@example.org:6380/1", "rediss://:secret@example.org:6380/1"),
    ],
)
def test_what_is_set_is_read(name: str, text: str, value: object) -> None:
    assert getattr(Settings.from_env({name: text}), name.lower()) == value


@pytest.mark.parametrize("text", ["600 per minut", "10", "abc", "100/min/x", "600/minute,"])
def test_a_rate_that_cannot_be_read_is_refused_and_does_not_mean_no_limit(text: str) -> None:
    assert refusal(RATE_LIMIT=text).startswith("RATE_LIMIT must be a rate such as 600/minute")


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "MAX_UPLOAD_MB", "MAX_BATCH_MB", "JOB_TIMEOUT", "CLEANUP_INTERVAL"])
@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e400"])
def test_a_number_is_finite(name: str, text: str) -> None:
    assert refusal(**{name: text}) == f"{name} must be a number, not '{text}'."


@pytest.mark.parametrize("name", ["RETENTION_DAYS", "MAX_UPLOAD_MB", "MAX_BATCH_MB", "JOB_TIMEOUT", "URL_TIMEOUT"])
def test_a_number_that_python_could_not_reckon_with_is_refused(name: str) -> None:
    assert refusal(**{name: "9999999"}).startswith(f"{name} must be at most ")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("PORT", "80.5", "a whole number"),
        ("PORT", "0", "at least 1"),
        ("COOKIE_SECURE", "maybe", "true or false"),
        ("DEVICE", "gpu", "one of auto, cpu, cuda"),
        ("ANALYSES", "objects,faces,lables", f"some of {', '.join(ANALYSES)}"),
        ("ANALYSES", ",", f"some of {', '.join(ANALYSES)}"),
        ("PUBLIC_URL", "example.org", "an address such as https://"),
        ("PUBLIC_URL", "https://example.org/?a=b", "an address such as https://"),
        ("S3_ENDPOINT_URL", "localhost:9000", "an address such as https://"),
        ("CORS_ORIGINS", "a.example", "origins such as https://"),
        ("CORS_ORIGINS", "https://a.example/", "origins such as https://"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_is_wanted(name: str, text: str, wanted: str) -> None:
    sentence = refusal(**{name: text})
    assert sentence.startswith(f"{name} must be {wanted}")
    assert sentence.endswith(f"not {text!r}." if wanted != "at least 1" else "not 0.")


@pytest.mark.parametrize("text", ["example.org:6379", "redis://:secret@example.org:port/0"])
def test_a_secret_that_is_refused_is_not_shown(text: str) -> None:
    assert refusal(REDIS_URL=text) == "REDIS_URL must be a Redis address such as redis://127.0.0.1:6379/0."


def test_a_name_that_is_one_letter_off_is_refused() -> None:
    assert refusal(RATELIMIT="") == "RATELIMIT is not a setting; did you mean RATE_LIMIT?"


def test_a_name_that_is_nearly_a_short_one_is_another_programs() -> None:
    assert Settings.from_env({"MODE": "dark", "POST": "1"}) == Settings()


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("the key from the file\n")
    assert Settings.from_env({"SECRET_KEY_FILE": str(path)}).secret_key == "the key from the file"
    assert Settings.from_env({"SECRET_KEY_FILE": str(path), "SECRET_KEY": ""}).secret_key == "the key from the file"
    assert Settings.from_env({"SECRET_KEY_FILE": str(path), "SECRET_KEY": "the key itself, long"}).secret_key == (
        "the key itself, long"
    )


def test_a_secrets_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert refusal(SECRET_KEY_FILE=str(path)) == "SECRET_KEY_FILE cannot be read: No such file or directory."
    path.write_bytes(b"\xff")
    assert refusal(SECRET_KEY_FILE=str(path)) == "SECRET_KEY_FILE must name a file of text."


@pytest.mark.parametrize("name", ["SECRET_KEY", "ADMIN_KEY"])
def test_a_secret_that_can_be_guessed_ends_the_start_without_being_shown(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}.* at least 16 characters") as refusal:
        Settings.from_env({name: "a short secret"})
    assert "a short secret" not in str(refusal.value)
    assert Settings.from_env({name: "x" * 16})
