"""The worker of the trainings, at the priority of everything else: tests would otherwise wait for each other's end."""

import sys
from unittest.mock import patch

import worker

if __name__ == "__main__":
    sys.argv = ["worker.py", "--queue", "trainings"]
    with patch("app.worker.training.leave_cpus_to_others"):
        worker.main()
