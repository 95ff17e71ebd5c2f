"""The queue: what waits, who works, and what happens when either breaks."""

from app.jobs.queue import Jobs

__all__ = ["Jobs"]
