"""Everything about photos and models. Knows neither Flask nor Redis nor the database."""

from app.vision.engine.telemetry import block_telemetry

# Here, because it must come before every import of OpenVINO, and importing any module of this package runs this first.
block_telemetry()
