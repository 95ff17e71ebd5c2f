"""Blobs in a folder."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.blobs import checked_key
from app.store.errors import BlobMissing, StoreUnavailable
from app.store.folder_blobs import FolderBlobs

KEY = "photos/" + "ab" * 32


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def files(blobs: FolderBlobs) -> list[Path]:
    return [path for path in blobs.root.rglob("*") if path.is_file()]


def test_a_blob_is_one_file_in_a_folder_named_by_its_first_two_letters(blobs: FolderBlobs):
    blobs.put(KEY, b"bytes")
    assert files(blobs) == [blobs.root / "photos" / "ab" / ("ab" * 32)]


@pytest.mark.parametrize(
    "key",
    [
        "photos/../../etc/passwd",
        "../photos/abc",
        "/etc/passwd",
        "photos/abc/def",
        "photos/.hidden",
        "photos/..",
        "photos/",
        "photos",
        "photos/a\x00b",
        "photos/a\nb",
        "photos/abc\n",
        "photos/C:\\windows",
        "",
    ],
)
def test_a_key_that_is_a_path_trick_is_refused_by_every_method(blobs: FolderBlobs, key: str):
    for method in (blobs.get, blobs.delete, blobs.exists, lambda key: blobs.put(key, b"")):
        with pytest.raises(ValueError, match="not a blob key"):
            method(key)
    assert not blobs.root.exists()


@given(st.text())
def test_a_key_that_is_taken_stays_inside_the_folder(key: str):
    root = Path("/somewhere/blobs")
    try:
        checked_key(key)
    except ValueError:
        return
    path = FolderBlobs(root).path(key)
    assert Path(os.path.normpath(path)) == path
    assert root in path.parents


def test_a_put_that_fails_leaves_the_old_bytes_and_nothing_aside(blobs: FolderBlobs, monkeypatch):
    blobs.put(KEY, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        blobs.put(KEY, b"new")
    assert blobs.get(KEY) == b"old"
    assert len(files(blobs)) == 1


def test_the_rest_of_a_killed_put_is_not_a_blob_and_is_discarded_once_old(blobs: FolderBlobs):
    blobs.put(KEY, b"bytes")
    left = blobs.partial / "0123"
    left.write_bytes(b"by")
    now = datetime.now(UTC)
    assert [key for key, _ in blobs.keys("photos/")] == [KEY]
    assert blobs.discard_partial(now - timedelta(hours=1)) == 0
    assert blobs.discard_partial(now + timedelta(seconds=5)) == 1
    assert not left.exists()


def test_a_missing_blob_is_not_found(blobs: FolderBlobs):
    with pytest.raises(BlobMissing):
        blobs.get(KEY)


def test_a_folder_that_cannot_be_made_is_one_line_that_names_it(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"^The folder .*file/blobs cannot be written \(Not a directory\).*\.$"):
        FolderBlobs(tmp_path / "file" / "blobs").check()


def test_a_full_disk_does_not_count_as_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.touch()
        if data:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        FolderBlobs(tmp_path).check()
    assert list((tmp_path / ".partial").iterdir()) == []
