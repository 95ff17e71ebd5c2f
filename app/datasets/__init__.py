"""Photos with their truth: read from the files of other tools, split, and written. No Flask, no database, no torch."""
