# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the numbers were measured on, and what a process takes."""

import os
import pathlib
import platform
import re
import subprocess
import time

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def describe(version, accelerator):
    """One line each, for the head of the report."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    virtual = " (a virtual machine)" if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M) else ""
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.splitlines()
    return {"cpu": f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} CPUs{virtual}",
            "memory": f"{int(memory[1]) / 1e6:.1f} GB",
            "kernel": f"{platform.system()} {platform.release()}",
            "qemu": qemu[0] if qemu else "none",
            "accelerator": accelerator,
            "ktstrd": version,
            "load": load()}


def load():
    return " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])


def rollup(pid, key):
    """A line of smaps_rollup ("Rss", "Pss", "Private_Dirty"), in bytes."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{key}:\s*(\d+) kB", text, re.M)[1]) * 1024


def wakeups(pid):
    """How often its threads went to sleep, which is how often they were woken."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(), re.M)[1])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def settled_wakeups(pid):
    """The same, once what was asked of it last is over: nothing woke it for a second."""
    before = wakeups(pid)
    for _ in range(60):
        time.sleep(1)
        now = wakeups(pid)
        if now == before:
            break
        before = now
    return before


def cpu_seconds(pid):
    """User and system time of all its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
