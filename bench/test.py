# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test takes beside the time that it runs for, in a guest that waits."""

import ktstr_test as kt
from lib.bench import Job, whole_process
from lib.report import AT_MOST, Target

ABOUT = "what a test takes beside its duration"

PROGRAM = kt.BUILD / "bench/ktstr-bench-tests"
DURATION_MS = 500
JOBS_A_ROUND = 10
PROCESSES_A_ROUND = 5


class Tests:
    """Jobs from a full pool, each the only one."""

    def __init__(self, daemon, wire):
        self.daemon, self.wire = daemon, wire
        self.scheduler = {"name": "scx_ktstr", "path": str(kt.SCX_KTSTR)}

    def submit(self, figure, name, scheduler=None):
        """From the write of the call to the verdict; the duration of one that has workers is taken off."""
        self.daemon.wait_for_pool(1)
        parameters = {"test": {"name": name, "program": PROGRAM.name, "path": str(PROGRAM)}, "duration_ms": DURATION_MS}
        if scheduler:
            parameters["scheduler"] = scheduler
        job = Job(self.wire, "io.ktstrd.Job.Submit", **parameters)
        figure.add(job.to_verdict - (DURATION_MS if name == "steady" else 0))

    def client(self, figure):
        self.daemon.wait_for_pool(1)
        figure.add(whole_process([kt.KTSTRCTL, "test", PROGRAM, "--filter", "ktstr/empty"], self.daemon.client_env()))


def run(bench):
    bench.need_pool()
    empty = bench.figure("empty test, Submit to verdict", "ms", [Target("median", AT_MOST, 100)])
    process = bench.figure("empty test, ktstrctl test", "ms")
    steady = bench.figure(f"steady for {DURATION_MS} ms, beside these", "ms")
    scheduled = bench.figure(f"steady under scx_ktstr for {DURATION_MS} ms, beside these", "ms")

    with bench.daemon("cloud") as daemon, daemon.connect() as wire:
        tests = Tests(daemon, wire)
        daemon.prime(2)
        bench.interleave([(lambda: tests.submit(empty, "empty"), JOBS_A_ROUND),
                          (lambda: tests.client(process), PROCESSES_A_ROUND),
                          (lambda: tests.submit(steady, "steady"), PROCESSES_A_ROUND),
                          (lambda: tests.submit(scheduled, "steady", tests.scheduler), PROCESSES_A_ROUND)])
