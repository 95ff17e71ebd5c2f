"""Photos that are decoded at the same time stay within one budget, whoever decodes them."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from app.config.settings import Settings
from app.errors import BrokenPhoto, TooManyPixels
from app.intake import read_photo
from app.intake.budget import PixelBudget, pixel_budget
from tests.unit.api_service import PHOTO, SIZE, Service
from tests.unit.photos import encode, jpeg, scene

LIMITS: dict[str, int] = {"max_bytes": 10**7, "max_pixels": 10**6}


class Watch:
    """What is asked of the budget of the process, and what is held of it now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.asked: list[int] = []
        self.now = 0
        self._reserve = pixel_budget.reserve
        monkeypatch.setattr(pixel_budget, "reserve", self.reserve)

    @contextmanager
    def reserve(self, pixels: int) -> Iterator[None]:
        assert self.now == 0, "one photo is reserved twice"
        self.asked.append(pixels)
        with self._reserve(pixels):
            self.now = pixels
            yield
            self.now = 0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_photos_that_are_large_together_wait_for_each_other() -> None:
    budget, most, now, lock = PixelBudget(10), [0], [0], threading.Lock()

    def work(pixels: int) -> None:
        with budget.reserve(pixels):
            with lock:
                now[0] += pixels
                most[0] = max(most[0], now[0] if now[0] != 25 else 0)
            with lock:
                now[0] -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [4, 5, 6, 25, 3, 9, 10, 25, 1] * 5))
    assert most[0] <= 10


def test_a_thread_that_holds_the_whole_budget_can_reserve_more() -> None:
    budget = PixelBudget(10)

    def nested() -> str:
        with budget.reserve(10), budget.reserve(10), budget.reserve(1):
            return "done"

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(nested) for _ in range(4)]
        assert [result.result(timeout=30) for result in results] == ["done"] * 4
    assert budget._used == 0


def test_a_nested_reservation_counts_for_the_other_threads() -> None:
    budget = PixelBudget(10)
    with budget.reserve(4):
        with budget.reserve(4):
            assert budget._used == 8
        assert budget._used == 4


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("WEBP", {}), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("JPEG", {"progressive": True})],
)
def test_an_upload_is_decoded_only_while_its_pixels_are_held(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, format: str, options: dict[str, Any]
) -> None:
    held: list[int] = []
    for module, name in ((sys.modules["app.intake.decode"], "_fast"), (sys.modules["PIL.ImageFile"].ImageFile, "load")):
        monkeypatch.setattr(module, name, _noting(getattr(module, name), watch, held))
    read_photo(encode(scene(64, 48), format, **options), **LIMITS)
    assert watch.asked == [64 * 48]
    assert set(held) == {64 * 48}


def _noting(function: Any, watch: Watch, held: list[int]) -> Any:
    def noting(*args: Any) -> Any:
        held.append(watch.now)
        return function(*args)

    return noting


def test_a_jpeg_that_is_read_row_by_row_reserves_few_pixels(watch: Watch) -> None:
    read_photo(jpeg(640, 480), **LIMITS)
    assert watch.asked == [80 * 60]


def test_a_jpeg_with_one_scan_per_colour_reserves_all_of_its_pixels(watch: Watch) -> None:
    one_scan = encode(scene(64, 48), "JPEG")
    start = one_scan.index(b"\xff\xda")
    of_the_first_colour = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    read_photo(one_scan[:start] + of_the_first_colour + one_scan[start + 14 :], **LIMITS)
    assert watch.asked == [64 * 48]


def test_a_refused_photo_gives_its_pixels_back_or_never_reserves_any(watch: Watch) -> None:
    with pytest.raises(BrokenPhoto):
        read_photo(encode(np.zeros((48, 64, 3), np.uint8), "BMP")[:-100], **LIMITS)
    with pytest.raises(TooManyPixels):
        read_photo(encode(scene(64, 48), "PNG"), max_bytes=10**7, max_pixels=10)
    assert watch.asked == [64 * 48]
    assert pixel_budget._used == 0


def test_pictures_and_cut_outs_share_the_budget_of_uploads(settings: Settings, watch: Watch) -> None:
    service = Service(settings)
    id = service.know(PHOTO).id
    for path in ("image", "export?format=cutouts"):
        before = len(watch.asked)
        assert service.client.get(f"/runs/{id}/{path}").status_code == 200
        assert len(watch.asked) == before + 1
    assert watch.asked.count(SIZE[0] * SIZE[1]) == 2
    service.close()
