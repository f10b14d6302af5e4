# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs that are ended from outside: nothing may be left running."""

import json
import os
import signal
import time
import unittest

import ktstr_test as kt


class Endings(unittest.TestCase):
    def setUp(self):
        # Guests that wait for a job stay when one ends, which is test_pool's: each is cloned for its job.
        self.daemon = kt.GuestDaemon("--pool-max", "0")
        self.enterContext(self.daemon)

    def running_submit(self, *args):
        """A submit of a minute that has got as far as its workload."""
        client = self.daemon.ctl_start("submit", "--json", "--sched", kt.SCX_KTSTR, "--duration", "60s", *args)
        self.addCleanup(client.kill)
        for line in client.stdout:
            if json.loads(line)["kind"] == "step":
                return client
        raise AssertionError(client.stderr.read())

    def no_guests(self):
        kt.wait_until(lambda: not self.daemon.children(), "the guest to go")

    def test_ctrl_c_cancels(self):
        client = self.running_submit()
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 130, err)
        self.assertEqual(json.loads(out.splitlines()[-1])["verdict"]["verdict"], "cancelled")
        self.no_guests()

    def test_a_client_that_goes_away_cancels(self):
        client = self.running_submit()
        client.kill()
        client.communicate()
        self.no_guests()
        kt.wait_until(lambda: self.daemon.jobs()[0].get("verdict") == "cancelled", "the verdict")

    def test_a_detached_job_outlives_its_client(self):
        result = self.daemon.ctl("submit", "--detach", "--sched", kt.SCX_KTSTR, "--duration", "1s", *kt.UNTIMED)
        self.assertEqual(result.status, 0, result)
        job = result.out.strip()
        self.assertRegex(job, r"^[a-z0-9]+$")
        result = self.daemon.ctl("attach", "--json", job)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.verdict()["verdict"], "pass")

    def test_cancel_by_id(self):
        job = self.daemon.ctl("submit", "--detach", "--duration", "60s").out.strip()
        result = self.daemon.ctl("cancel", job)
        self.assertEqual(result.status, 0, result)
        result = self.daemon.ctl("attach", "--json", job)
        self.assertEqual((result.status, result.verdict()["verdict"]), (130, "cancelled"), result)

    def test_sigterm_to_the_daemon_ends_its_guests(self):
        client = self.running_submit()
        guests = self.daemon.children()
        self.assertTrue(guests)
        self.daemon.stop()
        for pid in guests:
            self.assertTrue(kt.gone(pid))
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertNotEqual(client.returncode, 0)
        self.daemon.start()

    def test_a_killed_daemon_leaves_no_guest(self):
        client = self.running_submit()
        guests = self.daemon.children()
        self.daemon.kill()
        for pid in guests:
            kt.wait_until(lambda: kt.gone(pid), f"QEMU {pid} to die with its daemon")
        client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 69)
        self.daemon.start()
        self.assertEqual(self.daemon.ctl("submit", "--json", "--duration", "1s", *kt.UNTIMED).status, 0)

    def test_a_job_has_its_time(self):
        started = time.monotonic()
        result = self.daemon.ctl("shell", "--exec", "sleep 60", "--timeout", "5s")
        self.assertEqual(result.status, 255, result)
        self.assertLess(time.monotonic() - started, 55)
        self.assertIn("came to no end within 5000 ms", result.err)
        # A healthy scheduler that was given too little time has not failed: to attach takes longer than what is left here beside the workload.
        result = self.daemon.ctl("submit", "--json", "--sched", kt.SCX_KTSTR, "--duration", "7s", "--timeout", "7010ms")
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["verdict"], verdict["error"]), (3, "error", "io.ktstrd.Job.Timeout"), result)
        result = self.daemon.ctl("submit", "--duration", "10s", "--timeout", "10s")
        self.assertEqual(result.status, 64, result)
        self.assertIn("over before a workload", result.err)

    def test_a_killed_qemu_is_the_hosts_fault(self):
        client = self.running_submit()
        for pid in self.daemon.children():
            os.kill(pid, signal.SIGKILL)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        verdict = json.loads(out.splitlines()[-1])["verdict"]
        self.assertEqual((client.returncode, verdict["verdict"], verdict["error"]), (3, "error", "io.ktstrd.Job.GuestDied"), out)
        self.assertIn("QEMU was killed", verdict["reason"])


if __name__ == "__main__":
    kt.main()
