"""Draws results: pictures for download, and the overlay that the browser draws."""
