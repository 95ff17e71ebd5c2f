"""OpenVINO on the CPU: precision, threads, compiled graphs."""

import os
from concurrent.futures import Executor
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

from app.config.settings import Settings
from app.system.machine import cpu_count
from app.vision.engine.memory import return_freed_memory, worker_limit_mb


@cache
def core() -> ov.Core:
    """The process's only OpenVINO core, which is never dropped.

    A core's CPU plugin replaces the thread's alternate signal stack and restores the previous one when it is dropped.
    Two cores that are dropped in the order in which they were made leave a freed stack behind, and the next signal
    ends the process with a segmentation fault.
    """
    return ov.Core()


def small_runtime(settings: Settings, scarce_mb: float, precision: str = "f32") -> "Runtime":
    """For models that take little memory; it is saved where a worker has less than `scarce_mb` megabytes."""
    runtime = Runtime(precision, max(1, cpu_count() // settings.workers))
    if 0 < worker_limit_mb(settings) < scarce_mb:
        runtime.save_memory()
    return runtime


class Runtime:
    """Compiles graphs of one precision for a fixed number of threads.

    precision: `auto` is bf16 where the CPU computes in it, else f32. int8 graphs bring their own quantization; what
    they leave in floating point runs as for auto. frugal: whether memory counts more than time; see `save_memory`.
    """

    def __init__(self, precision: str = "auto", threads: int | None = None):
        capable = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.floating = ("bf16" if capable else "f32") if precision in ("auto", "int8") else precision
        self.precision = self.floating if precision == "auto" else precision
        self.threads = threads or cpu_count()
        self.frugal = False

    def save_memory(self) -> None:
        """Make every graph release its memory after use: half the memory for a sixth more time, which the system mostly
        spends on allocating the same pages again. Call it before anything is compiled."""
        self.frugal = True
        return_freed_memory()
        # oneDNN caches the code of a thousand operations by shape: 3 MB per shape.
        os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "0"

    def compile(self, path: Path, shape: tuple[int, ...] | None, narrow: int) -> ov.CompiledModel:
        """Read and compile a graph, with its weights mapped into memory, for one input shape or for any.

        narrow: number of outputs, from the first, that keep the precision in which they are computed.
        """
        model = core().read_model(str(path))
        if shape is not None:
            model.reshape(list(shape))
        if narrow and self.floating == "bf16":
            outputs = PrePostProcessor(model)
            for index in range(narrow):
                outputs.output(index).tensor().set_element_type(ov.Type.bf16)
            model = outputs.build()
        config = {
            "INFERENCE_PRECISION_HINT": self.floating,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            # All processes would pin their threads to the same first cores.
            "ENABLE_CPU_PINNING": False,
            # This cache keeps thousands of input shapes, 8 MB per photo; oneDNN's own cache of a thousand operations
            # saves as much time.
            "CPU_RUNTIME_CACHE_CAPACITY": 0,
        }
        return core().compile_model(model, "CPU", config)


class Graph:
    """A graph with one input, ready to run.

    exact: to save memory, compile again whenever the input's shape changes: a third of a second, for a
    hundred megabytes less, because OpenVINO plans the memory of a static graph more tightly. narrow: as in
    `Runtime.compile`.
    """

    def __init__(self, runtime: Runtime, path: Path, *, exact: bool = False, narrow: int = 0):
        self._runtime, self._path, self._narrow = runtime, path, narrow
        self._exact = exact and runtime.frugal
        self._shape: tuple[int, ...] | None = None
        self._compiled: ov.CompiledModel | None = None
        self._request: ov.InferRequest | None = None
        if not self._exact:
            self._compiled = runtime.compile(path, None, narrow)

    def __call__(self, value: np.ndarray) -> list[np.ndarray]:
        """Run on one input. The outputs are views that the next call may overwrite; bfloat16 ones need `widen`."""
        if self._compiled is None or (self._exact and value.shape != self._shape):
            # The old graph goes first, so that the two are never in memory together.
            self._compiled = self._request = None
            self._shape = value.shape if self._exact else None
            self._compiled = self._runtime.compile(self._path, self._shape, self._narrow)
        if self._request is None:
            self._request = self._compiled.create_infer_request()
        self._request.infer([ov.Tensor(value, shared_memory=True)])
        return [tensor.data for tensor in self._request.output_tensors]

    def release_buffers(self) -> None:
        """Where memory is to be saved, give that of intermediate values back, and of outputs as soon as nobody looks at
        them."""
        if self._runtime.frugal and self._compiled is not None:
            self._request = None
            self._compiled.release_memory()

    def unload(self) -> None:
        """Where memory is to be saved, give everything back, the prepared weights too, until the next call."""
        if self._runtime.frugal:
            self._compiled = self._request = None


def widen(values: np.ndarray, executor: Executor, parts: int) -> np.ndarray:
    """An output of any graph as float32; bfloat16 comes out of OpenVINO as its bits in a float16 array."""
    if values.dtype == np.float32:
        return values
    result = np.empty(values.shape, np.float32)

    def shift(rows: slice) -> None:
        np.left_shift(values[rows].view(np.uint16), 16, out=result[rows].view(np.uint32), dtype=np.uint32)

    edges = np.linspace(0, len(values), parts + 1).astype(int)
    list(executor.map(shift, map(slice, edges[:-1], edges[1:])))
    return result
