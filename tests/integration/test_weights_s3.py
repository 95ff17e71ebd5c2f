"""A mirror of weights in a bucket."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.store.s3 import S3Blobs
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.download import fetch
from app.vision.catalogue.sources import SourceError, sources
from app.vision.catalogue.transfer import probe
from tests.unit.test_checkpoints import WEIGHTS, model

MODEL = model(sources=("https://weights.invalid/models/small one.pth",))


@pytest.fixture
def mirror(s3_settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose mirror is an empty part of a bucket."""
    address = f"s3://{s3_settings.s3_bucket}/{s3_settings.s3_prefix}"
    return replace(s3_settings, weights_mirror=address, checkpoints_dir=str(tmp_path))


def test_weights_come_from_a_bucket_and_go_on_where_they_broke_off(mirror: Settings, s3_blobs: S3Blobs) -> None:
    key = f"{mirror.s3_prefix}/models/small one.pth"
    s3_blobs.client.put_object(Bucket=mirror.s3_bucket, Key=key, Body=WEIGHTS)
    probe(sources(MODEL, mirror)[0], MODEL, mirror)
    part = mirror.checkpoints_path / f"{MODEL.file}.part"
    part.write_bytes(WEIGHTS[:100_000])
    assert fetch(MODEL, mirror, progress=False).read_bytes() == WEIGHTS
    assert not part.exists()


def test_a_bucket_without_the_file_is_named(mirror: Settings) -> None:
    with pytest.raises(CheckpointError, match="s3://test answered 404"):
        fetch(MODEL, mirror, progress=False)
    with pytest.raises(SourceError, match="s3://test answered 404"):
        probe(sources(MODEL, mirror)[0], MODEL, mirror)
