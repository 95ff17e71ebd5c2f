"""The drawing recogniser: from strokes or a picture to QuickDraw's 28x28 bitmap, and from the bitmap to an animal.

    guess = Recogniser.from_folder("checkpoints").recognise(raster(strokes))

Sources: the QuickDraw dataset (CC BY 4.0) and its method of drawing bitmaps,
https://github.com/googlecreativelab/quickdraw-dataset.
"""

from app.sketch.picture import picture
from app.sketch.raster import NotADrawing, NothingDrawn, Strokes, raster
from app.sketch.recogniser import ANIMALS, Guess, Recogniser

__all__ = ["ANIMALS", "Guess", "NotADrawing", "NothingDrawn", "Recogniser", "Strokes", "picture", "raster"]
