"""The worker: loads the models, then runs the analyses in the queue.

`python worker.py` supervises WORKERS child processes, each of which holds its models and runs one analysis at a time.
"""

import argparse
import sys

from app.config.settings import Settings, SettingsError
from app.queue.constants import QUEUE, TRAININGS
from app.queue.services import Services
from app.store import StoreUnavailable
from app.system.logs import configure_logging
from app.worker import child, training
from app.worker.models import Models
from app.worker.supervisor import Supervisor
from app.worker.versions import Versions
from app.worker.worker_process import WorkerProcess, start_process


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analyzers", default=child.LOADER, metavar="MODULE:FUNCTION", help="what makes the analyzers")
    parser.add_argument("--ready-models", action="store_true", help="build engines and fetch the model to serve")
    parser.add_argument("--queue", choices=(QUEUE, TRAININGS), default=QUEUE, help="what to work on (default: photos)")
    parser.add_argument("--status-fd", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run the command line. Raises SettingsError or StoreUnavailable."""
    arguments = parse()
    settings = Settings.from_env()
    configure_logging(settings.log_level, settings.log_format)
    if arguments.status_fd is not None:
        child.main(arguments.status_fd, arguments.analyzers)
        return
    services = Services.from_settings(settings)
    services.store.migrate()
    if arguments.queue == TRAININGS:
        training.main(services)
        return
    models = Models(settings) if arguments.ready_models else None
    # A program's own analyzers know nothing of versions.
    versions = Versions(settings, services.store) if arguments.analyzers == child.LOADER else None

    def start() -> WorkerProcess:
        return start_process(arguments.analyzers, settings.workers, versions.model if versions else "")

    Supervisor(services, start, models, versions=versions).run()


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, StoreUnavailable) as error:
        sys.exit(str(error))
