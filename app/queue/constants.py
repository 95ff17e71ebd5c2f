"""Every name and number of the queue, once."""

QUEUE = "detector"
TASK = "analyse"  # the only one; a worker knows what it stands for

# Keys in Redis, besides RQ's own.
OFFER = "detector:offer"  # hash: analyzer -> ModelCard, or the one step that adds it, as JSON; as last announced
SECONDS = "detector:seconds"  # hash: analyzer -> moving average of its duration
ALIVE = "detector:alive:"  # + worker name -> {"ready": bool, "job": analysis id or null}, expiring
WORKERS = "detector:workers"  # set: names of the workers that may be alive, so that nobody searches all keys for them
MAINTENANCE = "detector:maintenance"  # lock of the process that does the maintenance
CHANGES = "detector:run:"  # + run id: channel on which every change of the run is published

# Seconds.
HEARTBEAT = 2.0  # between two heartbeats of a worker
HEARTBEAT_TTL = 7  # a worker without a heartbeat for so long is dead, and its analysis is requeued
MAINTENANCE_INTERVAL = 3.0  # between two searches for lost analyses
MAINTENANCE_TTL = 7  # after which another process takes over the maintenance from one that is silent
LOST_AFTER = 5.0  # an analysis younger than this may still be on its way into the queue

MAX_ATTEMPTS = 3  # the first and two more
WEIGHT = 0.2  # of the newest duration in the moving average
