"""Photos, models, results and how they are shown. Imports neither Flask nor Redis nor the database."""

from app.vision.engine.telemetry import block_telemetry

# Must precede every import of OpenVINO; importing any module of this package runs this first.
block_telemetry()
