"""The queue that web and worker share: connection, names, enqueueing, position and estimated time."""
