"""The documents say what the program does: settings, commands, models, formats, files and links are the code's."""

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import create_app
from app.config.settings import Settings, markdown_table
from app.queue.services import Services
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.export import FORMATS
from bench.tables import table
from tests.conftest import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "checkpoints/README.md", "test_images/README.md", "app/*/README.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def all_text() -> str:
    return "\n".join(path.read_text() for path in DOCUMENTS)


def links(path: Path) -> Iterator[tuple[str, str]]:
    """File and anchor of every link of a document that leads to nowhere else on the web."""
    for target in LINK.findall(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield file, anchor


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def document_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_id)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    for file, anchor in links(path):
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_id)
def test_every_named_file_exists(path: Path) -> None:
    for code in CODE.findall(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)):
        named = re.fullmatch(r"(?:app|bench|checkpoints|configs|docs|scripts|test_images|tests)/[\w./-]*", code)
        if named:
            assert (ROOT / named[0]).exists(), code


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_id)
def test_every_module_that_a_document_runs_exists(path: Path) -> None:
    for module in re.findall(r"python3? -m ([a-z_]+(?:\.[a-z_]+)*)", path.read_text()):
        place = ROOT / module.replace(".", "/")
        if module.partition(".")[0] in ("app", "bench", "tests", "test_images"):
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


def test_the_readme_fits_a_screen_or_two() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= 80
    assert len(text.split()) <= 600


def test_every_make_target_that_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^ {4}|[`=] ?)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", all_text(), re.MULTILINE))
    assert {"up", "weights", "train", "eval", "engine", "bench"} <= named <= targets


def test_the_settings_page_lists_every_setting_as_it_is() -> None:
    listed = text_of("docs/settings.md").partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert listed == markdown_table(), "run `python -m app.config.settings --write`"


def test_the_settings_page_names_the_secrets_that_a_file_may_hold() -> None:
    sentence = re.search(r"This works for (.*?)\.\n", text_of("docs/settings.md"), re.DOTALL)
    assert sentence
    secrets = {field.name.upper() for field in dataclasses.fields(Settings) if field.metadata["secret"]}
    assert set(CODE.findall(sentence[1])) == secrets


def test_the_documents_name_every_flask_command_of_ours_and_no_other(settings: Settings) -> None:
    named = set(re.findall(r"`(?:docker exec CONTAINER )?flask ([a-z-]+)", all_text()))
    assert named == set(create_app(Services.from_settings(settings)).cli.commands)


def size_of(model: Model) -> str:
    if model.size or model.about:
        return f"{round((model.size or 0) / 1e6) or model.about:.0f} MB"
    return "in its package"


def test_the_page_of_the_api_lists_the_operations_in_the_order_of_the_document(settings: Settings) -> None:
    app = create_app(Services.from_settings(settings))
    paths = app.extensions["openapi"]["paths"]
    assert list(paths["/api/v1/runs"]) == ["post", "get"]
    named = re.findall(r"/api/v1/[a-z]+", (ROOT / "docs" / "api.md").read_text())
    groups = [*dict.fromkeys("/".join(path.split("/")[:4]) for path in paths)]
    assert groups == [*dict.fromkeys(name for name in named if name in groups), "/api/v1/models"]


def test_the_readme_lists_the_models_of_the_catalogue() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text_of("README.md").partition("## Models")[2].partition("##")[0].splitlines()
        if line.startswith("| `")
    ]
    catalogue = load_catalogue()
    assert {row[0].strip("`"): (row[1], row[2], row[5]) for row in rows} == {
        model.name: (model.analyzer, model.licence, size_of(model)) for model in catalogue.values()
    }
    numbers = {
        model.name: [f"{model.box_ap}, {model.mask_ap}", f"{model.gflop:.0f}, {model.seconds:.2f}"]
        for model in catalogue.values()
        if model.box_ap and model.gflop and model.seconds
    }
    assert {row[0].strip("`"): row[3:5] for row in rows if row[3]} == numbers
    assert len(numbers) == 4


def test_the_integrating_page_lists_every_export_format() -> None:
    section = text_of("docs/integrating.md").partition("## Exports")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)`", section, re.MULTILINE) == list(FORMATS)


def test_the_engine_page_has_under_its_tables_what_the_benchmark_writes_there() -> None:
    row = {"seconds": 1.0, "ready": 1.0, "peak_mb": 1.0}
    report = {"machine": "a machine", "engines": {"rows": {"MMDetection, preloaded": row}}}
    notes = [line for line in table(report).splitlines()[1:] if line and not line.startswith("|")]
    assert len(notes) == 1
    assert notes[0] in text_of("docs/engine.md").splitlines()


def test_the_fine_tuning_page_lists_the_options_of_the_training() -> None:
    source = text_of("app/training/options.py")
    options = set(re.findall(r'add_argument\("(--[a-z-]+)"|^        "(--[a-z-]+)",', source, re.MULTILINE))
    known = {name for pair in options for name in pair if name}
    named = set(re.findall(r"`(--[a-z-]+)", text_of("docs/fine-tuning.md")))
    assert named == known


def test_the_changelog_begins_with_what_is_not_released_and_has_the_version_of_the_project() -> None:
    headings = re.findall(r"^## \[?([\w.]+)", text_of("CHANGELOG.md"), re.MULTILINE)
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert headings[:2] == ["Unreleased", version]


@pytest.mark.parametrize("file", ["requirements-serve.txt", "requirements-weights.txt", "requirements.txt"])
def test_the_notice_names_every_package_that_is_installed(file: str) -> None:
    packages = set(re.findall(r"^([a-z][\w-]*)", text_of(file), re.MULTILINE))
    named = set(re.findall(r"[a-z][\w-]+", text_of("NOTICE").lower()))
    assert packages <= named
