"""Both images by `docker run`: a photo through the page, the classic API, health, rights, an end without force."""

import pytest

from tests.docker.containers import (
    FULL,
    SMALL,
    START,
    assert_runs_without_rights,
    assert_stops_by_itself,
    container,
    docker,
    health,
    size_mb,
    until,
)
from tests.docker.visitor import PHOTO, assert_answered, assert_data_science, ready, send_photo

MAX_SMALL = 750  # megabytes that the image without torch may have


@pytest.mark.timeout(600)
@pytest.mark.parametrize("image", [SMALL, FULL])
def test_an_image_serves_by_itself(image: str) -> None:
    with container("-p", "127.0.0.1::5000", image) as name:
        address = f"http://{docker('port', name, '5000').splitlines()[0]}"
        until(lambda: ready(address), START, "the service is not ready")
        assert_answered(address, send_photo(address, PHOTO.read_bytes()))
        assert_data_science(address)
        until(lambda: health(name) == "healthy", 60, "the container is not healthy")
        assert_runs_without_rights(name)
        assert_stops_by_itself(name)


def test_the_small_image_is_small_and_has_no_torch() -> None:
    assert size_mb(SMALL) < MAX_SMALL
    found = "import importlib.util as u; print([n for n in ('torch', 'mmcv', 'mmdet') if u.find_spec(n)])"
    assert docker("run", "--rm", SMALL, "python", "-c", found) == "[]"
