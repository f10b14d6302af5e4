# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each way in which a scheduler or a guest can go wrong, and the words for it."""

import unittest

import ktstr_test as kt

# For what a fault ends after a second: a guest that a busy host lets run only then has it all the same.
LONG = ("--duration", "20s")


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def submit(self, *args, **kwargs):
        return self.daemon.ctl("submit", "--json", *args, **kwargs)

    def failed(self, result, outcome, *words):
        """A fail whose reason has these words; the scheduler's part of the verdict."""
        self.assertEqual(result.status, 1, result)
        verdict = result.verdict()
        self.assertEqual(verdict["verdict"], "fail")
        self.assertEqual(verdict["scheduler"]["outcome"], outcome)
        for word in words:
            self.assertIn(word, verdict["reason"])
        return verdict["scheduler"]

    def script(self, text):
        """A scheduler that is a shell script: /bin/sh in a guest is busybox."""
        path = self.daemon.dir / "scx_script"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def test_a_stall_is_the_kernels_watchdogs(self):
        for version in ("6.16", "6.18", "7"):
            with self.subTest(kernel=version):
                # Shorter than the watchdog takes: the job waits for it all the same.
                result = self.submit("--sched", kt.SCX_KTSTR, "--kernel", version, "--duration", "2s", "--", "--stall-after", "1")
                sched = self.failed(result, "ejected", "threw scx_ktstr out", "runnable task stall", "failed to run for")
                self.assertEqual(sched["exit_kind"], "error_stall")
                self.assertEqual(sched["exit_reason"], "runnable task stall")
                self.assertIn("failed to run for", sched["exit_message"])
                self.assertRegex(sched["dump"], r"R ktstr-worker\[\d+\]")
                self.assertIn("runnable task stall", sched["error_text"])
                self.assertIn("CPU states", sched["dump"])

    def test_a_crash_has_the_schedulers_message(self):
        result = self.submit("--sched", kt.SCX_KTSTR, *LONG, "--", "--crash-after", "1")
        sched = self.failed(result, "ejected", "scx_bpf_error", "host-triggered crash")
        self.assertEqual(sched["exit_kind"], "error_bpf")

    def test_the_verifier_is_quoted_first(self):
        for fault in ("--fail-verify", "--verify-loop"):
            with self.subTest(fault=fault):
                result = self.submit("--sched", kt.SCX_KTSTR, "--", fault)
                sched = self.failed(result, "not_attached", "never attached, it exited with status 1",
                                  "R1 invalid mem access", "ktstr_enqueue", "scx_ktstr.bpf.c:")
                self.assertIn("processed", sched["verifier_log"])
                self.assertFalse(sched["attached"])
        text = self.daemon.ctl("submit", "--sched", kt.SCX_KTSTR, "--", "--verify-loop").out.splitlines()
        verdict = next(i for i, line in enumerate(text) if line.startswith("FAIL "))
        self.assertIn("R1 invalid mem access", text[verdict])
        self.assertIn("error:", text[verdict + 1])

    def test_exits_are_told_apart(self):
        self.failed(self.submit("--sched", self.script("exit 0\n")), "not_attached", "never attached, it exited with status 0")
        self.failed(self.submit("--sched", self.script("echo no luck >&2; exit 7\n")), "not_attached", "exited with status 7", "no luck")
        self.failed(self.submit("--sched", self.script("kill -SEGV $$\n")), "not_attached", "signal 11 killed it")

    def test_ends_during_the_workload_are_told_apart(self):
        result = self.submit("--sched", kt.SCX_KTSTR, *LONG, "--", "--exit-after", "1")
        self.assertTrue(self.failed(result, "exited", "exited cleanly (status 0) before the workload ended")["attached"])
        result = self.submit("--sched", kt.SCX_KTSTR, *LONG, "--", "--exit-after", "1", "--exit-code", "9")
        self.assertEqual(self.failed(result, "failed", "exited with status 9 before the workload ended")["exit_code"], 9)
        result = self.submit("--sched", kt.SCX_KTSTR, *LONG, "--", "--kill-after", "1")
        self.assertEqual(self.failed(result, "killed", "killed by signal 9 (Killed) before the workload ended")["exit_signal"], 9)

    def test_one_that_lets_go_and_stays_is_told_from_one_that_was_killed(self):
        result = self.submit("--sched", kt.SCX_KTSTR, "--", "--release-after", "1")
        self.failed(result, "released", "let go of sched_ext by itself before the workload ended, and did not exit")

    def test_a_wrappers_child_is_stopped_as_well(self):
        def took_ms(result):
            begin = next(e["elapsed_ms"] for e in result.events() if e.get("state") == "stopping")
            return result.events()[-1]["elapsed_ms"] - begin

        result = kt.until_told(lambda: self.submit("--sched", kt.SCX_KTSTR, "--duration", "1s", *kt.UNTIMED, "--", "--wrapped"),
                               lambda result: took_ms(result) < 8000)
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["scheduler"]["outcome"]), (0, "stopped"), result)
        self.assertLess(took_ms(result), 8000)

    def test_bad_arguments_of_a_scheduler_are_its_own_words(self):
        result = self.submit("--sched", kt.SCX_KTSTR, "--", "--no-such-option")
        self.failed(result, "not_attached", "exited with status 2", "option '--no-such-option' is unknown")

    def test_a_guest_that_panics_shows_its_console_at_once(self):
        result = self.daemon.ctl("shell", "--exec", "echo c >/proc/sysrq-trigger; sleep 100", timeout=60)
        self.assertEqual(result.status, 255, result)
        self.assertIn("Kernel panic - not syncing: sysrq triggered crash", result.err)

    def test_more_workers_than_its_memory_holds_are_refused(self):
        result = self.submit("--sched", kt.SCX_KTSTR, "--topology", "1n1l1c1t", "--workers", "1024", "--duration", "2s")
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["verdict"]), (3, "error"), result.out[-3000:])
        self.assertRegex(verdict["reason"], r"2048 workers need about 256 MiB and its memory has \d+ MiB free: give it more \(--memory; \.memory_mib of a test\), or fewer workers")

    def test_a_guest_whose_memory_runs_out_is_not_the_schedulers_fault(self):
        # A line without end, kept whole by what calls itself a scheduler.
        hog = self.script("tail /dev/zero\n")
        verdict = self.submit("--sched", hog, "--duration", "1s").verdict()
        self.assertEqual(verdict["verdict"], "error", verdict)
        self.assertIn("memory ran out", verdict["reason"])

    def test_a_guest_without_memory_to_boot_says_so(self):
        result = self.submit("--memory", "128", "--topology", "1n1l1c1t", "--duration", "1s")
        verdict = result.verdict()
        if verdict["verdict"] == "pass":
            self.assertEqual(verdict["guest"]["memory_mib"], 128)
        else:
            self.assertEqual(verdict["verdict"], "error", result)
            self.assertIn("128", verdict["reason"] + " ".join(verdict["details"]))


if __name__ == "__main__":
    kt.main()
