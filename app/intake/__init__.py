"""From bytes to photos: recognise, limit, decode, turn upright, hash; safe fetching by URL and unpacking of ZIPs."""

from app.intake.decode import decode
from app.intake.photo import Photo, read_photo

__all__ = ["Photo", "decode", "read_photo"]
