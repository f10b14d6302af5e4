# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that others wrote as payloads in real guests: what they print becomes metrics, and nothing of them is left."""

import re
import shutil
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-payloads"
TIMEOUT_S = 540

# What each comes to: an expression for the whole reason, and the metrics.
PASS = r"any attached, .*"
OUTCOMES = {
    "stress_ng_kept": ("pass", PASS, {"stress-ng.ops_per_s": "op/s", "stress-ng.ops": "op"}),
    "stress_ng_missed": ("fail", r"payload stress-ng: ops_per_s is [\d.e+]+ op/s, below its minimum 1e\+12",
                         {"stress-ng.ops_per_s": "op/s", "stress-ng.ops": "op"}),
    "hackbench_kept": ("pass", PASS, {"hackbench.time": "s"}),
    "hackbench_missed": ("fail", r"payload hackbench: time is [\d.]+ s, above its maximum 0\.0001", {"hackbench.time": "s"}),
    "refused_by_stress_ng": ("fail", r"payload refused exited with 1 instead of 0: \S*stress-ng: unrecognized option '--no-such-stressor'", {}),
    "killed": ("pass", PASS, {}),
    "daemons_killed": ("pass", PASS, {}),
    "timed_out": ("fail", r"payload stress-ng did not end within 1000 ms", {}),
    "in_a_cgroup": ("pass", PASS, {"hackbench.time": "s"}),
    "schbench_kept": ("pass", PASS, {}),
}
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

    def test_none_is_left_out(self):
        self.assertEqual(self.verdicts.keys(), {*OUTCOMES, "schbench_missed"}, self.result)

    def test_each_comes_to_what_it_should(self):
        for name, (outcome, reason, metrics) in OUTCOMES.items():
            with self.subTest(test=name):
                verdict = self.verdicts[name]
                self.assertEqual(verdict["verdict"], outcome, verdict)
                self.assertRegex(verdict["reason"], f"^{reason}$")
                self.assertEqual({m["name"]: m.get("unit") for m in verdict.get("metrics", [])}, metrics, verdict)

    def test_metrics_are_what_was_measured(self):
        for name in ("stress_ng_kept", "hackbench_kept"):
            for metric in self.verdicts[name]["metrics"]:
                self.assertGreater(metric["value"], 0, metric)

    def test_wake_ups_of_the_work_type_are_judged(self):
        verdict = self.verdicts["schbench_missed"]
        self.assertRegex(verdict["reason"], f"^{WAKE_MISS}({re.escape(EXCUSE)})?$")
        self.assertEqual(verdict["verdict"], "inconclusive" if verdict["reason"].endswith(EXCUSE) else "fail", verdict)


if __name__ == "__main__":
    kt.main()
