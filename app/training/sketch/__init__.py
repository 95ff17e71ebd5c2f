"""Training of the drawing recogniser: `python -m app.training.sketch`."""
