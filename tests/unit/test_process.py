"""How a process shares the CPUs."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.config.settings import ROOT

AUTOGROUP = Path("/proc/self/autogroup")
TELLS = f"""
import os
from app.system.process import leave_cpus_to_others
leave_cpus_to_others()
print(os.nice(0), open("{AUTOGROUP}").read())
"""


@pytest.mark.skipif(not AUTOGROUP.is_file(), reason="this kernel does not group processes by session")
def test_a_session_that_leaves_the_cpus_comes_last_among_sessions_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TELLS], cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True
    )
    assert ran.stdout.split()[0] == "19"
    assert ran.stdout.rstrip().endswith("nice 19")
