"""Half a gigabyte is enough for a worker with a full Mask R-CNN and every analysis, whatever photos come."""

import shutil
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import torch

from app.config.analyses import ANALYSES
from app.intake import decode
from tests.conftest import ROOT
from tests.docker.containers import SMALL, START, container, docker, logs, made, until
from tests.docker.visitor import client, readiness
from tests.fixtures.torchvision_nets import random_net
from tests.fixtures.weights import write_entry

NAME = "mask_rcnn_r50_fpn"
LIMIT = "512m"
REDIS = "redis:7-bookworm"
# Of 1,024: how much of the processor the worker gets beside others.
CPU_SHARES = 256
PHOTOS = 200
AT_ONCE = 20


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a model of the size of torchvision's first, with random weights, that any user may write to."""
    folder = tmp_path / "model"
    folder.mkdir()
    rgb = cv2.resize(decode((ROOT / "test_images" / "astronaut.jpg").read_bytes()), (640, 448))
    inputs = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    torch.save(random_net(NAME, (inputs - inputs.mean()) / inputs.std()).state_dict(), folder / f"{NAME}.pth")
    for suffix in (".py", ".json"):
        shutil.copy(ROOT / "configs" / f"{NAME}{suffix}", folder)
    write_entry(folder, NAME, loader="torchvision")
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    return folder


def photos(shared_data: Path) -> list[tuple[str, bytes]]:
    """Photos of many sizes and shapes, some of 12 megapixels and one of 36, as (name, bytes)."""
    found = [*sorted((shared_data / "coco" / "eval" / "images").iterdir()), *(shared_data / "imagenet").glob("*.JPEG")]
    large = decode(found[0].read_bytes())
    large_ones = [
        cv2.imencode(".jpg", cv2.resize(large, size))[1].tobytes() for size in [(4000, 3000)] * 5 + [(6000, 6000)]
    ]
    every = [(path.name, path.read_bytes()) for path in found] + [
        (f"large{n}.jpg", data) for n, data in enumerate(large_ones)
    ]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[index] for index in order[-PHOTOS:]]


@pytest.mark.timeout(5400)
def test_a_worker_needs_no_more_than_512_megabytes_for_200_photos_with_every_analysis(
    model: Path, shared_data: Path
) -> None:
    sent = photos(shared_data)
    with made("network") as network, made("volume") as volume:
        common = ["--network", network, "-v", f"{volume}:/data", "-v", f"{model}:/model"]
        common += [f"-e{name}" for name in ("REDIS_URL=redis://redis:6379", "MODEL=/model", "RATE_LIMIT=")]
        web = [*common, "-p", "127.0.0.1::5000", "-eQUEUE_MAX=2000", SMALL, "python", "-m", "app.launch", "web"]
        limit = ["--memory", LIMIT, "--memory-swap", LIMIT, "--cpu-shares", str(CPU_SHARES), "-eJOB_TIMEOUT=1200"]
        worker = [*common, *limit, SMALL, "python", "-m", "app.launch", "worker"]
        redis = ["--network", network, "--network-alias", "redis", REDIS]
        with container(*redis), container(*web) as front, container(*worker) as name:
            address = f"http://{docker('port', front, '5000').splitlines()[0]}"
            until(lambda: serves(address), 2 * START, "the model is not ready")
            with client(address) as caller:
                for start in range(0, len(sent), AT_ONCE):
                    assert_all_done(caller, sent[start : start + AT_ONCE])
            assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.RestartCount}}", name) == "false 0"
            log = logs(name)
            print(f"\npeak: {peak_mb(name):.0f} MB")
    assert [line for line in log.splitlines() if "ended with" in line or "requeued" in line] == []


def serves(address: str) -> bool:
    """Whether the model, and a worker for every analysis, is ready."""
    state = readiness(address)
    return (
        bool(state.get("ready"))
        and set(state["analyses"]) == set(ANALYSES)
        and state["analyses"]["objects"]["model"] == NAME
    )


def assert_all_done(caller: httpx.Client, some: list[tuple[str, bytes]]) -> None:
    form = {"analyses": ",".join(ANALYSES)}
    batch = caller.post("/api/v1/runs", data=form, files=[("file", photo) for photo in some]).json()
    assert len(batch["runs"]) == len(some), batch

    def runs() -> list[dict[str, object]]:
        found = caller.get(f"/api/v1/batches/{batch['id']}").json()["runs"]
        return found if all(run["state"] in ("done", "failed") for run in found) else []

    ended = until(runs, 1800, "the photos are not done")
    assert [(run["name"], run["error"]) for run in ended if run["state"] != "done"] == []


def peak_mb(name: str) -> float:
    """The most memory that the container had, in megabytes, where the kernel says so."""
    paths = "/sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    answer = docker("exec", name, "sh", "-c", f"cat {paths} 2>/dev/null || true")
    return int(answer.split()[0]) / 1e6 if answer else float("nan")
