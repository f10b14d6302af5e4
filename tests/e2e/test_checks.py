# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each check in real guests: tests/programs/checks.c has for each a test that misses it and one that just keeps it."""

import re
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-checks"
TIMEOUT_S = 540

# By its field: what is said of a miss.
MISSES = {
    "not_starved": r"tid \d+ starved \(0 work units\)",
    "isolation": r"tid \d+ of cg ran on cpu1, outside its cpuset",
    "max_gap_ms": r"tid \d+ stuck \d+ms on cpu[01] at \+\d+ms \(threshold 100ms\)",
    "max_spread_pct": r"unfair cgroup: spread=\d+% \(\d+-\d+%\) 2 workers on [12] cpus \(threshold 1%\) in cg",
    "max_throughput_cv": r"throughput CV 4\.000 exceeds limit 0\.100 \(cg, mean=\d+ work/s\)",
    "min_work_rate": r"worker \d+ throughput \d+ work/s below floor 1000000",
    "max_p99_wake_latency_ns": r"p99 wake latency 3000000000ns exceeds limit 1000000ns \(cg, 1000 samples\)",
    "max_wake_latency_cv": r"wake latency CV 0\.500 exceeds limit 0\.100 \(cg, 1000 samples\)",
    "min_iteration_rate": r"worker \d+ iteration rate [\d.]+/s below floor 1000000\.0/s",
    "max_migration_ratio": r"migration ratio 0\.2\d{3} exceeds limit 0\.2000 \(cg, (9|10) migrations in 40 iterations\)",
    "min_page_locality": r"page locality 0\.\d{4} below floor 0\.6000 \(cg, \d+ of \d+ pages\)",
    "max_cross_node_migration_ratio": r"cross-node migration ratio 0\.\d{4} exceeds limit 0\.0500 \(cg, \d+ of \d+ pages\)",
    "max_slow_tier_ratio": r"slow tier ratio 0\.\d{4} exceeds limit 0\.4000 \(cg, \d+ of \d+ pages\)",
}
RATE_MISS = r"worker \d+ iteration rate [\d.]+/s below floor 1000000000000\.0/s"
EXCUSE = "; the host alone explains it"

# Of a miss that could be the host's: for how long it would have had to be away. The others it explains never.
MISSED_MS = {
    "starved": lambda check, worker_ms: worker_ms,
    "gap": lambda check, worker_ms: check["value"] - check["threshold"],
    "spread": lambda check, worker_ms: worker_ms * (check["value"] - check["threshold"]) / 100,
    "work_rate": lambda check, worker_ms: worker_ms * (1 - check["value"] / check["threshold"]),
    "iteration_rate": lambda check, worker_ms: worker_ms * (1 - check["value"] / check["threshold"]),
}


def checks_in_effect():
    """Of lib/thresholds.c: by field, the names that results have; those of the monitor have none yet."""
    rows = re.findall(r'^ +\{"(\w+)", "(\w+)", KT_THRESHOLD_', (kt.SOURCE / "lib/thresholds.c").read_text(), re.MULTILINE)
    return dict(rows)


class Checks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        daemon = kt.GuestDaemon(env={"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)})
        cls.names = checks_in_effect()
        with daemon:
            daemon.prime()
            # More at a time would keep each other from the host's CPUs, and be inconclusive.
            cls.result = daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", timeout=TIMEOUT_S)
        cls.verdicts = {e["test"]: e["verdict"] for e in cls.result.events() if e["kind"] == "verdict"}

    def test_none_is_left_out(self):
        self.assertEqual(MISSES.keys(), self.names.keys())
        self.assertEqual(self.verdicts.keys(), {f"{field}_{end}" for field in [*self.names, "steady"] for end in ("missed", "kept")}, self.result)

    def check_excuse(self, check, verdict):
        """That it was the host is true only if it was away for so long."""
        self.assertIn(check["name"], MISSED_MS, verdict)
        worker = next((w for w in verdict["workers"] if f" {w['tid']} " in check["text"]), verdict["workers"][0])
        missed_ms = MISSED_MS[check["name"]](check, worker["wall_ns"] / 1e6)
        self.assertGreaterEqual(verdict["host"]["worker_delay_ms"] + 1, missed_ms, verdict)

    def check_miss(self, verdict, name, text):
        missed = [c for c in verdict["checks"] if c["verdict"] != "pass"]
        self.assertEqual({c["name"] for c in missed}, {name}, verdict)
        for check in missed:
            self.assertRegex(check["text"], f"^{text}({EXCUSE})?$")
            self.assertEqual(check["verdict"], "inconclusive" if check["text"].endswith(EXCUSE) else "fail", verdict)
            if check["verdict"] == "inconclusive":
                self.check_excuse(check, verdict)
        self.assertEqual(verdict["verdict"], "fail" if any(c["verdict"] == "fail" for c in missed) else "inconclusive", verdict)
        self.assertIn(verdict["reason"], [c["text"] for c in missed if c["verdict"] == verdict["verdict"]])

    def check_kept(self, verdict, name):
        self.assertEqual((verdict["verdict"], [(c["name"], c["verdict"]) for c in verdict["checks"]]), ("pass", [(name, "pass")]), verdict)

    def test_each_is_missed_and_that_is_the_reason(self):
        for field, name in self.names.items():
            with self.subTest(check=field):
                self.check_miss(self.verdicts[f"{field}_missed"], name, MISSES[field])

    def test_each_is_kept(self):
        for field, name in self.names.items():
            with self.subTest(check=field):
                self.check_kept(self.verdicts[f"{field}_kept"], name)

    def test_what_is_kept_would_have_missed_the_other_threshold(self):
        for field, name in self.names.items():
            with self.subTest(check=field):
                (kept,) = self.verdicts[f"{field}_kept"]["checks"]
                missed = self.verdicts[f"{field}_missed"]["checks"][0]
                if "value" not in missed:
                    continue
                if field.startswith("max_"):
                    self.assertTrue(missed["threshold"] < kept["value"] <= kept["threshold"], kept)
                else:
                    self.assertTrue(missed["threshold"] > kept["value"] >= kept["threshold"], kept)

    def test_a_steady_workload_keeps_a_rate_that_a_bad_scheduler_does_not(self):
        self.check_kept(self.verdicts["steady_kept"], "iteration_rate")
        self.check_miss(self.verdicts["steady_missed"], "iteration_rate", RATE_MISS)


if __name__ == "__main__":
    kt.main()
