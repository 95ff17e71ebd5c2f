"""ZIPs: every trick is refused one by one, and the photos beside it are taken."""

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BrokenArchive, EntryRefused, NoPhoto, NotAPhoto, PublicError, UploadTooLarge
from app.intake.archive import MAX_ENTRIES, Entry, is_archive, read_archive
from tests.unit.photos import encode, jpeg, scene

PHOTO = jpeg()
MB = 2**20


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data, compress_type=method)
    return buffer.getvalue()


def read(data: bytes, **options: int) -> list[Entry]:
    return list(read_archive(data, **{"max_photos": 200, "max_bytes": MB, "max_total": 10 * MB, **options}))


def refused(name: str | zipfile.ZipInfo, data: bytes, **options: Any) -> Entry:
    """What becomes of a file between two photos, which must be taken."""
    method = options.pop("method", zipfile.ZIP_DEFLATED)
    entries = read(zipped(("first.jpg", PHOTO), (name, data), ("last.jpg", PHOTO), method=method), **options)
    assert [entry.name for entry in entries if entry.data == PHOTO] == ["first.jpg", "last.jpg"]
    (entry,) = (entry for entry in entries if entry.data != PHOTO)
    assert entry.data is None
    assert entry.error is not None
    assert entry.error.message.endswith(".")
    return entry


def test_photos_come_out_in_order_with_their_names() -> None:
    other = encode(scene(9, 9), "PNG")
    entries = read(zipped(("b.jpg", PHOTO), ("folder/deep/a.png", other), ("ünï.jpg", PHOTO)))
    assert entries == [Entry("b.jpg", PHOTO), Entry("folder/deep/a.png", other), Entry("ünï.jpg", PHOTO)]


def test_a_file_is_read_as_well_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    path.write_bytes(zipped(("a.jpg", PHOTO), method=zipfile.ZIP_STORED))
    with path.open("rb") as file:
        assert is_archive(file.read(4))
        assert list(read_archive(file, max_photos=1, max_bytes=MB, max_total=MB)) == [Entry("a.jpg", PHOTO)]


def test_names_in_utf8_without_the_flag_are_read_as_macos_means_them() -> None:
    data = zipped(("xx.jpg", PHOTO)).replace(b"xx.jpg", "é.jpg".encode())
    assert read(data)[0].name == "é.jpg"


def with_unicode_path(name: str, plain: bytes, checksum: int = 0) -> bytes:
    """A ZIP of one photo whose name stands in plain bytes, and in UTF-8 in an extra field behind another one."""
    info = zipfile.ZipInfo(plain.decode("cp437"))
    field = b"\1" + struct.pack("<I", zlib.crc32(plain) ^ checksum) + name.encode()
    info.extra = struct.pack("<HHI", 0xCAFE, 4, 7) + struct.pack("<HH", 0x7075, len(field)) + field
    return zipped((info, PHOTO))


@pytest.mark.parametrize("name", ["Größe ø.jpg", "фото.jpg", "e\u0301t\u0301/写真.jpg"])
def test_the_name_in_the_unicode_path_field_counts(name: str) -> None:
    assert read(with_unicode_path(name, b"_____.jpg"))[0].name == name


def test_a_unicode_path_field_of_another_name_does_not_count() -> None:
    assert read(with_unicode_path("b.jpg", b"a.jpg", checksum=1))[0].name == "a.jpg"


def test_a_unicode_path_field_does_not_lead_outside() -> None:
    assert isinstance(read(with_unicode_path("../b.jpg", b"a.jpg"))[0].error, EntryRefused)


def test_folders_and_the_clutter_of_systems_are_passed_over() -> None:
    names = ["dir/", "__MACOSX/._a.jpg", "dir/._a.jpg", ".DS_Store", "dir/.DS_Store", "Thumbs.db", "dir/desktop.ini"]
    assert read(zipped(*((name, b"") for name in names), ("a.jpg", PHOTO))) == [Entry("a.jpg", PHOTO)]


