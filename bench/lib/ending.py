# SPDX-License-Identifier: LGPL-2.1-or-later
"""That nothing stays of what a run started, wherever it was interrupted: between the start of a process and the line that would end it too."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import tempfile

PR_SET_CHILD_SUBREAPER = 36
TOLD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def children():
    """Who has this process as parent, zombies too."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def end_children():
    """They, and those that they leave to us."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


@contextlib.contextmanager
def everything():
    """Around all of a run: its temporary files are in one folder, which goes with its last process."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
    tempfile.tempdir = tempfile.mkdtemp(prefix="ktstr-bench-")
    try:
        yield
    finally:
        # Who asks twice does not get less.
        for number in TOLD:
            signal.signal(number, signal.SIG_IGN)
        end_children()
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
