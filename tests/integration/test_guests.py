# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon against a fake QEMU that does all that a guest can do wrong: each ends in one verdict, and nothing is left of it."""

import json
import shutil
import pathlib
import time
import unittest

import kernel_files
import ktstr_test as kt

JOB = "io.ktstrd.Job."


class Guests(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        self.enterContext(self.daemon)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)

    def submit(self, *args):
        return self.daemon.ctl("submit", "--json", "--duration", "1s", *args)

    def settled(self):
        """No QEMU is left."""
        kt.wait_until(lambda: not self.daemon.children(), "QEMU to go")

    def start(self, script, kind, state=None, **parameters):
        """A connection whose job has got as far as this event."""
        self.daemon.play(script)
        wire = self.daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send(JOB + "Submit", parameters, more=True)
        while True:
            reply = wire.receive()
            event = reply["parameters"].get("event", {})
            if event.get("kind") == kind and (state is None or event.get("state") == state):
                return wire, reply["parameters"]["job"]
            self.assertNotIn("error", reply)

    def ended(self, job):
        kt.wait_until(lambda: self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]["state"] == "ended", "the verdict")
        return self.daemon.call(JOB + "Show", job=job)["parameters"]["verdict"]

    def test_a_job_goes_through(self):
        result = self.submit()
        self.assertEqual((result.status, result.verdict()["verdict"]), (0, "pass"), result)
        handed = self.daemon.handed.read_text().splitlines()
        self.assertEqual(json.loads(handed[0].removeprefix("job "))["run"]["scenario"], "steady")
        self.settled()

    def test_the_program_goes_over_with_its_libraries(self):
        result = self.submit("--sched", "/bin/ls")
        handed = self.daemon.handed.read_text()
        self.assertIn("libc.so.6", handed, result)
        self.assertIn("ld-linux-x86-64.so.2", handed)
        self.assertIn("/ls ", handed)

    def test_libraries_that_every_guest_has_do_not_come_with_a_job(self):
        """What is beside the agent as ktstr-rehearsal brings its own into the guests' image: here /bin/cat, which has libc."""
        folder = self.daemon.dir / "libexec"
        folder.mkdir()
        shutil.copy("/bin/true", folder / "ktstr-guest")
        shutil.copy("/bin/cat", folder / "ktstr-rehearsal")
        other = folder / "libc.so.6"
        other.write_text("another libc")

        def files(daemon, **parameters):
            daemon.handed.unlink(missing_ok=True)
            with daemon.connect() as wire, open("/bin/ls", "rb") as program, open(other, "rb") as library:
                wire.send(JOB + "Submit", parameters, (program.fileno(), library.fileno()))
                self.assertNotIn("error", wire.receive())
            return {line.split()[1] for line in daemon.handed.read_text().splitlines() if line.startswith("file ")}

        common = {"/ktstr/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}
        every = files(self.daemon, scheduler={"name": "x", "path": "/bin/ls"})
        self.assertLess(common, every)
        with kt.Daemon("--agent", folder / "ktstr-guest", "--busybox", "/bin/true", fake="ok", kernels=self.daemon.kernels) as daemon:
            self.assertEqual(files(daemon, scheduler={"name": "x", "path": "/bin/ls"}), every - common)
            # Of the same name, and not the same.
            came = files(daemon, scheduler={"name": "x", "program_fd": 0, "libraries": [{"guest_path": "/ktstr/lib/libc.so.6", "file_fd": 1}]})
            self.assertEqual(came, {"/ktstr/bin/x", "/ktstr/lib/libc.so.6"})

    def test_what_goes_wrong_has_its_name(self):
        for script, error, words in (
                ("refuse_args", "GuestStart", "QEMU"),
                ("die_before_hello", "GuestBoot", "code 3"),
                ("panic", "GuestBoot", "Kernel panic"),
                ("panic_running", "GuestDied", "Kernel panic"),
                ("die_after_hello", "GuestDied", "signal"),
                ("poweroff_early", "GuestDied", "power"),
                ("kvm_error", "GuestDied", "KVM internal error"),
                ("die_paused", "GuestStart", "QEMU exited with code 4"),
                ("broken_qmp", "GuestStart", "QMP"),
                ("refuse_cont", "GuestBoot", "cont"),
                ("early_frame", "GuestProtocol", "first frame is no HELLO"),
                ("two_hellos", "GuestProtocol", "no guest may send"),
                ("bad_hello", "GuestProtocol", "HELLO is no JSON object"),
                ("host_frame", "GuestProtocol", "no guest may send"),
                ("garbage_frames", "GuestProtocol", "an event has no kind"),
                ("oversized_frame", "GuestProtocol", "larger than any may be")):
            with self.subTest(script=script):
                self.daemon.play(script)
                result = self.submit()
                self.assertEqual(result.status, 3, result)
                verdict = result.verdict()
                self.assertEqual((verdict["verdict"], verdict["error"]), ("error", JOB + error), result)
                self.assertIn(words, verdict["reason"])
                self.settled()

    def test_a_guest_that_never_says_anything_has_its_time(self):
        for script in ("never_qmp", "never_hello", "hang_after_hello"):
            with self.subTest(script=script):
                self.daemon.play(script)
                result = self.submit("--timeout", "3s")
                self.assertEqual(result.status, 3, result)
                self.assertEqual(result.verdict()["error"], JOB + "Timeout")
                self.settled()

    def test_a_guest_without_mailbox_gets_its_job_over_the_port(self):
        for script in ("no_mailbox", "slow_port"):
            with self.subTest(script=script):
                self.daemon.play(script)
                result = self.submit("--sched", "/bin/ls")
                self.assertEqual(result.status, 0, result)
                self.assertIn("cannot read its mailbox", result.verdict()["details"][0])
                self.assertIn("/ls ", self.daemon.handed.read_text())

    def test_output_that_never_ends_is_bounded(self):
        self.daemon.play("flood")
        started = time.monotonic()
        result = self.submit("--timeout", "4s")
        self.assertLess(time.monotonic() - started, 60)
        self.assertEqual(result.verdict()["error"], JOB + "Timeout")
        self.assertLess(self.daemon.call("io.ktstrd.Daemon.Status")["parameters"]["rss_bytes"], 600 << 20)
        self.settled()

    def test_a_console_that_floods_does_no_harm(self):
        self.daemon.play("console_flood")
        self.assertEqual(self.submit().status, 0)

    def test_clients_may_leave_at_any_moment(self):
        self.submit()
        self.settled()
        descriptors = self.daemon.descriptors()
        for script, kind, state in (("never_qmp", "queued", None), ("never_qmp", "guest", "booting"), ("never_hello", "guest", "booting"),
                                    ("hang_after_hello", "guest", "running"), ("wait_for_cancel", "guest", "running"),
                                    ("flood", "guest", "running")):
            with self.subTest(script=script, kind=kind):
                wire, job = self.start(script, kind, state)
                wire.socket.close()
                self.assertEqual(self.ended(job)["verdict"], "cancelled")
                self.settled()
                kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")

    def test_cancel_at_any_moment_is_one_verdict(self):
        for script, kind, state in (("never_qmp", "guest", "booting"), ("never_hello", "guest", "booting"),
                                    ("hang_after_hello", "guest", "running"), ("wait_for_cancel", "guest", "running")):
            with self.subTest(script=script):
                wire, job = self.start(script, kind, state)
                for _ in range(3):
                    self.assertNotIn("error", self.daemon.call(JOB + "Cancel", job=job))
                verdicts = []
                while True:
                    reply = wire.receive()
                    if reply["parameters"].get("event", {}).get("kind") == "verdict":
                        verdicts.append(reply["parameters"]["event"]["verdict"]["verdict"])
                    if not reply.get("continues"):
                        break
                self.assertEqual(verdicts, ["cancelled"])
                self.settled()

    def test_attach_resumes_after_a_number(self):
        self.submit()
        job = self.daemon.jobs()[0]["job"]
        everything = self.daemon.ctl("attach", "--json", job).events()
        with self.daemon.connect() as wire:
            wire.send(JOB + "Attach", {"job": job, "since": 3}, more=True)
            got = []
            while True:
                reply = wire.receive()
                if "event" in reply["parameters"]:
                    got.append(reply["parameters"]["event"])
                if not reply.get("continues"):
                    break
        self.assertEqual(got, everything[3:])

    def test_many_watch_one_job(self):
        wire, job = self.start("wait_for_cancel", "guest", "running")
        watchers = [self.daemon.ctl_start("attach", "--json", job) for _ in range(5)]
        for watcher in watchers:
            watcher.stdout.readline()
        watchers[0].kill()
        watchers[0].communicate()
        self.daemon.call(JOB + "Cancel", job=job)
        outs = [w.communicate(timeout=kt.PATIENCE_S)[0] for w in watchers[1:]]
        self.assertEqual({w.returncode for w in watchers[1:]}, {130})
        for out in outs:
            self.assertEqual(json.loads(out.splitlines()[-1])["kind"], "verdict")
        wire.socket.close()

    def test_jobs_beyond_the_host_wait_their_turn(self):
        wires = [self.start("wait_for_cancel", "guest", "running", topology="1n1l8c1t")]
        self.daemon.play("wait_for_cancel")
        waiting = self.daemon.ctl("submit", "--detach", "--topology", "1n1l64c1t").out.strip()
        state = self.daemon.call(JOB + "Show", job=waiting)["parameters"]["job"]["state"]
        self.assertEqual(state, "queued")
        self.assertNotIn("error", self.daemon.call(JOB + "Cancel", job=waiting))
        self.assertEqual(self.ended(waiting)["verdict"], "cancelled")
        wires[0][0].socket.close()
        self.settled()

    def test_drain_waits_for_what_runs_and_refuses_what_comes(self):
        wire, job = self.start("wait_for_cancel", "guest", "running")
        self.assertEqual(self.daemon.ctl("drain").status, 0)
        refused = self.daemon.call(JOB + "Submit")
        self.assertEqual(refused["error"], "io.ktstrd.Daemon.ShuttingDown")
        self.assertIsNone(self.daemon.process.poll())
        self.daemon.call(JOB + "Cancel", job=job)
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.assertFalse(self.daemon.socket.exists())
        self.daemon.start()

    def test_a_killed_daemons_leavings_are_swept(self):
        wire, job = self.start("hang_after_hello", "guest", "running")
        guests = self.daemon.children()
        self.daemon.kill()
        for pid in guests:
            kt.wait_until(lambda: kt.gone(pid), "QEMU to die")
        self.assertTrue(list(self.daemon.run.glob("guest-*")))
        self.daemon.start()
        self.assertEqual(list(self.daemon.run.glob("guest-*")), [])
        self.daemon.play("ok")
        self.assertEqual(self.submit().status, 0)

    def test_results_are_kept(self):
        result = self.submit()
        folder = pathlib.Path(result.verdict()["result_dir"])
        kept = json.loads((folder / "verdict.json").read_text())
        self.assertEqual(kept["verdict"], "pass")
        self.assertEqual(folder.stat().st_mode & 0o077, 0)


if __name__ == "__main__":
    kt.main()