@pytest.mark.parametrize(
    "name",
    [
        "../up.jpg",
        "a/../../up.jpg",
        "a/..",
        "/etc/cron.jpg",
        "~/a.jpg",
        "C:/a.jpg",
        "c:a.jpg",
        "..\\up.jpg",
        "\\\\server\\a.jpg",
        "a\nb.jpg",
        "a\x7f.jpg",
    ],
)
def test_a_name_that_points_elsewhere_is_refused(name: str) -> None:
    entry = refused(name, PHOTO + b"x")
    assert isinstance(entry.error, EntryRefused)
    assert "outside" in entry.error.message
    assert not set(entry.name) & set("/\\\n\x7f")


def test_folders_written_as_windows_writes_them_are_folders() -> None:
    (entry,) = read(zipped(("photos\\holiday\\a.jpg", PHOTO)))
    assert (entry.name, entry.data) == ("photos/holiday/a.jpg", PHOTO)


@pytest.mark.parametrize("name", [b"a.jpg\0txt", b"\0.jpgXtxt"])
def test_a_name_with_a_null_in_it_is_refused(name: bytes) -> None:
    data = zipped(("first.jpg", PHOTO), ("a.jpgXtxt", PHOTO)).replace(b"a.jpgXtxt", name)
    first, second = read(data)
    assert first.data == PHOTO
    assert isinstance(second.error, EntryRefused)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int) -> None:
    info = zipfile.ZipInfo("link.jpg")
    info.external_attr = (kind | 0o777) << 16
    assert "link" in refused(info, b"/etc/passwd").error.message  # type: ignore[union-attr]


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(zipped(("first.jpg", PHOTO), ("secret.jpg", PHOTO)))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(signature) + offset] |= 1
    first, second = read(bytes(data))
    assert first.data == PHOTO
    assert second.error is not None
    assert "password" in second.error.message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(method: int) -> None:
    (entry,) = read(zipped(("a.jpg", PHOTO), method=method))
    assert isinstance(entry.error, EntryRefused)


@pytest.mark.parametrize(
    "inner",
    [
        zipped(("a.jpg", PHOTO)),
        zipped(),
        b"\x1f\x8b\x08" + bytes(40),
        b"Rar!\x1a\7\0",
        b"7z\xbc\xaf\x27\x1c",
        bytes(257) + b"ustar\0" + bytes(300),
    ],
    ids=["zip", "empty zip", "gzip", "rar", "7z", "tar"],
)
def test_an_archive_inside_is_not_opened(inner: bytes) -> None:
    assert "archive" in refused("inner.jpg", inner).error.message  # type: ignore[union-attr]


@pytest.mark.parametrize("data", [b"hello", b"%!PS-Adobe-3.0", b"<html>", bytes(5000)])
def test_a_file_that_is_no_photo_is_refused(data: bytes) -> None:
    assert isinstance(refused("a.jpg", data).error, NotAPhoto)


def test_an_empty_file_is_refused() -> None:
    assert isinstance(refused("a.jpg", b"").error, NoPhoto)


def test_a_file_too_large_is_refused() -> None:
    entry = refused("a.jpg", PHOTO + bytes(MB), method=zipfile.ZIP_STORED)
    assert isinstance(entry.error, UploadTooLarge)
    assert "1 MB" in entry.error.message


def test_a_bomb_is_refused_without_unfolding_it() -> None:
    bomb = zipped(("first.jpg", PHOTO), ("bomb.bmp", PHOTO + bytes(80 * MB)), ("last.jpg", PHOTO))
    assert len(bomb) < MB
    tracemalloc.start()
    first, second, third = read(bomb, max_bytes=1000 * MB, max_total=2000 * MB)
    assert tracemalloc.get_traced_memory()[1] < 2 * MB
    tracemalloc.stop()
    assert first.data == third.data == PHOTO
    assert isinstance(second.error, EntryRefused)
    assert "unfolds" in second.error.message


def lying(data: bytes, real: int, claimed: int) -> bytes:
    return data.replace(struct.pack("<I", real), struct.pack("<I", claimed))


