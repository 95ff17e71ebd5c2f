"""Starts and keeps everything that serves: Redis if none is given, the worker, the web process."""


class LaunchError(RuntimeError):
    """Nothing can be served; the message is one line that says what to do."""
