"""Drawings made up for tests."""

import numpy as np

from app.sketch import Strokes


def fish(turn: float = 0.0) -> Strokes:
    """An outline with a tail, an eye and a mouth; turn moves its parts a little."""
    along = np.linspace(0.15 * np.pi, 1.85 * np.pi, 40)
    body = np.stack([100 + 80 * np.cos(along + turn), 60 + 40 * np.sin(along)], axis=1)
    tail = np.array([body[0], (235, 20), (225, 60), (238, 105), body[-1]])
    eye = np.array([[50, 45], [54, 42], [58, 45], [54, 49], [50, 45.0]])
    return [body, tail, eye, np.array([[25, 75], [40, 78], [52, 74.0]])]


def house() -> Strokes:
    """Walls, a roof, a door."""
    return [
        np.array([[20, 100], [20, 220], [200, 220], [200, 100], [20, 100.0]]),
        np.array([[0, 105], [110, 0], [220, 105.0]]),
        np.array([[90, 220], [90, 150], [130, 150], [130, 220.0]]),
    ]


def spider(legs: int = 8) -> Strokes:
    """A round body with straight legs."""
    around = np.linspace(0, 2 * np.pi, 24)
    body = np.stack([120 + 30 * np.cos(around), 120 + 30 * np.sin(around)], axis=1)
    angles = np.arange(legs) * 2 * np.pi / legs + 0.3
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [body, *(120 + np.outer([30, 115], direction) for direction in directions)]
