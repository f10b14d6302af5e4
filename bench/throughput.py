# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs one after the other, two at a time, for as long as is asked."""

import threading
import time

from lib import host, stats
from lib.bench import Job
from lib.report import AT_LEAST, AT_MOST, Target

ABOUT = "back-to-back jobs, two at a time, and what the daemon keeps of them"

AT_A_TIME = 2
# Of the daemon, a second: enough for medians of quarters even when not much time is given.
SAMPLES_PER_S = 4


class Worker(threading.Thread):
    """A client with a connection of its own that submits until it is told to stop."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.wire, self.stopping, self.ended_at, self.took, self.problem = daemon.connect(), False, [], [], None

    def run(self):
        try:
            while not self.stopping:
                job = Job(self.wire)
                self.ended_at.append(time.monotonic())
                self.took.append(job.to_verdict)
        except Exception as error:  # pylint: disable=broad-except
            self.problem = error
        finally:
            self.wire.socket.close()


def watch(bench, daemon, workers, samples):
    end = time.monotonic() + bench.seconds
    while time.monotonic() < end:
        time.sleep(1 / SAMPLES_PER_S)
        samples.append((host.rollup(daemon.process.pid, "Rss") / 1e3, host.descriptors(daemon.process.pid)))
        for worker in workers:
            if worker.problem:
                raise worker.problem


def run(bench):
    bench.need_pool()
    rate = bench.figure(f"true, back to back, {AT_A_TIME} at a time", "jobs/s", [Target("median", AT_LEAST, 12)])
    parts = bench.figure("in each sixth of that time", "jobs/s")
    took = bench.figure("one of these, Submit to verdict", "ms")
    memory = bench.figure("daemon, RSS", "KB")
    growth = bench.figure("daemon, RSS, last quarter over the second", "KB", [Target("max", AT_MOST, 256)])
    fds = bench.figure("daemon, descriptors, last quarter over the second", "", [Target("max", AT_MOST, 2)],
                       note="2 are those of a guest that happens to be under way at one end and not at the other")

    with bench.daemon("cloud") as daemon:
        daemon.prime(AT_A_TIME)
        workers, samples = [Worker(daemon) for _ in range(AT_A_TIME)], []
        begin = time.monotonic()
        for worker in workers:
            worker.start()
        try:
            bench.say(f"jobs for {bench.seconds:.0f} s")
            watch(bench, daemon, workers, samples)
        finally:
            end = time.monotonic()
            for worker in workers:
                worker.stopping = True
            for worker in workers:
                worker.join()
        ended = [at for worker in workers for at in worker.ended_at]
        rate.add(len(ended) / (end - begin))
        part = (end - begin) / 6
        for i in range(6):
            parts.add(sum(begin + i * part <= at < begin + (i + 1) * part for at in ended) / part)
        for worker in workers:
            for ms in worker.took:
                took.add(ms)
        for rss, _ in samples:
            memory.add(rss)
        growth.add(stats.growth([rss for rss, _ in samples]))
        fds.add(stats.growth([n for _, n in samples]))
