# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each work type in a guest under a scheduler: its workers get on, and those that measure wake-ups have some."""

import json
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-works"
TIMEOUT_S = 840

# The types by name, and of the program's tests those that are refused.
REFUSED = {
    "odd_pair": "step 0: cgroup 'cg_0': PipeIo requires num_workers divisible by 2, got 3",
    "no_siblings": "step 0: cgroup 'cg_0': SmtSiblingSpin requires cores with 2 threads, and the topology has 1: set threads",
}
MEASURE_WAKES = ["FutexPingPong", "FutexFanOut", "FanOutCompute", "WakeChain", "ThunderingHerd", "TimerLatency", "Schbench"]
UNDER_BOTH = ["CgroupChurn", "PolicyChurn", "PriorityInversion", "FutexFanOut"]


def type_names():
    """Of lib/include/work_types.h, and Custom."""
    lines = (kt.SOURCE / "lib/include/work_types.h").read_text().splitlines()
    return [line.split('"')[1] for line in lines if line.startswith("X(")] + ["Custom"]


class WorkTypes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.Daemon(kernels=kt.data("kernels"))
        cls.enterClassContext(cls.daemon)

    def verdicts(self, scheduler, *options):
        # More at a time would keep each other from the host's CPUs, and be inconclusive.
        result = self.daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", *options, env={"KTSTR_SCHEDULER": str(scheduler)}, timeout=TIMEOUT_S)
        lines = [json.loads(line) for line in result.out.splitlines()]
        return {line["test"]: line["verdict"] for line in lines if line["kind"] == "verdict"}

    def check_progress(self, verdict):
        self.assertEqual(verdict["verdict"], "pass", verdict)
        for worker in verdict["workers"]:
            self.assertGreater(worker["iterations"], 0, worker)
            self.assertNotIn("exit", worker)

    def test_each_gets_on_under_scx_simple(self):
        verdicts = self.verdicts(kt.data("scheds") / "scx_simple")
        self.assertEqual(sorted(verdicts), sorted([*type_names(), "payload", *REFUSED]))
        for name in type_names():
            with self.subTest(type=name):
                self.check_progress(verdicts[name])
        for name in MEASURE_WAKES:
            with self.subTest(type=name):
                checks = {check["name"]: check for check in verdicts[name]["checks"]}
                self.assertGreater(checks["wake_latency"]["value"], 0, checks)
        self.check_progress(verdicts["payload"])
        for name, reason in REFUSED.items():
            with self.subTest(test=name):
                self.assertEqual((verdicts[name]["verdict"], verdicts[name]["reason"]), ("error", reason))

    def test_those_that_a_scheduler_hears_of_get_on_under_ours(self):
        options = [option for name in UNDER_BOTH for option in ("--filter", f"ktstr/{name}")]
        verdicts = self.verdicts(kt.SCX_KTSTR, *options)
        self.assertEqual(sorted(verdicts), sorted(UNDER_BOTH))
        for name, verdict in verdicts.items():
            with self.subTest(type=name):
                self.check_progress(verdict)


if __name__ == "__main__":
    kt.main()
