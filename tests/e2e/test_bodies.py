# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test's body may do wrong, in a real guest: each ends in a verdict that says so, and is not the scheduler's fault."""

import concurrent.futures
import json
import os
import pathlib
import time
import unittest

import ktstr_test as kt

UNRULY = kt.BUILD / "tests/programs/program-unruly"


class Bodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon(env={"PATH": f"{kt.SCX_KTSTR.parent}:{os.environ['PATH']}"})
        cls.enterClassContext(cls.daemon)

    def run_test(self, name, *args):
        """The verdict of one."""
        result = self.daemon.ctl("test", "--json", UNRULY, "--filter", f"ktstr/{name}", *args, timeout=400)
        verdicts = [e["verdict"] for line in result.out.splitlines() for e in [json.loads(line)]
                    for e in [e.get("event", e)] if e.get("kind") == "verdict"]
        self.assertEqual(len(verdicts), 1, result)
        return verdicts[0]

    def in_error(self, name, *words, args=()):
        verdict = self.run_test(name, *args)
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.TestProgram"), verdict)
        for word in words:
            self.assertIn(word, verdict["reason"])
        self.assertEqual(verdict["scheduler"]["outcome"], "stopped", verdict)
        return verdict

    def passed(self, name, *args):
        verdict = self.run_test(name, *args)
        self.assertEqual(verdict["verdict"], "pass", verdict)
        return verdict

    def output(self, verdict):
        return (pathlib.Path(verdict["result_dir"]) / "output.log").read_bytes()

    def test_a_test_that_does_nothing_passes(self):
        self.assertEqual(self.passed("empty")["scheduler"]["outcome"], "stopped")
        self.assertNotIn("scheduler", self.passed("empty_eevdf"))

    def test_ends_of_a_program_are_told_apart(self):
        verdict = self.in_error("crashes", "the test program was killed by signal 11 (Segmentation fault) in test crashes")
        self.assertIn(b"about to fall\n", self.output(verdict))
        self.in_error("crashes_late", "killed by signal 6 (Aborted) in test crashes_late")
        self.in_error("exits", "exited with status 3 in test exits, without a result")
        self.in_error("ends_itself", "killed by signal 9 (Killed) in test ends_itself")

    def test_what_is_no_line_is_quoted(self):
        self.in_error("talks_nonsense", "broke its conversation with the agent", '"Hello, agent"')

    def test_one_that_never_ends_is_ended_and_the_scheduler_not_blamed(self):
        # It has 20 s, longer than the scheduler's watchdog takes: a body that spins must not keep it from its CPU.
        args = ("--duration", "1s", "--timeout", "40s")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for end in [pool.submit(self.in_error, name, f"test {name} did not end within", "and was killed", args=args)
                        for name in ("loops", "sleeps")]:
                end.result()

    def test_workers_of_the_highest_priority_do_not_keep_it_from_being_ended(self):
        verdict = self.run_test("outranks", "--timeout", "40s")
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.TestProgram"), verdict)
        self.assertRegex(verdict["reason"], r"test outranks did not end within \d+ ms and was stopped")

    def test_one_that_forks_without_end_is_ended(self):
        begin = time.monotonic()
        verdict = self.in_error("forks", args=("--duration", "1s", "--timeout", "300s"))
        self.assertRegex(verdict["reason"], r"test forks started processes without end \(more than \d+ at a time\) and was killed")
        # At once, and not when its time is over.
        self.assertLess(time.monotonic() - begin, 270)

    def test_what_a_guest_cannot_have_is_named(self):
        for name, words in (("knob", "cannot enable no_knob: 'echo 1 >/proc/sys/no_knob' exited with status 1: "),
                            ("way_back", "cannot disable no_way_back: 'exit 3' exited with status 3"),
                            ("sysctl", "cannot set the sysctl kernel.no_such to '1': this kernel has no such one"),
                            ("parent", "cannot make the cgroup parent /sys/fs/cgroup/cgroup.procs/below: Not a directory")):
            with self.subTest(name=name):
                verdict = self.run_test(f"declares_no_{name}")
                self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.TestProgram"), verdict)
                self.assertTrue(verdict["reason"].startswith(words), verdict["reason"])

    def test_processes_that_lost_their_parent_are_no_longer_counted(self):
        self.passed("orphans", "--timeout", "200s")

    def test_one_that_takes_all_memory_is_told_what_it_can_declare(self):
        verdict = self.run_test("fills")
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.TestProgram"), verdict)
        self.assertRegex(verdict["reason"], r"^the guest's memory ran out \(Killed process \d+ \(program-unruly\).*\): the test needs a larger "
                         r"\.memory_mib, or fewer workers$")

    def test_a_gigabyte_fills_no_disk(self):
        verdict = self.passed("prints", "--timeout", "300s")
        output = self.output(verdict)
        self.assertLess(len(output), 10 << 20)
        self.assertRegex(output[-10000:], rb"\[ktstr: \d+ of the 10737418\d\d bytes printed are not kept\]")
        self.assertTrue(output.endswith(b"the last words\n"))

    def test_bytes_one_by_one_arrive(self):
        self.assertEqual(self.output(self.passed("prints_bytes", "--timeout", "120s")), b"y\n" * 300000)

    def test_what_it_leaves_is_cleared_away(self):
        self.assertEqual(self.passed("leaves")["scheduler"]["exit_code"], 0)

    def test_a_scheduler_is_restarted_detached_and_replaced(self):
        verdict = self.passed("restarts", "--timeout", "120s")
        self.assertEqual((verdict["scheduler"]["outcome"], verdict["scheduler"]["attached"]), ("stopped", True))
        self.assertEqual(self.passed("detaches", "--timeout", "120s")["scheduler"]["outcome"], "stopped")
        # The one that took its place stalls.
        verdict = self.run_test("replaces", "--duration", "2s", "--timeout", "150s")
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("fail", "ejected"), verdict)
        self.assertIn("runnable task stall", verdict["reason"])

    def test_a_stall_is_still_the_schedulers(self):
        verdict = self.run_test("stalls", "--timeout", "120s")
        self.assertEqual((verdict["verdict"], verdict["scheduler"]["outcome"]), ("fail", "ejected"), verdict)
        self.assertIn("runnable task stall", verdict["reason"])


if __name__ == "__main__":
    kt.main()
