"""Names and numbers of the queue."""

QUEUE = "detector"
TRAININGS = "trainings"  # the queue of the trainings, whose worker runs one at a time
TRAIN = "train"  # its only task
TASK = "analyse"  # the only task; the worker maps it to its function

# Keys in Redis, besides RQ's own.
OFFER = "detector:offer"  # hash: analyzer -> ModelCard as JSON, or the step that adds it; as last announced
SECONDS = "detector:seconds"  # hash: analyzer -> moving average of its duration
ALIVE = "detector:alive:"  # + worker name -> {"ready": bool, "job": analysis id or null}, expiring
WORKERS = "detector:workers"  # set: names of the workers that may be alive, so that no scan over all keys is needed
TRAINER = "detector:trainer"  # present while a worker of the trainings is alive
MAINTENANCE = "detector:maintenance"  # lock of the process that does the maintenance
CHANGES = "detector:run:"  # + run id: channel on which every change of the run is published

# Seconds.
HEARTBEAT = 2.0  # between two heartbeats of a worker
HEARTBEAT_TTL = 7  # a worker counts as dead after this time without a heartbeat; its analysis is requeued
MAINTENANCE_INTERVAL = 3.0  # between two searches for lost analyses
MAINTENANCE_TTL = 7  # after this time without renewal another process takes the lock over
LOST_AFTER = 5.0  # a younger analysis may still be on its way into the queue

MAX_ATTEMPTS = 3  # of an analysis
WEIGHT = 0.2  # of the newest duration in the moving average