def test_sizes_that_the_zip_claims_are_not_believed() -> None:
    large = PHOTO + bytes(3 * MB)
    data = lying(zipped(("a.jpg", large), ("b.jpg", PHOTO)), len(large), 1000)
    first, second = read(data)
    assert first.data is None
    assert second.data == PHOTO


def test_all_files_together_have_a_limit() -> None:
    files = [(f"{n}.jpg", PHOTO + bytes(100_000)) for n in range(10)]
    entries = read(zipped(*files, ("small.jpg", PHOTO)), max_total=350_000)
    assert [entry.data is not None for entry in entries] == [True] * 3 + [False] * 7 + [True]
    assert all("together" in entry.error.message for entry in entries if entry.error)


def test_a_batch_has_a_limit_of_photos_and_the_refused_do_not_count() -> None:
    files = [("note.txt", b"hello"), *((f"{n}.jpg", PHOTO) for n in range(5))]
    entries = read(zipped(*files), max_photos=3)
    assert [entry.data is not None for entry in entries] == [False, True, True, True, False, False]
    assert entries[-1].error is not None
    assert entries[-1].error.message == "At most 3 photos are taken at a time."


def test_photos_taken_before_count() -> None:
    entries = read(zipped(*((f"{n}.jpg", PHOTO) for n in range(3))), max_photos=5, taken=4)
    assert [entry.data is not None for entry in entries] == [True, False, False]
    assert entries[-1].error is not None
    assert entries[-1].error.message == "At most 5 photos are taken at a time."


def test_a_damaged_file_is_refused_and_the_rest_is_read() -> None:
    data = zipped(("first.jpg", PHOTO), ("a.jpg", PHOTO + b"marker!"), ("last.jpg", PHOTO), method=zipfile.ZIP_STORED)
    entries = read(data.replace(b"marker!", b"changed"))
    assert [entry.data is not None for entry in entries] == [True, False, True]
    assert entries[1].error is not None
    assert "damaged" in entries[1].error.message


def test_overlapping_files_are_bounded_by_the_total() -> None:
    """Many directory entries that point at one packed file, as in David Fifield's bombs."""
    single = zipped(("a.jpg", PHOTO + bytes(800_000)), method=zipfile.ZIP_STORED)
    start, end = single.index(b"PK\1\2"), single.index(b"PK\5\6")
    directory = single[start:end] * 500
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 500, 500, len(directory), start, 0)
    entries = read(single[:start] + directory + tail, max_photos=1000, max_total=5 * MB)
    assert sum(len(entry.data) for entry in entries if entry.data) <= 5 * MB


def test_a_huge_table_of_contents_is_refused_before_it_is_read() -> None:
    header = zipped(("a.jpg", b""))
    entry = header[header.index(b"PK\1\2") : header.index(b"PK\5\6")]
    for count in (MAX_ENTRIES + 1, 200_000):
        directory = entry * count
        tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, count % 65536, len(directory), 0, 0)
        with pytest.raises(BrokenArchive):
            read(directory + tail)


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"hello", PHOTO, zipped(("a.jpg", PHOTO))[:-10]])
def test_what_is_no_whole_zip_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenArchive):
        read(data)


def test_an_empty_zip_has_no_entries() -> None:
    assert read(zipped()) == []


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_changed_bytes_give_entries_or_public_errors(data: st.DataObject) -> None:
    file = bytearray(zipped(("a.jpg", PHOTO), ("dir/b.png", encode(scene(5, 5), "PNG"))))
    for _ in range(data.draw(st.integers(1, 5))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        entries = read(bytes(file))
    except BrokenArchive:
        return
    for entry in entries:
        assert (entry.data is None) != (entry.error is None)
        assert entry.error is None or isinstance(entry.error, PublicError)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_name_is_shown_as_a_printable_path_inside_a_folder(name: str) -> None:
    try:
        data = zipped((name or "x", PHOTO))
    except (IndexError, ValueError):
        return  # Not a name that a ZIP can hold.
    for entry in read(data):
        assert entry.name
        assert entry.name.isprintable()
        assert not set(PurePosixPath(entry.name).parts) & {"/", ".", ".."}
        assert "\\" not in entry.name
        assert entry.name not in (".", "..")
