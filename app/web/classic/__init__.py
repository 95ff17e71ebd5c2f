"""Older projects' own APIs, each a small view over the same stored result."""

from flask import Flask

from app.web.classic import board, classify, data_science, image, pages


def init_app(app: Flask) -> None:
    """Attach them."""
    for room in (classify, image, data_science, pages, board):
        room.init_app(app)
