"""Heroku's layout: PORT given, any user id, Redis behind TLS with a certificate of its own making."""

import re
import secrets
from collections.abc import Iterator

import pytest

from app.launch.redis_server import free_port
from tests.conftest import ROOT
from tests.docker.containers import SMALL, START, assert_stops_by_itself, container, docker, made, until
from tests.docker.visitor import PHOTO, assert_answered, readiness, ready, send_photo

COMMANDS = dict(re.findall(r"^  (web|worker): (python .*)$", (ROOT / "heroku.yml").read_text(), re.MULTILINE))
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=redis -keyout key -out cert; chmod 644 key"
REDIS = (
    "redis-server --port 0 --tls-port 6379 --tls-auth-clients no --bind 0.0.0.0 "
    "--tls-cert-file /tls/cert --tls-key-file /tls/key --requirepass"
)


@pytest.fixture
def dyno() -> Iterator[list[str]]:
    """Options of a dyno's container beside a Redis that speaks TLS, whose certificate nobody knows."""
    password = secrets.token_hex(8)
    with made("volume") as tls, made("volume") as data, made("network") as net:
        docker("run", "--rm", "-v", f"{tls}:/data", "-w", "/data", SMALL, "sh", "-c", CERTIFICATE)
        address = f"rediss://:{password}@redis:6379"
        redis = ["--network", net, "--network-alias", "redis", "-v", f"{tls}:/tls:ro", "redis:7-bookworm"]
        with container(*redis, *REDIS.split(), password):
            settings = [f"-eSECRET_KEY={password}", f"-eREDIS_URL={address}"]
            yield [*settings, "--network", net, "-v", f"{data}:/data", "--user", "54321:54321"]


@pytest.mark.timeout(600)
def test_two_dynos_answer_photos_through_a_redis_whose_certificate_is_not_verified(dyno: list[str]) -> None:
    port = str(free_port())
    dyno = [*dyno, "-eREDIS_TLS_VERIFY=false", f"-ePORT={port}"]
    publish = ["-p", f"127.0.0.1:{port}:{port}"]
    with container(*publish, *dyno, SMALL, *COMMANDS["web"].split()) as web:
        address = f"http://127.0.0.1:{port}"
        with container(*dyno, SMALL, *COMMANDS["worker"].split()) as worker:
            until(lambda: ready(address), START, "the service is not ready")
            assert_answered(address, send_photo(address, PHOTO.read_bytes()))
            assert docker("exec", web, "id", "-u") == "54321"
            assert_stops_by_itself(worker)
        assert_stops_by_itself(web)


@pytest.mark.timeout(600)
def test_an_unknown_certificate_is_refused_by_default(dyno: list[str]) -> None:
    port = str(free_port())
    with container("-p", f"127.0.0.1:{port}:{port}", *dyno, f"-ePORT={port}", SMALL, *COMMANDS["web"].split()):
        address = f"http://127.0.0.1:{port}"
        until(lambda: readiness(address), START, "the web process does not answer")
        assert readiness(address)["redis"] is False
