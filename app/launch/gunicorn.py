"""gunicorn's configuration (`gunicorn --config python:app.launch.gunicorn 'app:create_app()'`).

Threads, not processes: four slow uploads stop a synchronous worker, and one process keeps the memory down.
"""

from app.settings import Settings

_settings = Settings.from_env()

bind = f"{_settings.host}:{_settings.port}"
workers = 1
worker_class = "gthread"
threads = _settings.threads
# Seconds without a sign of life of the whole process, not of a request: uploads have a deadline of their own.
timeout = 120
graceful_timeout = 15
keepalive = 5
loglevel = _settings.log_level.lower()
control_socket_disable = True
