# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics of a daemon that has done something: what they count, and how they come out."""

import json
import os
import pathlib
import stat
import unittest

import kernel_files
import ktstr_test as kt
import openmetrics

METRICS = "io.ktstrd.Daemon.Metrics"
SUBMIT = "io.ktstrd.Job.Submit"


class Metrics(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", "--overcommit", "1", fake="ok")
        self.enterContext(self.daemon)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)

    def metrics(self):
        return openmetrics.read(self.daemon.call(METRICS)["parameters"]["text"])

    def submit(self, script, status):
        self.daemon.play(script)
        result = self.daemon.ctl("submit", "--json", "--duration", "1s")
        self.assertEqual(result.status, status, result)

    def start(self, script, state):
        """A job that has got as far as this, on a connection that keeps it."""
        self.daemon.play(script)
        wire = self.daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send(SUBMIT, {}, more=True)
        kt.wait_until(lambda: any(j["state"] == state for j in self.daemon.jobs()), f"the job to be {state}")
        return wire

    def test_jobs_are_counted_and_timed(self):
        before = self.metrics()
        self.assertEqual(sum(value for _, _, value in before["ktstrd_jobs_ended"].samples), 0)
        self.submit("ok", 0)
        self.submit("ok", 0)
        self.submit("die_before_hello", 3)
        self.submit("panic_running", 3)
        m = self.metrics()
        ended = {labels["verdict"]: value for _, labels, value in m["ktstrd_jobs_ended"].samples}
        self.assertEqual(ended, {"pass": 2, "fail": 0, "inconclusive": 0, "skip": 0, "cancelled": 0, "error": 2})
        failed = {labels["end"]: value for _, labels, value in m["ktstrd_guests_failed"].samples}
        self.assertEqual(failed, {"start": 0, "boot": 1, "crashed": 1, "died": 0, "protocol": 0})
        # All four had their turn; one never said anything.
        self.assertEqual(m["ktstrd_queue_wait_seconds"].value("_count"), 4)
        for family in ("ktstrd_handout_seconds", "ktstrd_boot_seconds"):
            with self.subTest(family=family):
                self.assertEqual(m[family].value("_count", source="cold"), 3)
                self.assertEqual(m[family].value("_count", source="clone"), 0)
        # A hand-out is the boot and what comes before it.
        boot, handout = (m[f"ktstrd_{name}_seconds"].value("_sum", source="cold") for name in ("boot", "handout"))
        self.assertGreater(boot, 0)
        self.assertGreater(handout, boot)

    def test_a_job_that_waits_is_seen_waiting(self):
        wire = self.start("wait_for_cancel", "running")
        # With all the vCPUs that a guest can have it does not fit beside another one.
        waiting = self.daemon.connect()
        self.addCleanup(waiting.socket.close)
        waiting.send(SUBMIT, {"topology": "1n1l255c1t", "memory_mib": 256, "accel": "tcg"}, more=True)
        kt.wait_until(lambda: any(j["state"] == "queued" for j in self.daemon.jobs()), "the second job to be queued")
        m = self.metrics()
        self.assertEqual((m["ktstrd_jobs_running"].value(), m["ktstrd_jobs_queued"].value()), (1, 1))
        self.assertEqual(m["ktstrd_queue_wait_seconds"].value("_count"), 1)
        self.assertEqual(m["ktstrd_connections"].value(), 3)
        waiting.socket.close()
        kt.wait_until(lambda: self.metrics()["ktstrd_jobs_queued"].value() == 0, "the second job to be cancelled")
        wire.socket.close()
        kt.wait_until(lambda: self.metrics()["ktstrd_jobs_running"].value() == 0, "the first job to be cancelled")
        m = self.metrics()
        self.assertEqual(m["ktstrd_jobs_ended"].value("_total", verdict="cancelled"), 2)
        # The one that was cancelled in the queue never had its turn.
        self.assertEqual(m["ktstrd_queue_wait_seconds"].value("_count"), 1)

    def test_what_the_process_has_is_what_the_system_says(self):
        m = self.metrics()
        status = self.daemon.call("io.ktstrd.Daemon.Status")["parameters"]
        self.assertEqual(m["ktstrd_build_info"].value(version=status["version"]), 1)
        self.assertAlmostEqual(m["ktstrd_resident_memory_bytes"].value(), status["rss_bytes"], delta=64 << 20)
        self.assertGreater(m["ktstrd_start_time_seconds"].value(), os.stat(self.daemon.dir).st_ctime - 3600)
        with self.daemon.connect() as wire:
            wire.call("io.ktstrd.Daemon.Ping")
            kt.wait_until(lambda: self.metrics()["ktstrd_open_fds"].value() == self.daemon.descriptors() + 1,
                          "the daemon's descriptors, with the one that asks")

    def test_they_are_there_while_the_daemon_drains(self):
        wire = self.start("wait_for_cancel", "running")
        self.assertEqual(self.daemon.ctl("drain").status, 0)
        self.assertEqual(self.daemon.call(SUBMIT)["error"], "io.ktstrd.Daemon.ShuttingDown")
        self.assertEqual(self.metrics()["ktstrd_jobs_running"].value(), 1)
        wire.socket.close()
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.daemon.start()

    # --- ktstrctl metrics ---

    def test_the_client_prints_the_text_as_it_is(self):
        self.submit("ok", 0)
        result = self.daemon.ctl("metrics")
        self.assertEqual((result.status, result.err), (0, ""), result)
        self.assertEqual(openmetrics.read(result.out)["ktstrd_jobs_ended"].value("_total", verdict="pass"), 1)
        result = self.daemon.ctl("metrics", "--json")
        self.assertEqual(result.status, 0, result)
        reply = json.loads(result.out)
        self.assertEqual(list(reply), ["text"])
        openmetrics.read(reply["text"])

    def test_a_file_is_replaced_whole(self):
        folder = self.daemon.dir / "collected"
        folder.mkdir()
        path = folder / "ktstrd.prom"
        path.write_text("older\n")
        path.chmod(0o600)
        with open(path) as reader:
            result = self.daemon.ctl("metrics", "--output", path)
            self.assertEqual((result.status, result.out, result.err), (0, "", ""), result)
            # Whoever has the old file open still has all of it.
            self.assertEqual(reader.read(), "older\n")
        openmetrics.read(path.read_text())
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
        self.assertEqual(os.listdir(folder), ["ktstrd.prom"])
        result = self.daemon.ctl("metrics", "--json", "--output", "here.json", cwd=folder)
        self.assertEqual((result.status, result.out), (0, ""), result)
        openmetrics.read(json.loads((folder / "here.json").read_text())["text"])

    def test_without_a_daemon_the_file_stays(self):
        path = self.daemon.dir / "ktstrd.prom"
        path.write_text("older\n")
        result = self.daemon.ctl("metrics", "--output", path, "--socket", self.daemon.dir / "nobody")
        self.assertEqual(result.status, 69, result)
        self.assertEqual(path.read_text(), "older\n")

    def test_what_is_no_file_is_not_replaced(self):
        device, link = self.daemon.dir / "device", self.daemon.dir / "link"
        os.mkfifo(device)
        link.symlink_to("/dev/null")
        for path in (device, link, self.daemon.dir, f"{self.daemon.dir}/", "/dev/null", self.daemon.dir / "none/x"):
            with self.subTest(path=path):
                result = self.daemon.ctl("metrics", "--output", path)
                self.assertEqual((result.status, result.out), (64, ""), result)
                self.assertEqual(len(result.err.splitlines()), 1, result)
                self.assertIn(str(path), result.err)
        self.assertTrue(stat.S_ISFIFO(device.stat().st_mode) and link.is_symlink() and pathlib.Path("/dev/null").is_char_device())


if __name__ == "__main__":
    kt.main()
