"""The queue: what waits, who works, and what happens when either breaks."""
