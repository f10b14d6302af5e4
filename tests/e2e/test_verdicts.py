# SPDX-License-Identifier: LGPL-2.1-or-later
"""Schedulers and EEVDF under `steady` in real guests: what a sound run looks like, on each kernel, and that nothing is left of it."""

import pathlib
import unittest

import ktstr_test as kt


class Verdicts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def judged(self, *args):
        """By the default checks, on a host that had time for it."""
        return kt.until_told(lambda: self.daemon.ctl("submit", "--json", *args))

    def check_pass(self, result, ops):
        self.assertEqual(result.status, 0, result)
        verdict = result.verdict()
        self.assertEqual(verdict["verdict"], "pass", result)
        self.assertEqual(verdict["scheduler"]["ops"], ops)
        self.assertEqual(verdict["scheduler"]["outcome"], "stopped")
        self.assertEqual(verdict["scheduler"]["exit_code"], 0)
        self.assertGreater(verdict["scheduler"]["attach_ms"], 0)
        return verdict

    def test_scx_ktstr_passes_on_each_kernel(self):
        for version in ("6.16", "6.18", "7"):
            with self.subTest(kernel=version):
                result = self.judged("--sched", kt.SCX_KTSTR, "--kernel", version, "--duration", "2s")
                verdict = self.check_pass(result, "ktstr")
                self.assertTrue(verdict["guest"]["release"].startswith(version), verdict["guest"])
                self.assertIn("tcg" if verdict["guest"]["accel"] == "tcg" else "kvm", verdict["guest"]["accel"])
                self.assertTrue(verdict["guest"]["accel_reason"])
                self.assertEqual({c["name"] for c in verdict["checks"]}, {"not_starved", "gap", "spread"})
                self.assertEqual([g["name"] for g in verdict["cgroups"]], ["cg_0", "cg_1"])
                self.assertEqual(len(verdict["workers"]), 4)
                for worker in verdict["workers"]:
                    self.assertGreater(worker["work_units"], 0)
                    self.assertGreater(worker["cpu_ns"], 0)
                    self.assertGreaterEqual(worker["wall_ns"], 1_900_000_000)

    def test_events_come_in_order_and_are_kept(self):
        result = self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--duration", "1s", *kt.UNTIMED)
        events = result.events()
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        stages = [(e.get("step", e["kind"]), e.get("state")) for e in events if e["kind"] != "log"]
        self.assertEqual(stages, [("queued", None), ("guest", "booting"), ("guest", "running"), ("scheduler", "starting"),
                                  ("scheduler", "attached"), ("workload", "begin"), ("step 0", "begin"), ("step 0", "end"),
                                  ("workload", "end"), ("scheduler", "stopping"), ("guest", "gone"), ("verdict", None)])
        log = "".join(e["text"] for e in events if e.get("stream") == "scheduler_stderr")
        self.assertIn("EXIT: unregistered from user space", log)
        job = self.daemon.jobs()[0]["job"]
        again = self.daemon.ctl("attach", "--json", job)
        self.assertEqual(again.status, 0, again)
        self.assertEqual(again.events(), events)
        kept = pathlib.Path(result.verdict()["result_dir"])
        self.assertIn("EXIT: unregistered", (kept / "scheduler.log").read_text())
        self.assertTrue((kept / "verdict.json").stat().st_size > 0)

    def test_eevdf_is_a_baseline(self):
        result = self.judged("--duration", "2s")
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["verdict"]), (0, "pass"), result)
        self.assertNotIn("scheduler", verdict)
        self.assertIn("EEVDF", verdict["reason"])

    def test_schedulers_that_nobody_here_wrote(self):
        result = self.daemon.ctl("submit", "--json", "--sched", kt.data("scheds") / "scx_simple", "--duration", "2s", *kt.UNTIMED)
        self.check_pass(result, "simple")
        result = self.daemon.ctl("submit", "--json", "--sched", kt.data("scheds") / "scx_qmap", "--kernel", "6.16",
                                 "--duration", "2s", *kt.UNTIMED)
        self.check_pass(result, "qmap")

    def test_a_scheduler_for_another_kernel_is_told_by_libbpf(self):
        result = self.daemon.ctl("submit", "--json", "--sched", kt.data("scheds") / "scx_qmap", "--kernel", "6.18")
        self.assertEqual(result.status, 1, result)
        verdict = result.verdict()
        self.assertEqual(verdict["scheduler"]["outcome"], "not_attached")
        self.assertIn("scx_bpf_consume", verdict["reason"])

    def test_the_schedulers_arguments_and_workers(self):
        result = self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--workers", "3", "--duration", "1s", *kt.UNTIMED, "--",
                                 "--watchdog-timeout-ms", "9000", "--exit-dump-len", "4096")
        verdict = self.check_pass(result, "ktstr")
        self.assertEqual(verdict["scheduler"]["args"], ["--watchdog-timeout-ms", "9000", "--exit-dump-len", "4096"])
        self.assertEqual([g["workers"] for g in verdict["cgroups"]], [3, 3])

    def test_many_workers_are_all_let_go_and_nobody_waits_for_them(self):
        result = self.daemon.ctl("submit", "--json", "--workers", "60", "--duration", "3s", "--memory", "512M")
        verdict = result.verdict()
        self.assertEqual(len(verdict["workers"]), 120)
        self.assertEqual([w["tid"] for w in verdict["workers"] if w["work_units"] == 0], [], result.out[-3000:])
        result = self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--workers", "60", "--duration", "3s", "--memory", "512M")
        begin, end = (e["elapsed_ms"] for e in result.events() if e.get("step") == "workload")
        self.assertLess(end - begin, 20000)

    def test_the_faults_that_stay_attached_announce_themselves(self):
        for fault in ("degrade", "slow", "scattershot"):
            with self.subTest(fault=fault):
                result = self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--duration", "1s", "--", f"--{fault}")
                self.assertTrue(result.verdict()["scheduler"]["attached"], result)
                said = "".join(e["text"] for e in result.events() if e.get("stream", "").startswith("scheduler_"))
                self.assertIn(fault, said)

    def test_a_scheduler_is_found_by_name(self):
        for env in ({"KTSTR_SCHEDULER_BIN_SCX_KTSTR": str(kt.SCX_KTSTR)}, {"PATH": f"{kt.SCX_KTSTR.parent}:/usr/bin:/bin"}):
            result = self.daemon.ctl("submit", "--json", "--sched", "scx_ktstr", "--duration", "1s", *kt.UNTIMED, env=env)
            self.check_pass(result, "ktstr")

    def test_text_for_people_ends_in_the_verdict(self):
        result = self.daemon.ctl("submit", "--sched", kt.SCX_KTSTR, "--duration", "1s", *kt.UNTIMED)
        self.assertEqual(result.status, 0, result)
        self.assertIn("\nPASS scx_ktstr: ", result.out)
        self.assertNotIn("\x1b", result.out)


if __name__ == "__main__":
    kt.main()
