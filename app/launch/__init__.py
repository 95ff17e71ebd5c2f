"""Starts everything that serves, and keeps it alive: Redis if none is configured, the worker, the web process."""


class LaunchError(RuntimeError):
    """The service cannot start; the message is one line that says what to do."""
