"""Writes the annotated versions of the test images: `python -m test_images.annotate`."""

from pathlib import Path

from app.config.settings import Settings
from app.intake import decode
from app.vision.analyses.offer import offer
from app.vision.render.picture import render
from app.vision.view import View

FOLDER = Path(__file__).parent
ANNOTATED = FOLDER / "annotated"
ANALYSES = "objects,faces"


def main() -> None:
    """Analyse every photo with the best models installed, and draw what was found as the site does by default."""
    analyzers = offer(Settings(analyses=ANALYSES)).analyzers
    ANNOTATED.mkdir(exist_ok=True)
    for analyzer in analyzers.values():
        analyzer.load("cpu")
    for path in sorted(FOLDER.glob("*.jpg")):
        rgb = decode(path.read_bytes())
        results = {name: analyzer.analyse(rgb) for name, analyzer in analyzers.items()}
        (ANNOTATED / f"detected_{path.name}").write_bytes(render(rgb.copy(), results, View()))
    cards = [analyzer.card for analyzer in analyzers.values()]
    lines = [f"{card.analyzer}: {card.title}, {card.identity}" for card in cards]
    (ANNOTATED / "models.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
