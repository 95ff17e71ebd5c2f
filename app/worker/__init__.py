"""The worker process: supervisor, child processes, tasks, recovery, maintenance, webhook delivery."""
