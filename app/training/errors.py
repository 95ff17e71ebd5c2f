"""The error that ends a training with a sentence instead of a traceback."""


class TrainingError(RuntimeError):
    """Training cannot start or continue; the message says why in one sentence."""
