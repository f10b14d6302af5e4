# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a job expects and demands of its scheduler, on real guests: the crash that has to come, and thresholds that are missed."""

import unittest

import ktstr_test as kt

JOB = "io.ktstrd.Job."
CRASH = "ktstr: host-triggered crash"


class Expect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def verdict(self, *args, kernel="6.18", duration_ms=3000, **parameters):
        scheduler = {"name": "scx_ktstr", "path": str(kt.SCX_KTSTR), "args": list(args)}
        reply = self.daemon.call(JOB + "Submit", kernel=kernel, duration_ms=duration_ms, scheduler=scheduler, **parameters)
        self.assertNotIn("error", reply)
        return reply["parameters"]["event"]["verdict"]

    def test_the_expected_crash_is_a_pass(self):
        for kernel in ("6.16", "6.18", "7"):
            with self.subTest(kernel=kernel):
                verdict = self.verdict("--crash-after", "1", kernel=kernel, duration_ms=10000,
                                       expect={"error": True, "contains": CRASH, "matches": r"(?m)^EXIT: .*\(ktstr: host-\w+ crash\)$"})
                self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("pass", "ejected"), verdict)
                self.assertIn("scx_ktstr ended in the expected error", verdict["reason"])

    def test_another_text_is_a_fail_with_what_there_was(self):
        verdict = self.verdict("--crash-after", "1", duration_ms=10000, expect={"error": True, "contains": "something else"})
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("fail", "ejected"), verdict)
        self.assertIn("expected error with 'something else'", verdict["reason"])
        self.assertIn(CRASH, verdict["reason"])

    def test_without_a_crash_it_is_a_fail(self):
        verdict = self.verdict(expect={"error": True, "contains": CRASH}, checks=kt.UNTIMED_CHECKS)
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "expected error but test passed"), verdict)

    def test_what_never_attached_is_not_the_expected_error(self):
        verdict = self.verdict("--fail-verify", expect={"error": True})
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("fail", "not_attached"), verdict)
        self.assertIn("expected error, and a scheduler that never attached is not it", verdict["reason"])

    def test_a_floor_for_iterations_is_kept_or_missed(self):
        verdict = self.verdict("--slow", checks={"min_iteration_rate": 1})
        self.assertIn("iteration_rate", [c["name"] for c in verdict["checks"] if c["verdict"] == "pass"], verdict)
        verdict = self.verdict("--slow", checks={"min_iteration_rate": 1e12})
        # A host that was away half of the time explains even this.
        self.assertIn(verdict["verdict"], ("fail", "inconclusive"), verdict)
        self.assertRegex(verdict["reason"], r"^worker \d+ iteration rate [0-9.]+/s below floor 1000000000000\.0/s")


if __name__ == "__main__":
    kt.main()
