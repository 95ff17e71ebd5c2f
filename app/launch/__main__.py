"""`python -m app.launch` serves everything; with `web` or `worker`, only that part, for containers."""

import argparse
import os
import signal
import sys
import threading

from app.config.settings import ROOT, Settings, SettingsError
from app.launch import LaunchError
from app.launch.data_folder import PRIVATE_UMASK, use_for_uploads, writable_folder
from app.launch.launcher import GUNICORN, WEB_ENVIRONMENT, WORKER, Launcher, listen
from app.queue.services import Services
from app.store.errors import StoreUnavailable
from app.system.logs import configure_logging
from app.system.process import die_with_parent

PARTS = ("all", "web", "worker")


def main() -> None:
    """Run the command line, and exit."""
    parser = argparse.ArgumentParser(
        prog="python -m app.launch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="all", choices=PARTS)
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one dies")
    parser.add_argument("--analyzers", metavar="MODULE:FUNCTION", help="what makes the worker's analyzers")
    options = parser.parse_args()
    if options.with_parent:
        die_with_parent(signal.SIGTERM)
    os.umask(PRIVATE_UMASK)
    try:
        settings = Settings.from_env()
        configure_logging(settings.log_level, settings.log_format)
        if options.what == "all":
            # The caller's own analyzers need none of our models.
            Launcher(settings, [WORKER[0], "--analyzers", options.analyzers] if options.analyzers else WORKER).run()
        else:
            become(options.what, settings)
    except (SettingsError, LaunchError, StoreUnavailable) as error:
        sys.exit(f"Flask Detector: {error}")


def become(part: str, settings: Settings) -> None:
    """Prepare what a part needs, and replace this process by it. Raises LaunchError or StoreUnavailable."""
    if not settings.redis_url:
        raise LaunchError(f"The {part} alone needs a Redis that it shares with the other part; set REDIS_URL.")
    use_for_uploads(writable_folder(settings))
    if part == "worker":
        command = [sys.executable, *WORKER]
    else:
        stop = threading.Event()
        # By default SIGTERM does not end the first process of a container.
        signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
        listener = listen(settings.host, settings.port)
        listener.set_inheritable(True)
        Services.from_settings(settings).store.migrate()
        if stop.is_set():
            return
        os.environ.update(WEB_ENVIRONMENT, LISTENER_FD=str(listener.detach()))
        command = [sys.executable, *GUNICORN]
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
