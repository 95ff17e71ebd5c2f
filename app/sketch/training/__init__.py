"""Training of the drawing recogniser: `python -m app.sketch.training`."""
