#!/usr/bin/env python3
"""Take out of a virtual environment what serving never opens: `scripts/slim.py /opt/venv`. Standard library only.

For the small image. What stays is proven by using it: the script ends with an error where a graph cannot be run,
an S3 client cannot be made or a photo cannot be read any more.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# By package: what of it is left out, as patterns within site-packages, with the reason.
UNUSED = {
    "openvino": (
        "openvino/libs/libopenvino_intel_gpu_plugin.so",  # Graphs run on the CPU.
        "openvino/libs/libopenvino_intel_npu_plugin.so",
        "openvino/libs/cache.json",  # Of the GPU plugin.
        "openvino/libs/libopenvino_auto*_plugin.so",  # They choose between devices.
        "openvino/libs/libopenvino_hetero_plugin.so",
        "openvino/libs/libopenvino_[!io]*_frontend.so.*",  # Graphs are in OpenVINO's own format, or in ONNX's.
        "openvino/include",  # For programs in C++, as is `cmake`.
        "openvino/cmake",
    ),
    "opencv-python-headless": ("cv2/data",),  # Haar cascades.
    "numpy": ("numpy/**/tests", "numpy/f2py", "numpy/distutils", "numpy/_core/include", "numpy/_core/lib"),
    "sqlalchemy": ("sqlalchemy/testing",),
}
# Amazon's services whose descriptions stay: the store itself, and where boto3 looks for credentials.
SERVICES = {"s3", "sts", "sso", "sso-oidc", "signin"}
PROOF = """
import boto3, cv2, numpy, openvino, pathlib, pi_heif, psycopg, pypdfium2, rawpy
from openvino import opset13 as op
boto3.client("s3", region_name="us-east-1")
assert cv2.imdecode(cv2.imencode(".jpg", numpy.zeros((8, 8, 3), "uint8"))[1], 1).shape == (8, 8, 3)
graph = op.parameter([1, 3])
model = openvino.Model([op.relu(graph)], [graph])
assert openvino.compile_model(model, "CPU")(numpy.ones((1, 3), "float32"))[0].sum() == 3
for network in pathlib.Path(openvino.__file__).parents[1].glob("*/**/*.onnx"):
    openvino.Core().read_model(str(network))
"""


def main() -> int:
    """Slim the environment that the command line names; the exit status."""
    venv = Path(sys.argv[1])
    before = size(venv)
    for site in venv.glob("lib/python3.*/site-packages"):
        for path in unused(site):
            remove(path)
    print(f"{venv}: {before / 1e6:.0f} MB, now {size(venv) / 1e6:.0f} MB", flush=True)
    return subprocess.run([venv / "bin" / "python", "-c", PROOF]).returncode


def unused(site: Path) -> Iterator[Path]:
    """What may go from a folder of packages."""
    for patterns in UNUSED.values():
        for pattern in patterns:
            yield from sorted(site.glob(pattern))
    services = [path for path in site.glob("botocore/data/*") if path.is_dir()]
    yield from (path for path in services if path.name not in SERVICES)


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*"))


if __name__ == "__main__":
    sys.exit(main())
