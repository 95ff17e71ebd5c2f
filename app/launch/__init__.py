"""Starts and keeps everything that serves: Redis if none is given, the worker, the web process."""
