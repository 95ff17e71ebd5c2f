"""The key that is made once and kept in DATA_DIR."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"))


def test_a_key_is_made_once_for_its_owner_alone(settings: Settings) -> None:
    key = settings.signing_key()
    assert len(key) == 64
    assert settings.signing_key() == key
    assert os.listdir(settings.data_path) == ["secret_key"]
    assert (settings.data_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_set_is_used_and_none_is_made(settings: Settings) -> None:
    assert Settings(data_dir=settings.data_dir, secret_key="mine").signing_key() == "mine"
    assert not settings.data_path.exists()


def test_a_file_that_was_left_empty_counts_as_missing(settings: Settings) -> None:
    settings.data_path.mkdir()
    (settings.data_path / "secret_key").touch()
    assert len(settings.signing_key()) == 64
    assert (settings.data_path / "secret_key").read_text() == settings.signing_key()


def test_all_who_make_it_at_the_same_time_agree(settings: Settings) -> None:
    with ThreadPoolExecutor(16) as threads:
        keys = list(threads.map(lambda _: settings.signing_key(), range(16)))
    assert len(set(keys)) == 1


def test_a_disk_that_is_full_leaves_no_part_of_a_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            settings.signing_key()
    assert os.listdir(settings.data_path) == []
    assert len(settings.signing_key()) == 64
