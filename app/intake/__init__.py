"""Bytes in: recognise, limit, decode, turn upright, hash; and fetch or unpack them without being tricked."""

from app.intake.decode import decode
from app.intake.photo import Photo, read_photo

__all__ = ["Photo", "decode", "read_photo"]
