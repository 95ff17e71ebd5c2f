"""scripts/pip_settings.py: uv gets the index, links, constraints and certificates that pip is given."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import pip_settings

# uv makes virtual environments without pip, so it is the pip of the Python behind this one.
PIP = [str(Path(sys.base_prefix) / "bin" / "python3"), "-m", "pip"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables of a process whose home and system-wide settings are in the test's own folder."""
    monkeypatch.setattr(pip_settings, "SYSTEM", tmp_path / "etc" / "pip.conf")
    return {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": f"{tmp_path}/first:{tmp_path}/second"}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_later_files_replace_earlier_ones_and_variables_replace_both(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write(tmp_path / "first/pip/pip.conf", "[global]\nindex-url = a\ncert = a\ntimeout = 1\nretries = 1\nproxy = a\n")
    write(tmp_path / "second/pip/pip.conf", "[global]\ncert = b\ntimeout = 2\nretries = 2\nproxy = b\n")
    write(tmp_path / "etc/pip.conf", "[global]\ntimeout = 2.5\n")
    write(tmp_path / "home/.pip/pip.conf", "[global]\ntimeout = 3\nretries = 3\nproxy = c\n")
    write(tmp_path / "home/.config/pip/pip.conf", "[global]\nretries = 4\nproxy = d\n")
    environment["PIP_PROXY"] = "e"
    assert pip_settings.pip_settings(environment) == {
        "index-url": "a",
        "cert": "b",
        "timeout": "3",
        "retries": "4",
        "proxy": "e",
    }


def test_the_section_of_the_command_replaces_the_global_one_wherever_it_stands(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write(tmp_path / "first/pip/pip.conf", "[install]\ncert = install\n[download]\nproxy = other\n")
    write(tmp_path / "home/.config/pip/pip.conf", "[global]\ncert = global\n")
    assert pip_settings.pip_settings(environment) == {"cert": "install"}


def test_a_file_named_by_a_variable_replaces_the_users_own(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "first/pip/pip.conf", "[global]\nretries = 1\ncert = a\n")
    write(tmp_path / "home/.config/pip/pip.conf", "[global]\nproxy = user\n")
    write(tmp_path / "named.conf", "[global]\nretries = 2\n")
    assert pip_settings.pip_settings(environment | {"PIP_CONFIG_FILE": str(tmp_path / "named.conf")}) == {
        "retries": "2",
        "cert": "a",
        "config-file": str(tmp_path / "named.conf"),
    }
    assert pip_settings.pip_settings(environment | {"PIP_CONFIG_FILE": "/dev/null"}) == {"config-file": "/dev/null"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "first/pip/pip.conf", "index-url = a\n")
    with pytest.raises(ValueError, match=r"first/pip/pip\.conf cannot be read"):
        pip_settings.pip_settings(environment)


@pytest.mark.skipif(subprocess.run([*PIP, "--version"], capture_output=True).returncode != 0, reason="there is no pip")
def test_pip_itself_reads_the_same(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "first/pip/pip.conf", "[global]\nindex-url = a\nextra-index-url =\n  b\n  c\n")
    write(tmp_path / "home/.config/pip/pip.conf", "[global]\nindex-url = d\nfind-links = e f\n")
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "PIP_DEFAULT_TIMEOUT": "7", "PIP_CERT": ""}
    listed = subprocess.run(
        [*PIP, "config", "list"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    for name, value in {"index-url": "d", "extra-index-url": "\nb\nc", "find-links": "e f"}.items():
        assert f"global.{name}={value!r}" in listed.splitlines()
        assert pip_settings.pip_settings(environment)[name] == value.strip()
    assert ":env:.default-timeout='7'" in listed.splitlines()
    assert pip_settings.pip_settings(environment)["default-timeout"] == "7"


def test_uv_gets_each_setting_in_its_own_words(tmp_path: Path) -> None:
    pip = {
        "index-url": "https://a/simple",
        "extra-index-url": "file:///b/simple\nhttps://c/simple",
        "find-links": f"{tmp_path} https://d/wheels /nowhere/at/all",
        "constraint": "one.txt two.txt",
        "trusted-host": "a c:8080",
        "default-timeout": "7.5",
        "retries": "2",
        "cert": "/e.pem",
    }
    assert pip_settings.uv_variables(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "file:///b/simple https://c/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{tmp_path},https://d/wheels",
        "UV_CONSTRAINT": "one.txt two.txt",
        "UV_INSECURE_HOST": "a c:8080",
        "UV_HTTP_TIMEOUT": "8",
        "UV_HTTP_RETRIES": "2",
        "SSL_CERT_FILE": "/e.pem",
    }
    assert pip_settings.uv_variables({"cert": str(tmp_path)}, {}) == {"SSL_CERT_DIR": str(tmp_path)}
    assert pip_settings.uv_variables({}, {}) == {}


def test_paths_in_the_home_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    pip = {"find-links": "~/wheels", "constraint": "~/pins.txt", "cert": "~/ca.pem"}
    assert pip_settings.uv_variables(pip, {}) == {
        "UV_FIND_LINKS": f"{tmp_path}/wheels",
        "UV_CONSTRAINT": f"{tmp_path}/pins.txt",
        "SSL_CERT_FILE": f"{tmp_path}/ca.pem",
    }


def test_settings_of_uv_itself_are_not_changed() -> None:
    given = {"UV_DEFAULT_INDEX": "https://mine", "SSL_CERT_FILE": "/mine.pem"}
    assert pip_settings.uv_variables({"index-url": "https://a", "cert": "/e.pem", "retries": "3"}, given) == {
        "UV_HTTP_RETRIES": "3"
    }


@pytest.mark.parametrize(("value", "options"), [("1", ["--no-index"]), ("true", ["--no-index"]), ("0", []), ("", [])])
def test_no_index_is_passed_on(value: str, options: list[str]) -> None:
    assert pip_settings.uv_options({"no-index": value}) == options
