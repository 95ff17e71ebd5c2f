"""OpenVINO on the CPU: precision, threads, compiled graphs."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import openvino as ov

from app.cpus import cpu_count

# glibc's malloc.h: mallopt parameters. A fixed threshold gives every large buffer back to the system as soon as it is
# freed; left alone, glibc raises it and one photo's 200 MB of feature maps stay in the heap, in pieces.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BUFFER = 1 << 20


def return_freed_memory() -> None:
    """Make the C library return large freed buffers to the system at once (Linux with glibc; elsewhere nothing)."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER)
            mallopt(M_TRIM_THRESHOLD, LARGE_BUFFER)


class Runtime:
    """Compiles graphs of one precision for a fixed number of threads.

    precision: `auto` is bf16 where the CPU computes in it, else f32. int8 graphs bring their own quantization; what
    they leave in floating point runs as for auto.
    """

    def __init__(self, precision: str = "auto", threads: int | None = None, *, exact_shapes: bool = False):
        self.core = ov.Core()
        capable = "BF16" in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.floating = ("bf16" if capable else "f32") if precision in ("auto", "int8") else precision
        self.precision = self.floating if precision == "auto" else precision
        self.threads = threads or cpu_count()
        self.exact_shapes = exact_shapes
        return_freed_memory()

    def graph(self, path: Path) -> "Graph":
        """Read a graph, its weights by mmap, and make it ready."""
        return Graph(self, path)

    def compile(self, model: ov.Model) -> ov.CompiledModel:
        config = {
            "INFERENCE_PRECISION_HINT": self.floating,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
        }
        return self.core.compile_model(model, "CPU", config)


class Graph:
    """A graph with one input, ready to run.

    With `exact_shapes` it is compiled anew whenever the input's shape changes: a third of a second, for a hundred
    megabytes less, because OpenVINO plans the memory of a static graph more tightly.
    """

    def __init__(self, runtime: Runtime, path: Path):
        self._runtime, self._path = runtime, path
        self._shape: tuple[int, ...] | None = None
        self._compile(None)

    def _compile(self, shape: tuple[int, ...] | None) -> None:
        model = self._runtime.core.read_model(str(self._path))
        if shape is not None:
            model.reshape(list(shape))
        self._compiled = self._runtime.compile(model)
        self._request = self._compiled.create_infer_request()
        self._shape = shape

    def __call__(self, value: np.ndarray) -> list[np.ndarray]:
        """Run on one input. The outputs are views that the next call overwrites."""
        if self._runtime.exact_shapes and value.shape != self._shape:
            self._compile(value.shape)
        self._request.infer([ov.Tensor(value, shared_memory=True)])
        return [tensor.data for tensor in self._request.output_tensors]

    def release(self) -> None:
        """Give the memory of intermediate values back; the last outputs stay."""
        self._compiled.release_memory()
