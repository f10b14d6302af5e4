# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that others wrote as payloads in real guests: what they print becomes metrics, and nothing of them is left."""

import re
import shutil
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-payloads"
TIMEOUT_S = 540

METRICS = {"stress-ng.ops_per_s": "op/s", "stress-ng.ops": "op", "hackbench.time": "s"}
# What is said of those that are missed, in this order.
MISSES = [
    r"payload stress-ng: ops_per_s is [\d.e+]+ op/s, below its minimum 1e\+12",
    r"payload hackbench: time is [\d.]+ s, above its maximum 0\.0001",
    r"payload refused exited with 1 instead of 0: \S*stress-ng: unrecognized option '--no-such-stressor'",
    r"payload deserter exited with 7 instead of 0",
    r"payload stress-ng did not end within 1000 ms",
]
WAKE_MISS = r"p99 wake latency \d+ns exceeds limit 1ns \(cg_0, \d+ samples\)"
EXCUSE = "; the host alone explains it"


class Payloads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("stress-ng", "hackbench"):
            if not shutil.which(program):
                raise RuntimeError(f"{program} is missing: run tools/setup-test (make test does)")
        with kt.GuestDaemon() as daemon:
            daemon.prime()
            env = {"KTSTR_SCHEDULER": str(kt.data("scheds") / "scx_simple")}
            cls.result = daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", env=env, timeout=TIMEOUT_S)
        cls.verdicts = {e["test"]: e["verdict"] for e in cls.result.events() if e["kind"] == "verdict"}

    def check_passed(self, name):
        verdict = self.verdicts[name]
        self.assertEqual((verdict["verdict"], verdict["messages"]), ("pass", []), verdict)
        return verdict

    def check_metrics(self, verdict):
        self.assertEqual({m["name"]: m["unit"] for m in verdict["metrics"]}, METRICS, verdict)
        for metric in verdict["metrics"]:
            self.assertGreater(metric["value"], 0, metric)

    def test_none_is_left_out(self):
        self.assertEqual(self.verdicts.keys(), {"kept", "missed", "killed", "in_a_cgroup", "schbench_kept", "schbench_missed"}, self.result)

    def test_what_they_print_becomes_metrics(self):
        self.check_metrics(self.check_passed("kept"))

    def test_each_miss_is_told(self):
        verdict = self.verdicts["missed"]
        said = [(message["outcome"], message["text"]) for message in verdict["messages"]]
        self.assertEqual([outcome for outcome, _ in said], len(MISSES) * ["fail"], verdict)
        for (_, text), miss in zip(said, MISSES):
            self.assertRegex(text, f"^{miss}$")
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", said[0][1]))
        self.check_metrics(verdict)

    def test_nothing_of_those_that_are_ended_is_left(self):
        for name in ("killed", "in_a_cgroup", "schbench_kept"):
            with self.subTest(test=name):
                self.check_passed(name)

    def test_wake_ups_of_the_work_type_are_judged(self):
        verdict = self.verdicts["schbench_missed"]
        self.assertRegex(verdict["reason"], f"^{WAKE_MISS}({re.escape(EXCUSE)})?$")
        self.assertEqual(verdict["verdict"], "inconclusive" if verdict["reason"].endswith(EXCUSE) else "fail", verdict)


if __name__ == "__main__":
    kt.main()
