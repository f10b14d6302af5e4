# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl test with real guests: from a declaration in C to the line that tells how it ended."""

import subprocess
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-runs"


class Tests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon(env={"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)})
        cls.enterClassContext(cls.daemon)

    def outcomes(self, *args):
        result = self.daemon.ctl("test", PROGRAM, "--json", *args, timeout=900)
        *events, summary = result.events()
        return {e["label"]: e["verdict"] for e in events if e["kind"] == "verdict"}, summary, result

    def test_each_comes_to_its_own_end(self):
        verdicts, summary, result = self.outcomes("--jobs", "2")
        self.assertEqual({label: v["verdict"] for label, v in verdicts.items()},
                         {"ktstr/steady": "pass", "ktstr/told": "pass", "ktstr/failing": "fail", "ktstr/crash_is_expected": "pass",
                          "ktstr/other_crash_is_expected": "fail", "ktstr/no_crash_where_one_is_expected": "fail", "ktstr/skipped": "skip",
                          "ktstr/segfault": "error", "ktstr/on_host": "pass"}, result)
        self.assertEqual(verdicts["ktstr/failing"]["reason"], "lost 3 wake-ups")
        self.assertEqual(verdicts["ktstr/no_crash_where_one_is_expected"]["reason"], "expected error but test passed")
        self.assertIn("something else", verdicts["ktstr/other_crash_is_expected"]["reason"])
        self.assertEqual(verdicts["ktstr/segfault"]["error"], "io.ktstrd.Job.TestProgram")
        self.assertEqual(verdicts["ktstr/steady"]["guest"]["topology"], "1n1l2c1t")
        self.assertEqual(verdicts["ktstr/told"]["guest"]["topology"], "1n1l2c2t")
        self.assertNotIn("guest", verdicts["ktstr/on_host"])
        self.assertEqual((summary["passed"], summary["failed"], summary["errors"], summary["skipped"], result.status), (4, 3, 1, 1, 3), result)

    def test_on_two_kernels_each_guest_has_its_own(self):
        verdicts, _, result = self.outcomes("--kernel", "6.18", "--kernel", "7", "--filter", "skipped", "--filter", "on_host")
        releases = {label: v["guest"]["release"] for label, v in verdicts.items() if "guest" in v}
        self.assertEqual(len(verdicts), 3, result)
        self.assertIn("ktstr/on_host", verdicts)
        self.assertEqual(sorted(r.split(".")[0] for r in releases.values()), ["6", "7"])
        for label in releases:
            self.assertRegex(label, r"^ktstr/skipped/kernel_[67]_")

    def test_a_seed_is_the_tests(self):
        verdicts, _, result = self.outcomes("--filter", "told", "--seed", "77")
        self.assertEqual({label: v["seed"] for label, v in verdicts.items()}, {"ktstr/told": 77}, result)
        self.assertIn("seed 77", [e.get("message") for e in result.events()])

    def test_a_preset_is_the_guests_topology(self):
        verdicts, _, result = self.outcomes("--gauntlet", "--filter", "gauntlet/skipped/smt-2llc")
        self.assertEqual({label: v["guest"]["topology"] for label, v in verdicts.items()}, {"gauntlet/skipped/smt-2llc": "1n2l2c2t"}, result)

    def test_a_program_runs_itself(self):
        p = subprocess.run([PROGRAM, "--filter", "*skipped", "--filter", "on_host", "--tap"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           env=self.daemon.client_env({"KTSTRCTL": str(kt.KTSTRCTL)}), timeout=kt.PATIENCE_S)
        self.assertEqual(p.returncode, 0, p)
        self.assertEqual(sorted(line.split(" - ")[1] for line in p.stdout.splitlines()[2:]), ["ktstr/on_host", "ktstr/skipped # SKIP not here"])


if __name__ == "__main__":
    kt.main()
