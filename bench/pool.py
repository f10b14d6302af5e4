# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a job waits for its guest when one is ready, and when one has to be cloned."""

from boot import wait_for_template
from lib.bench import Job
from lib.report import AT_MOST, Target

ABOUT = "a job's way to a guest that waits, and to a clone"

# A 99th percentile of fewer would be the slowest but none.
HITS_A_ROUND = 40
PROCESSES_A_ROUND = 20
CLONES_A_ROUND = 10


class Hits:
    """Jobs that find a guest; whether they did is counted by the daemon."""

    def __init__(self, bench, daemon, wire):
        self.daemon, self.wire = daemon, wire
        self.here = bench.figure("pool hit, Submit to running, at the client", "ms",
                                 [Target("median", AT_MOST, 3), Target("p99", AT_MOST, 10)])
        self.there = bench.figure("pool hit, Submit to running, in the daemon", "ms")
        self.whole = bench.figure("pool hit, Submit to verdict", "ms")
        self.process = bench.figure("pool hit, ktstrctl shell --exec true", "ms", [Target("median", AT_MOST, 20)])
        self.misses = 0

    def take(self, job):
        """One job from a full pool. One that missed would be no figure of a hit."""
        self.daemon.wait_for_pool(1)
        before = self.daemon.pool()
        result = job()
        if self.daemon.pool()["hits"] == before["hits"]:
            self.misses += 1
            return None
        return result

    def wire_job(self):
        job = self.take(lambda: Job(self.wire))
        if job:
            self.here.add(job.to_running)
            self.there.add(job.server_to_running)
            self.whole.add(job.to_verdict)

    def client(self):
        took = self.take(self.daemon.shell_process)
        if took is not None:
            self.process.add(took)


def run(bench):
    bench.need_pool()
    clone = bench.figure("clone, start to the agent's answer", "ms", [Target("median", AT_MOST, 60)])
    clone_process = bench.figure("clone, ktstrctl shell --exec true", "ms")

    with bench.daemon("cloud") as pool, pool.connect() as pool_wire, \
            bench.daemon("cloud", "--pool-max", "0") as clones, clones.connect() as clones_wire:
        hits = Hits(bench, pool, pool_wire)
        pool.prime(2)
        wait_for_template(clones)
        bench.interleave([(hits.wire_job, HITS_A_ROUND), (hits.client, PROCESSES_A_ROUND),
                          (lambda: clone.add(Job(clones_wire).server_to_running), CLONES_A_ROUND),
                          (lambda: clone_process.add(clones.shell_process()), CLONES_A_ROUND)])
        if hits.misses:
            hits.here.note = f"{hits.misses} jobs met an empty pool though a guest was there before, and are not counted"
