"""Every name and number of the queue, once."""

QUEUE = "detector"
TASK = "app.worker.tasks.analyse"

# Keys in Redis, beside RQ's own.
OFFER = "detector:offer"  # hash: analyzer -> ModelCard, or the one step that adds it, as JSON; as last announced
SECONDS = "detector:seconds"  # hash: analyzer -> moving average of its service time
ALIVE = "detector:alive:"  # + worker name -> {"ready": bool, "job": analysis id or null}, expiring
WORKERS = "detector:workers"  # set: names of the workers that may live, so that nobody searches all keys for them
MAINTENANCE = "detector:maintenance"  # lock of whoever does the maintenance
CHANGES = "detector:run:"  # + run id: channel that tells of any change of the run

# Seconds.
HEARTBEAT = 2.0  # from one sign of life of a worker to the next
HEARTBEAT_TTL = 7  # a worker without one for so long is dead, and its analysis is taken back
MAINTAIN = 3.0  # from one look for lost analyses to the next
MAINTENANCE_TTL = 7  # after which another process does the maintenance of one that says nothing any more
LOST_AFTER = 5.0  # an analysis younger than this may still be on its way into the queue

MAX_ATTEMPTS = 3  # first try and two more
WEIGHT = 0.2  # of the newest service time in the moving average
