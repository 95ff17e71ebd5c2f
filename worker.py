"""The worker: loads the models, then works the queue.

`python worker.py` supervises WORKERS child processes, each of which holds its models and takes one analysis at a time.
"""

import argparse
import logging
import sys

from app.config.settings import Settings, SettingsError
from app.queue.services import Services
from app.store import StoreUnavailable
from app.worker.child import LOADER, main
from app.worker.supervisor import Supervisor


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--analyzers", default=LOADER, metavar="MODULE:FUNCTION", help="what makes the analyzers")
    parser.add_argument("--status-fd", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        sys.exit(str(error))
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if arguments.status_fd is not None:
        main(arguments.status_fd, arguments.analyzers)
    else:
        try:
            services = Services.from_settings(settings)
            services.store.migrate()
        except (SettingsError, StoreUnavailable) as error:
            sys.exit(str(error))
        Supervisor(services, arguments.analyzers).run()
