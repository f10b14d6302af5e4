# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which of the host's CPUs there are for QEMU, and which of them its threads may run on."""

import contextlib
import os
import pathlib
import unittest

# Those that the daemon may use, and with it QEMU.
CPUS = sorted(os.sched_getaffinity(0))
needs_two_cpus = unittest.skipIf(len(CPUS) < 2, "performance mode wants two CPUs for one vCPU")
# A guest with as many vCPUs as there are CPUs is too large for performance mode, as long as there can be such a guest.
GUEST_CPUS_MAX = 255
needs_a_guest_as_large = unittest.skipIf(len(CPUS) > GUEST_CPUS_MAX, "no guest is as large as this host")


def numbers(text):
    """Of a list of the kernel's: "0-2,5"."""
    ranges = [part.split("-") for part in text.split(",")]
    return [n for r in ranges for n in range(int(r[0]), int(r[-1]) + 1)]


def qemus(daemon, name):
    """The pids of the QEMUs whose names begin so, of which others may be going just now."""
    for pid in daemon.children():
        with contextlib.suppress(OSError):
            if f"guest=ktstr-{name}" in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                yield pid


def threads_of(pid):
    """The name of each thread, and the CPUs that it may run on."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        # A thread may end at any time.
        with contextlib.suppress(OSError):
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            yield status["Name"], numbers(status["Cpus_allowed_list"])
