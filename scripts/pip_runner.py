"""Running pip where people watch: one line a step, the telling lines as they come, all of it in a log. Standard library
only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path


class InstallError(Exception):
    """What stands in the way, in one line with the next step."""


def run_quietly(command: list) -> bool:
    """Whether a command ends well."""
    return subprocess.run([str(part) for part in command], capture_output=True).returncode == 0


class Pip:
    """Runs the virtual environment's Python in the project's folder, and keeps what it says in build/install.log."""

    def __init__(self, venv: Path, root: Path):
        self.venv, self.root, self.log = venv, root, root / "build" / "install.log"
        self.python = str(venv / "bin" / "python")
        self.links = ["--find-links", str(root / "wheels")] if any((root / "wheels").glob("*.whl")) else []

    def says(self, *arguments: str) -> bool:
        """Whether a pip command ends well."""
        return run_quietly([self.python, "-m", "pip", *arguments, *self.links])

    def install(self, what: str, *requirements: str, **environment: str) -> None:
        """`pip install` with a line on what it is, and what it does as it does it. Raises InstallError."""
        print(f"- {what}", flush=True)
        command = ["-m", "pip", "install", "-v", "--no-input", *requirements, *self.links]
        self.run(*command, failure=f"Installing {what.split(',')[0]} failed", **environment)

    def run(self, *arguments: str, failure: str, **environment: str) -> None:
        """Run Python with these arguments. Raises InstallError with the log's place and its last telling line."""
        self.log.parent.mkdir(exist_ok=True)
        progress, last = Progress(), ""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [self.python, *arguments],
                cwd=self.root,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            try:
                for line in process.stdout or ():
                    log.write(line)
                    progress.see(line)
                    last = line.strip() if re.match(r"\s*(ERROR|error|\w*Error)\b", line) else last
            except KeyboardInterrupt:
                process.terminate()
                raise
            finally:
                progress.end()
                process.wait()
        if process.returncode != 0:
            raise InstallError(f"{failure}: {last or 'no reason given'} (all of it: {self.log}). Then run this again.")


class Progress:
    """Shows the telling lines of pip: what it fetches, and how far a build is."""

    def __init__(self):
        self.tty, self.open, self.tenth = sys.stdout.isatty(), False, 0

    def see(self, line: str) -> None:
        """Take in one line of output."""
        fetched = re.match(r"\s*Downloading (\S+?)(?:\.metadata)? \((.+?)\)", line)
        built = re.match(r"\s*\[(\d+)/(\d+)\]", line)
        if fetched and "metadata" not in line:
            self._say(f"  {fetched[1].rsplit('/', 1)[-1]} ({fetched[2]})")
        elif built and (self.tty or int(built[1]) * 10 // int(built[2]) > self.tenth):
            self.tenth = int(built[1]) * 10 // int(built[2])
            self._say(f"  {built[1]} of {built[2]} files compiled")

    def _say(self, text: str) -> None:
        self.open = self.tty
        print(f"\r\033[K{text[:100]}" if self.tty else text, end="" if self.tty else "\n", flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.open:
            print("\r\033[K", end="", flush=True)
