# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test whose scheduler dies is run once more in a second guest, whose trace has what the kernel did before."""

import re
import unittest

import ktstr_test as kt

PROGRAM = kt.BUILD / "tests/programs/program-deaths"
KERNELS = ("6.16", "6.18", "7")


class Repro(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon(env={"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)})
        cls.enterClassContext(cls.daemon)

    def run_tests(self, *names, kernels=("6.18",)):
        """Verdicts and what their second runs showed, by label."""
        args = [arg for name in names for arg in ("--filter", f"ktstr/{name}")] + [arg for k in kernels for arg in ("--kernel", k)]
        result = self.daemon.ctl("test", PROGRAM, "--json", "--jobs", "2", *args, timeout=900)
        verdicts = {e["label"]: e["verdict"] for e in result.events() if e["kind"] == "verdict"}
        self.assertEqual({v["verdict"] for v in verdicts.values()}, {"fail"}, result)
        return verdicts, {e["label"]: e["repro"] for e in result.events() if e["kind"] == "repro"}, result

    def traced(self, repro, result):
        """What any trace of a scheduler at work has, within its bounds."""
        trace = repro["trace"]
        self.assertLessEqual(len(trace), 40)
        self.assertTrue(any(": sched_switch: " in line for line in trace), result)
        self.assertRegex(trace[0], r"^\S.* \[\d+\] ", result)
        # The agent, which looks around all the time, would fill it.
        self.assertFalse(any("prev_comm=swapper" in line and "next_pid=1 " in line for line in trace), result)
        # Nor what the kernel does in the scheduler's place.
        self.assertFalse(any("SCX_EV_BYPASS_" in line for line in trace), result)
        return trace

    def test_an_error_comes_again_and_ends_the_trace_on_each_kernel(self):
        verdicts, repros, result = self.run_tests("crashes", kernels=KERNELS)
        self.assertEqual(sorted(verdicts), sorted(repros), result)
        for label, repro in repros.items():
            with self.subTest(label):
                self.assertEqual((repro["outcome"], repro["reason"]), ("same", verdicts[label]["reason"]), result)
                self.assertGreaterEqual(repro["after_ms"], 0)
                self.assertNotEqual(repro["result_dir"], verdicts[label]["result_dir"])
                # Whichever event this kernel has for it; another CPU may have had its last word behind it.
                self.assertTrue(any(": sched_ext_exit: " in line or ": sched_ext_dump: " in line for line in self.traced(repro, result)), result)
                self.assertNotIn("trace", verdicts[label])

    def test_a_stall_and_a_killed_scheduler_come_again(self):
        verdicts, repros, result = self.run_tests("stalls", "is_killed")
        self.assertEqual({label: repro["outcome"] for label, repro in repros.items()}, {"ktstr/stalls": "same", "ktstr/is_killed": "same"}, result)
        self.assertEqual(verdicts["ktstr/stalls"]["scheduler"]["exit_kind"], "error_stall", result)
        self.assertEqual(verdicts["ktstr/is_killed"]["scheduler"]["exit_signal"], 9, result)
        for repro in repros.values():
            self.traced(repro, result)
        # The functions of its backtrace, with their arguments.
        self.assertTrue(any(re.search(r": scx_watchdog_workfn: \(\S+\) work=0x", line) for line in repros["ktstr/stalls"]["trace"]), result)

    def test_a_part_of_the_kernel_that_is_thrown_out_is_not_said_to_have_exited(self):
        verdicts, repros, result = self.run_tests("builtin_crashes")
        sched = verdicts["ktstr/builtin_crashes"]["scheduler"]
        self.assertEqual((sched["outcome"], sched["exit_kind"]), ("ejected", "error_bpf"), result)
        self.assertEqual(repros["ktstr/builtin_crashes"]["outcome"], "same", result)
        self.assertGreaterEqual(repros["ktstr/builtin_crashes"]["after_ms"], 0, result)
        self.traced(repros["ktstr/builtin_crashes"], result)

    def test_where_it_is_turned_off_once_is_enough(self):
        _, repros, result = self.run_tests("crashes_once")
        self.assertEqual(repros, {}, result)


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def submit(self, *args):
        run = lambda: self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--duration", "500ms", *kt.UNTIMED, *args)
        return kt.until_told(run).verdict()

    def test_it_is_there_when_it_is_asked_for(self):
        verdict = self.submit("--trace")
        self.assertEqual(verdict["verdict"], "pass", verdict)
        # The scheduler is told to go, and its process's end ends the trace.
        self.assertTrue(any("scx_ktstr" in line for line in verdict["trace"]), verdict)
        self.assertNotIn("trace", self.submit())

    def test_one_that_never_attached_has_none(self):
        verdict = self.submit("--trace", "--", "--fail-verify")
        self.assertEqual(verdict["scheduler"]["outcome"], "not_attached", verdict)
        self.assertNotIn("trace", verdict)


if __name__ == "__main__":
    kt.main()
