"""How long a view of a large photo takes: 12 megapixels, 30 masks."""

import statistics
import time

import numpy as np

from app.intake import decode
from app.vision.analyses.objects.result import Instances
from app.vision.masks import encode
from app.vision.render.picture import annotate
from app.vision.render.picture import encode as encode_picture
from app.vision.results import Analysed, ModelCard
from app.vision.view import View
from bench.service import photo

WIDTH, HEIGHT, MASKS = 4000, 3000, 30
CLASSES = ("person", "car", "dog")


def measure(rounds: int = 7) -> dict[str, float]:
    """Median milliseconds of drawing alone, and of decoding, drawing and encoding together."""
    data, results, view = photo(7, WIDTH, HEIGHT), {"objects": found()}, View(threshold=0.5)
    drawing, everything = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        rgb = decode(data)
        decoded = time.perf_counter()
        drawn = annotate(rgb, results, view)
        drawing.append(time.perf_counter() - decoded)
        encode_picture(drawn, "jpeg")
        everything.append(time.perf_counter() - began)
    return {
        "draw_ms": round(statistics.median(drawing) * 1000, 1),
        "decode_draw_encode_ms": round(statistics.median(everything) * 1000, 1),
    }


def found() -> Analysed:
    """Thirty made-up instances with round masks, spread over the photo."""
    rng = np.random.default_rng(0)
    boxes, masks = [], []
    for _ in range(MASKS):
        w, h = rng.integers(300, 900, 2)
        x, y = rng.integers(0, WIDTH - w), rng.integers(0, HEIGHT - h)
        v, u = np.mgrid[-1 : 1 : complex(h), -1 : 1 : complex(w)]
        masks.append(encode(u**2 + v**2 <= 1, int(x), int(y), (HEIGHT, WIDTH)))
        boxes.append((x, y, x + w, y + h))
    scores = np.linspace(0.99, 0.6, MASKS).astype(np.float32)
    labels = (np.arange(MASKS) % len(CLASSES)).astype(np.int64)
    boxes_array = np.array(boxes, np.float32)
    instances = Instances((HEIGHT, WIDTH), CLASSES, boxes_array, scores, labels, tuple(masks))
    return Analysed(ModelCard("objects", "bench", "Bench", "1", ""), instances)
