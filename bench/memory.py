# SPDX-License-Identifier: LGPL-2.1-or-later
"""What guests cost that wait in the pool, and what the daemon does meanwhile."""

import pathlib
import time

from lib import host
from lib.bench import MEMORY_MIB, SHAPE
from lib.report import AT_MOST, Target

ABOUT = "32 idle guests: memory, processor time, and the daemon beside them"

GUESTS = 32


def guests_of(daemon):
    """pids of its QEMUs that wait; one that is busy making a template would be another figure."""
    return [pid for pid in daemon.children() if "qemu" in pathlib.Path(f"/proc/{pid}/comm").read_text()]


def run(bench):
    bench.need_pool()
    pss = bench.figure(f"idle guest of {MEMORY_MIB} MiB, PSS", "MB", [Target("max", AT_MOST, 20)], note=f"{GUESTS} of {SHAPE} at once")
    private = bench.figure(f"idle guest of {MEMORY_MIB} MiB, its own pages", "MB")
    cpu = bench.figure(f"{GUESTS} idle guests, of one core", "%", [Target("max", AT_MOST, 0.5)])
    woken = bench.figure("daemon with these, wake-ups", "/min", [Target("max", AT_MOST, 0)])
    rss = bench.figure("daemon with these, RSS", "MB")

    with bench.daemon("cloud", "--pool-max", GUESTS) as daemon:
        bench.say(f"getting {GUESTS} guests ready")
        daemon.prime(GUESTS)
        daemon.wait_for_pool(GUESTS)
        guests = guests_of(daemon)
        if len(guests) != GUESTS:
            raise RuntimeError(f"the pool says that {GUESTS} guests wait, and {len(guests)} QEMUs run")
        for pid in guests:
            pss.add(host.rollup(pid, "Pss") / 1e6)
            private.add(host.rollup(pid, "Private_Dirty") / 1e6)

        wakeups = host.settled_wakeups(daemon.process.pid)
        bench.say(f"idle for {bench.seconds:.0f} s")
        before, begin = sum(map(host.cpu_seconds, guests)), time.monotonic()
        time.sleep(bench.seconds)
        passed = time.monotonic() - begin
        cpu.add((sum(map(host.cpu_seconds, guests)) - before) / passed * 100)
        woken.add((host.wakeups(daemon.process.pid) - wakeups) * 60 / passed)
        rss.add(host.rollup(daemon.process.pid, "Rss") / 1e6)
