# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each work type in a guest under a scheduler: its workers get on, those that measure wake-ups have some, and nothing of them is left."""

import json
import re
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-works"
TIMEOUT_S = 840

# The program's tests: each has several types, in cgroups of their names; and those that are refused.
BATCHES = ["all_alone", "all_changing", "all_together", "all_unlike", "all_heard_of", "all_siblings"]
REFUSED = {
    "odd_pair": "step 0: cgroup 'cg_0': PipeIo requires num_workers divisible by 2, got 3",
    "no_siblings": "step 0: cgroup 'cg_0': SmtSiblingSpin requires cores with 2 threads, and the topology has 1: set threads",
}
MEASURE_WAKES = ["FutexPingPong", "FutexFanOut", "FanOutCompute", "WakeChain", "ThunderingHerd", "TimerLatency", "Schbench"]
UNDER_BOTH = ["CgroupChurn", "PolicyChurn", "PriorityInversion", "FutexFanOut"]
ROLES = {
    "FutexFanOut": ["messenger", *4 * ["receiver"]],
    "FanOutCompute": ["messenger", *4 * ["receiver"]],
    "ThunderingHerd": ["waker", *7 * ["herd"]],
    "PriorityInversion": ["low", "middle", "high"],
    "PreemptStorm": ["storm", *3 * ["victim"]],
    "RtStarvation": ["real-time", "bound victim", *2 * ["victim"]],
    "Schbench": ["messenger", *3 * ["worker"]],
}
# What the test leaves that shows that it would be seen.
LEFT = ["process .*sleep", "zombie ", "open file .*version", "file /tmp/file", "cgroup /sys/fs/cgroup/left", "shared memory ", "semaphores ",
        "message queue ", "mount none /mnt "]


def type_names():
    """Of lib/include/work_types.h, and Custom."""
    lines = (kt.SOURCE / "lib/include/work_types.h").read_text().splitlines()
    return [line.split('"')[1] for line in lines if line.startswith("X(")] + ["Custom"]


class WorkTypes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)
        cls.daemon.prime()

    def verdicts(self, scheduler, *options):
        # More at a time would keep each other from the host's CPUs, and be inconclusive.
        result = self.daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", *options, env={"KTSTR_SCHEDULER": str(scheduler)}, timeout=TIMEOUT_S)
        lines = [json.loads(line) for line in result.out.splitlines()]
        return {line["test"]: line["verdict"] for line in lines if line["kind"] == "verdict"}

    def check_type(self, name, verdict):
        cgroup = next(c for c in verdict["cgroups"] if c["name"] == name)
        workers = [w for w in verdict["workers"] if w["cgroup"] == name]
        self.assertEqual(len(workers), cgroup["workers"])
        for worker in workers:
            self.assertEqual(worker["work"], name)
            self.assertGreater(worker["iterations"], 0, worker)
            self.assertNotIn("exit", worker)
        self.assertEqual([w.get("role") for w in workers], ROLES.get(name, len(workers) * [None]))
        self.assertEqual(cgroup.get("wakes", 0) > 0, name in MEASURE_WAKES, cgroup)

    def check_batch(self, verdict):
        """The types that were in it."""
        self.assertEqual(verdict["verdict"], "pass", verdict)
        names = [cgroup["name"] for cgroup in verdict["cgroups"]]
        for name in names:
            with self.subTest(type=name):
                self.check_type(name, verdict)
        return names

    def test_each_gets_on_under_scx_simple_and_leaves_nothing(self):
        verdicts = self.verdicts(kt.data("scheds") / "scx_simple")
        self.assertEqual(sorted(verdicts), sorted([*BATCHES, "payload", "is_seen", *REFUSED]))
        seen = [name for batch in BATCHES for name in self.check_batch(verdicts[batch])]
        self.assertEqual(sorted(seen), sorted([*type_names(), *UNDER_BOTH]))
        self.assertEqual(verdicts["payload"]["verdict"], "pass", verdicts["payload"])
        for name, reason in REFUSED.items():
            with self.subTest(test=name):
                self.assertEqual((verdicts[name]["verdict"], verdicts[name]["reason"]), ("error", reason))
        self.check_left(verdicts["is_seen"])

    def check_left(self, verdict):
        self.assertEqual(verdict["verdict"], "error", verdict)
        said = [message["text"] for message in verdict["messages"]]
        for what in LEFT:
            self.assertTrue(any(re.match(f"the test has left {what}", text) for text in said), (what, said))
        self.assertEqual(len(said), len(LEFT), said)

    def test_those_that_a_scheduler_hears_of_get_on_under_ours(self):
        verdicts = self.verdicts(kt.SCX_KTSTR, "--filter", "ktstr/all_heard_of")
        self.assertEqual(list(verdicts), ["all_heard_of"])
        self.assertEqual(sorted(self.check_batch(verdicts["all_heard_of"])), sorted(UNDER_BOTH))


if __name__ == "__main__":
    kt.main()
