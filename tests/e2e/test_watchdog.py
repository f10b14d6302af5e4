# SPDX-License-Identifier: LGPL-2.1-or-later
"""The timeout of sched_ext's watchdog, where it is another one than the scheduler asks for."""

import re
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-watchdog"
KERNELS = ("6.16", "6.18", "7")


def instead(timeout_ms, own_ms):
    return f"watchdog timeout {timeout_ms} ms instead of the scheduler's {own_ms} ms"


class Watchdog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon(env={"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)})
        cls.enterClassContext(cls.daemon)

    def stalled(self, verdict, timeout_s, by_default=False):
        """It waited for about as long as the timeout is, on a busy host more, and not for the 30 s of the scheduler's own."""
        self.assertEqual((verdict["scheduler"]["outcome"], verdict["scheduler"]["exit_kind"]), ("ejected", "error_stall"), verdict)
        # Half of what is only the default is excused where the host took it: whoever runs this may be busy.
        if not (by_default and "the host may have kept a worker waiting for" in verdict["reason"]):
            self.assertEqual(verdict["verdict"], "fail", verdict)
        waited_s = float(re.search(r"runnable task stall: .* failed to run for ([0-9.]+)s", verdict["reason"])[1])
        self.assertTrue(timeout_s <= waited_s < 20, verdict)

    def told(self, result):
        """What was said of it, as events."""
        return [e["message"] for e in result.events() if e["kind"] == "note" and "watchdog timeout" in e["message"]]

    def submit(self, kernel, *args):
        return self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--kernel", kernel, "--duration", "2s", *kt.UNTIMED, *args)

    def test_a_stall_shows_after_the_jobs_timeout(self):
        for kernel in KERNELS:
            with self.subTest(kernel=kernel):
                result = self.submit(kernel, "--watchdog-timeout", "2s", "--", "--watchdog-timeout-ms", "30000", "--stall-after", "0.5")
                self.stalled(result.verdict(), 2)
                self.assertEqual(self.told(result), [instead(2000, 30000)])
                self.assertIn(instead(2000, 30000), result.verdict()["details"])

    def test_a_sound_scheduler_passes_with_a_longer_one(self):
        for kernel in KERNELS:
            with self.subTest(kernel=kernel):
                result = self.submit(kernel, "--watchdog-timeout", "9s")
                self.assertEqual(result.verdict()["verdict"], "pass", result)
                self.assertEqual(self.told(result), [instead(9000, 4000)])

    def test_what_it_asks_for_itself_is_nothing_to_tell(self):
        result = self.submit("7", "--watchdog-timeout", "4s")
        self.assertEqual((result.verdict()["verdict"], self.told(result)), ("pass", []), result)

    def test_tests_declare_it(self):
        # Those that stall would run twice beside the others, whose timeouts count on a CPU each.
        result = self.daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", "--no-auto-repro", timeout=900)
        verdicts = {e["label"].removeprefix("ktstr/"): e["verdict"] for e in result.events() if e["kind"] == "verdict"}
        told = {name: [d for d in v["details"] if "watchdog timeout" in d] for name, v in verdicts.items()}
        self.stalled(verdicts["declared"], 2)
        self.stalled(verdicts["replaced"], 2)
        bound_s = 10 if verdicts["bounded"]["guest"]["accel"] == "tcg" else 5
        self.stalled(verdicts["bounded"], bound_s, by_default=True)
        for name in ("sound", "shorter_than_the_bound", "left_alone", "restarted", "by_command", "of_no_watchdog"):
            self.assertEqual(verdicts[name]["verdict"], "pass", verdicts[name])
        # The kernel refuses it calls since: that is nobody's fault in the test.
        self.assertEqual((verdicts["without_supervisor"]["verdict"], verdicts["without_supervisor"]["reason"]),
                         ("error", "the agent in the guest could not do its part: widowed: what watches over its calls in the guest ended before it "
                                   "did, and the kernel refuses them since"),
                         verdicts["without_supervisor"])
        # Once, whatever came and went.
        self.assertEqual(told, {"declared": [instead(2000, 30000)], "replaced": [instead(2000, 30000)], "bounded": [instead(bound_s * 1000, 30000)],
                                "sound": [instead(8000, 30000)], "shorter_than_the_bound": [], "left_alone": [], "restarted": [instead(8000, 30000)],
                                "without_supervisor": [],
                                "by_command": [instead(8000, 30000)],
                                "of_no_watchdog": ["knob attached nothing to sched_ext, whose watchdog timeout would be 8000 ms"]})


if __name__ == "__main__":
    kt.main()
