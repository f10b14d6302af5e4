# SPDX-License-Identifier: LGPL-2.1-or-later
"""The queue: who starts when, what those who wait are told, and what is refused. The guests are played by the fake QEMU."""

import unittest

import kernel_files
import ktstr_test as kt

JOB = "io.ktstrd.Job."
JOBS_KEPT = 256


class QueueTest(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        self.enterContext(self.daemon)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)

    def submit(self, **parameters):
        """A detached job."""
        reply = self.daemon.call(JOB + "Submit", detach=True, **parameters)
        self.assertNotIn("error", reply)
        return reply["parameters"]["job"]

    def show(self, job):
        return self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]

    def wait_for(self, job, state):
        kt.wait_until(lambda: self.show(job)["state"] == state, f"{job} to be {state}")

    def cancel(self, job):
        self.assertNotIn("error", self.daemon.call(JOB + "Cancel", job=job))


class Endings(QueueTest):
    """What is remembered of jobs that have ended has a limit: the one that ends must not be forgotten while it does."""

    def test_the_oldest_may_end_last(self):
        self.daemon.play("wait_for_cancel")
        oldest = self.submit()
        self.wait_for(oldest, "running")
        for _ in range(JOBS_KEPT):
            self.cancel(self.submit(topology="1n1l255c1t", memory_mib=128))
        self.cancel(oldest)
        kt.wait_until(lambda: self.daemon.call(JOB + "Show", job=oldest).get("error") == JOB + "NoSuchJob", "the oldest to be forgotten")
        self.assertEqual(len(self.daemon.call(JOB + "List", limit=1000)["parameters"]["jobs"]), JOBS_KEPT)

    def test_a_verdict_may_be_answered_by_the_end_of_another_job(self):
        self.daemon.play("wait_for_cancel")
        with self.daemon.connect() as wire:
            wire.send(JOB + "Submit", {})
            kt.wait_until(lambda: self.daemon.jobs()[0]["state"] == "running", "the job to run")
            oldest = self.daemon.jobs()[0]["job"]
            for _ in range(JOBS_KEPT):
                self.cancel(self.submit(topology="1n1l255c1t", memory_mib=128))
            # Read as soon as the verdict is out, in the midst of its being given.
            wire.send(JOB + "Cancel", {"job": self.submit(topology="1n1l255c1t", memory_mib=128)})
            self.cancel(oldest)
            self.assertEqual(wire.receive()["parameters"]["event"]["verdict"]["verdict"], "cancelled")
            self.assertNotIn("error", wire.receive())


if __name__ == "__main__":
    kt.main()
