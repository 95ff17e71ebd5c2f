"""gunicorn's configuration (`gunicorn --config python:app.launch.gunicorn 'app:create_app()'`).

Threads, not processes: four slow uploads block synchronous workers, and one process needs less memory.
"""

import gc
import os
from typing import Any

from app.config.settings import Settings
from app.launch.data_folder import PRIVATE_UMASK
from app.system.logs import logging_config

_settings = Settings.from_env()
_listener = os.environ.get("LISTENER_FD")
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

# The launcher passes its listening socket on; without the launcher, gunicorn opens one.
bind = f"fd://{_listener}" if _listener else f"{_host}:{_settings.port}"
workers = 1
worker_class = "app.launch.threads.Worker"
threads = _settings.threads
umask = PRIVATE_UMASK
# Connections wait in a poller and take no thread.
worker_connections = 2000
# Responses go through the worker's own connections, which have a deadline for every part of them.
sendfile = False
keepalive = 20
# Seconds without a heartbeat of the whole process, not of a request: uploads have a deadline of their own.
timeout = 60
graceful_timeout = 10
# The heartbeat is a file, which must not wait for a slow disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Bytes of one header: other programs of the same host leave cookies too, and nginx passes on up to 32 KB.
limit_request_field_size = 32 * 1024
# Only TRUSTED_PROXIES decides which forwarded headers count.
forwarded_allow_ips = ""
loglevel = _settings.log_level.lower()
logconfig_dict = logging_config(_settings.log_level, _settings.log_format)
control_socket_disable = True


def post_worker_init(_worker: Any) -> None:
    """Called once the application is loaded."""
    gc.collect()
    gc.freeze()  # The collector need not look again and again at what stays for ever.
