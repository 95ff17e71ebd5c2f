"""Colours: the same everywhere, readable, far apart."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vision.coco import CLASSES
from app.vision.render.palette import (
    CHOSEN,
    colour,
    colours_apart,
    contrast,
    luminance,
    object_colour,
    rgb,
    text_colour,
)

# Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB.
SIGHTS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
    "normal sight": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
# Most often found together, so these must be told apart at a glance.
MARGIN = 0.07  # More than three times what is just noticeable, in OKLab.
JUST_NOTICEABLE = 0.02
PHOTO_MARGIN = 0.055  # Of the first eight classes of any photo.
STREET = ("person", "car", "bicycle", "bus", "truck", "traffic light")


def oklab(hex: str, sight: str) -> tuple[float, ...]:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb(hex))]
    r, g, b = (max(0.0, sum(m * v for m, v in zip(row, linear, strict=True))) for row in SIGHTS[sight])
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


@pytest.mark.parametrize("name", [*CLASSES, "face"])
def test_every_coco_class_is_readable_on_its_tag_and_visible_on_light_and_dark_pages(name: str) -> None:
    shown = colour(name)
    assert contrast(text_colour(shown), shown) >= 4.5
    assert contrast(shown, "#ffffff") >= 3
    assert contrast(shown, "#1b1e21") >= 3


@given(st.text())
def test_any_name_has_one_readable_colour(name: str) -> None:
    shown = colour(name)
    assert shown == colour(name.upper().casefold()) or name.casefold() != name.upper().casefold()
    assert len(shown) == 7
    assert 0.135 <= luminance(shown) <= 0.305
    assert contrast(text_colour(shown), shown) >= 4.5


@given(st.integers(0, 0xFFFFFF))
def test_text_is_readable_on_any_colour(value: int) -> None:
    background = f"#{value:06x}"
    assert contrast(text_colour(background), background) >= 4.5


def test_a_class_keeps_its_colour_between_versions() -> None:
    assert colour("person") == "#1f72d2"
    assert colour("zebra") == colour("Zebra") == "#438248"
    assert colour("studio_couch") == colour("studio couch")


def test_chosen_colours_are_all_different() -> None:
    assert len(set(CHOSEN.values())) == len(CHOSEN)


@pytest.mark.parametrize("sight", SIGHTS)
def test_objects_of_a_street_have_distinct_colours_for_everyone(sight: str) -> None:
    distances = {pair: math.dist(*(oklab(colour(name), sight) for name in pair)) for pair in combinations(STREET, 2)}
    assert min(distances.values()) >= MARGIN, min(distances, key=lambda pair: distances[pair])


@given(st.lists(st.sampled_from(CLASSES) | st.text(min_size=1), unique=True, max_size=8))
def test_up_to_eight_classes_of_one_photo_can_be_told_apart_by_everyone(names: list[str]) -> None:
    colours = colours_apart(names)
    assert list(colours) == names
    for sight in SIGHTS:
        seen = [oklab(shown, sight) for shown in colours.values()]
        assert all(math.dist(one, other) >= PHOTO_MARGIN for one, other in combinations(seen, 2))


@given(st.lists(st.text(), max_size=40))
def test_the_colours_of_any_photo_are_readable_and_the_first_class_keeps_its_own(names: list[str]) -> None:
    colours = colours_apart(names)
    assert all(0.135 <= luminance(shown) <= 0.305 for shown in colours.values())
    assert not names or colours[names[0]] == colour(names[0])


def test_classes_whose_own_colours_are_far_apart_keep_them() -> None:
    assert colours_apart(["person", "car"]) == {"person": colour("person"), "car": colour("car")}


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_of_objects_differ_for_everyone_the_first_ones_most(sight: str) -> None:
    colours = [object_colour(place) for place in range(25)]
    assert colours[24] == colours[0]
    seen = [oklab(one, sight) for one in colours[:24]]
    assert all(math.dist(a, b) > PHOTO_MARGIN for a, b in combinations(seen[:8], 2))
    assert all(math.dist(a, b) > JUST_NOTICEABLE for a, b in combinations(seen, 2))
