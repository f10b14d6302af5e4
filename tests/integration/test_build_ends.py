# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds that are cancelled, interrupted, killed, and taken up again; and their clients."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import ktstr_test as kt
from build_case import BUILD, WHOLE, Stream, Case


class Ends(Case):
    """Cancelled, interrupted, killed, and taken up again."""

    SCRIPT = """
stage resolve
hold planning
plan
stage compile
touch object
hold compiling
result
hold done
"""

    def test_cancel_at_each_stage(self):
        for at in ("planning", "compiling"):
            with self.subTest(at=at), self.daemon() as daemon:
                for p in self.plays.glob("held-*"):
                    p.unlink()
                self.script(self.SCRIPT)
                if at == "compiling":
                    self.release("planning")
                stream = Stream(daemon, BUILD, version="6.14.2")
                stream.next()
                pid = self.held(at)
                self.assertEqual(daemon.call("io.ktstrd.Job.Cancel", job=stream.job).get("error"), None)
                verdict = stream.verdict()
                self.assertEqual((verdict["verdict"], verdict["reason"]), ("cancelled", "cancelled"))
                self.assertFalse(kt.alive(pid))
                self.wait_gone(daemon)
                # The key is free, and so is the place.
                for name in ("planning", "compiling", "done"):
                    self.release(name)
                self.assertEqual(self.build(daemon, version="6.14.2").outcome["verdict"], "pass")
                for p in self.plays.glob("release-*"):
                    p.unlink()

    def test_a_client_that_goes_cancels(self):
        self.script(self.SCRIPT)
        with self.daemon() as daemon:
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            pid = self.held("planning")
            stream.close()
            self.assert_gone(pid)
            self.wait_gone(daemon)
            self.assertEqual(daemon.jobs()[0]["verdict"], "cancelled")

    def test_one_that_waits_is_cancelled_at_once(self):
        self.script(self.SCRIPT)
        with self.daemon() as daemon:
            first, second = Stream(daemon, BUILD, version="6.14.2"), None
            first.next()
            self.held("planning")
            second = Stream(daemon, BUILD, version="6.14.3")
            self.assertEqual(second.next()["position"], 1)
            daemon.call("io.ktstrd.Job.Cancel", job=second.job)
            self.assertEqual(second.verdict()["verdict"], "cancelled")
            kt.wait_until(lambda: self.folders(daemon) == [first.job], "only the first one's folder is left")
            daemon.call("io.ktstrd.Job.Cancel", job=first.job)
            self.assertEqual(first.verdict()["verdict"], "cancelled")

    def test_one_that_does_not_listen_is_killed_with_its_children(self):
        self.script("deaf\nchild\nstage compile\nhold here")
        with self.daemon() as daemon:
            stream = self.held_build(daemon)
            pid = self.held("here")
            child = kt.Process((self.run_dirs()[0] / "child").read_text())
            daemon.call("io.ktstrd.Job.Cancel", job=stream.job)
            self.assertEqual(stream.verdict()["verdict"], "cancelled")
            self.assertFalse(kt.alive(pid))
            self.assert_gone(child)
            self.wait_gone(daemon)

    def test_one_of_which_nothing_is_heard_is_ended_and_the_next_has_its_turn(self):
        for script in ("hold planning\nplan\nresult", "plan\nstage compile\nhold compiling\nresult"):
            with self.subTest(script=script):
                self.script(script)
                with self.daemon("--config", self.config("BuildSilenceSec=1s")) as daemon:
                    verdict = self.build(daemon, version="6.14.2").outcome
                    self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Job.Timeout"), verdict)
                    self.assertIn("nothing was heard of the build for 1 s", verdict["reason"])
                    self.script("plan\nresult")
                    # Where the CPUs are busy, what is idle may itself not be heard of for a second.
                    kt.wait_until(lambda: self.build(daemon, version="6.14.3").outcome["verdict"] == "pass", "the next has its turn")

    def test_one_that_says_its_last_word_and_stays(self):
        self.script("deaf\nplan\nresult\nhold done")
        with self.daemon() as daemon:
            verdict = self.build(daemon, version="6.14.2").outcome
            self.assertEqual(verdict["verdict"], "error")
            self.assertIn("killed by signal 9", verdict["reason"])

    def test_sigterm_interrupts_and_the_next_daemon_goes_on(self):
        for at in ("planning", "compiling"):
            with self.subTest(at=at):
                for p in (*self.plays.glob("held-*"), *self.plays.glob("release-*")):
                    p.unlink()
                n = len(self.run_dirs())
                self.script(self.SCRIPT)
                daemon = self.daemon()
                with daemon:
                    stream = Stream(daemon, BUILD, version="6.14.2", clean=True)
                    stream.next()
                    if at == "compiling":
                        self.release("planning")
                    pid = self.held(at)
                    job = stream.job
                    daemon.process.send_signal(signal.SIGTERM)
                    verdict = stream.verdict()
                    self.assertEqual(verdict["verdict"], "cancelled")
                    self.assertEqual(verdict["reason"], "interrupted: ktstrd stops; the build is taken up again when it starts: ktstrctl "
                                     f"attach {job}")
                    self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0, daemon.log())
                    self.assertFalse(kt.alive(pid))
                    self.assertEqual(self.folders(daemon), [job])
                    self.assertFalse((daemon.state / "results" / job / "verdict.json").exists())

                    for name in ("planning", "compiling", "done"):
                        self.release(name)
                    if at == "compiling":
                        self.script("need object\n" + self.SCRIPT)
                    daemon.start()
                    again = Stream(daemon, "io.ktstrd.Job.Attach", job=job)
                    verdict = again.verdict()
                    self.assertEqual(verdict["verdict"], "pass", verdict)
                    self.assertIn("taken up again after a restart", again.notes())
                    # What was cleaned is not cleaned once more.
                    self.assertEqual([r["clean"] for r in (self.request(n), self.request(n + 1))], [True, at == "planning"])
                    self.assertTrue((daemon.state / "results" / job / "verdict.json").exists())
                    self.wait_gone(daemon)

    def test_kill_9_and_the_next_daemon_goes_on(self):
        for at in ("planning", "compiling", "done"):
            with self.subTest(at=at):
                for p in (*self.plays.glob("held-*"), *self.plays.glob("release-*")):
                    p.unlink()
                self.script(self.SCRIPT)
                for name in ("planning", "compiling", "done"):
                    if name == at:
                        break
                    self.release(name)
                daemon = self.daemon()
                with daemon:
                    stream = Stream(daemon, BUILD, version="6.14.2", extra_kconfig=f"# {at}\n")
                    stream.next()
                    pid, job = self.held(at), stream.job
                    daemon.kill()
                    self.assert_gone(pid)
                    for name in ("planning", "compiling", "done"):
                        self.release(name)
                    daemon.start()
                    self.assertEqual(daemon.jobs()[0]["job"], job)
                    verdict = Stream(daemon, "io.ktstrd.Job.Attach", job=job).verdict()
                    self.assertEqual(verdict["verdict"], "pass", verdict)
                    self.assertEqual(self.request()["extra_kconfig"], f"# {at}\n")
                    self.wait_gone(daemon)

    def test_a_client_whose_daemon_is_killed_says_of_which_job(self):
        self.script(self.SCRIPT)
        with self.daemon() as daemon:
            client = daemon.ctl_start("kernel", "build", "6.14.2")
            self.held("planning")
            job = daemon.jobs()[0]["job"]
            daemon.kill()
            out, err = client.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(client.returncode, 69, err)
            self.assertIn(f"ktstrctl: kernel: job {job} goes on when the daemon is back, and `ktstrctl attach {job}` follows it: the daemon hung "
                          "up; its log says why\n", err)
            for name in ("planning", "compiling", "done"):
                self.release(name)
            daemon.start()
            self.assertEqual(daemon.ctl("attach", job).status, 0)
            self.wait_gone(daemon)

    def test_what_is_left_running_of_a_killed_daemon_is_waited_for(self):
        # A child that holds the helper's lock as what the real helper starts does, until it is gone.
        self.script("child\nstage compile\nhold here")
        daemon = self.daemon()
        with daemon:
            stream = self.held_build(daemon)
            pid = self.held("here")
            child = kt.Process((self.run_dirs()[0] / "child").read_text())
            daemon.kill()
            self.assert_gone(pid)
            self.assertTrue(kt.alive(child))
            self.script(WHOLE)
            daemon.start()
            attach = Stream(daemon, "io.ktstrd.Job.Attach", job=stream.job)
            attach.until(lambda e: e["kind"] == "note")
            # It is its turn, and it does not begin.
            kt.wait_until(lambda: daemon.jobs()[0]["state"] == "running", "it has left the queue")
            self.assertEqual(len(self.run_dirs()), 1)
            os.kill(child, signal.SIGKILL)
            self.assertEqual(attach.verdict()["verdict"], "pass")
            self.assertEqual(len(self.run_dirs()), 2)

    def test_what_a_daemon_that_dies_has_yet_is_taken_up_when_it_lets_go(self):
        self.script("hold here\n" + WHOLE)
        daemon = self.daemon()
        with daemon:
            stream = self.held_build(daemon)
            later = daemon.call(BUILD, version="6.14.3", detach=True)["parameters"]["job"]
            daemon.kill()
            self.script(WHOLE)
            with self.locked(daemon.kernels, stream.job):
                daemon.start()
                self.assertEqual([j["job"] for j in daemon.jobs()], [later])
                # It is looked at until it is had, not once more.
                kt.wait_until(lambda: daemon.jobs()[0]["state"] == "ended", "the one that was not held is built")
                self.assertEqual([j["job"] for j in daemon.jobs()], [later])
                self.assertIn(f"job {stream.job} is another daemon's", daemon.log())
            kt.wait_until(lambda: len(daemon.jobs()) == 2, "it is taken up")
            self.assertEqual(Stream(daemon, "io.ktstrd.Job.Attach", job=stream.job).verdict()["verdict"], "pass")
            self.wait_gone(daemon)

    def test_what_is_over_while_another_has_it_is_nobodys(self):
        self.script("hold here\n" + WHOLE)
        daemon = self.daemon()
        with daemon:
            stream = self.held_build(daemon)
            daemon.kill()
            with self.locked(daemon.kernels, stream.job):
                daemon.start()
                (daemon.kernels / ".builds" / stream.job).rename(self.folder / "over")
            job = daemon.call(BUILD, version="6.14.3", detach=True)["parameters"]["job"]
            self.release("here")
            self.assertEqual(Stream(daemon, "io.ktstrd.Job.Attach", job=job).verdict()["verdict"], "pass")
            self.assertEqual([j["job"] for j in daemon.jobs()], [job])
            self.assertNotIn(f"cannot open {daemon.kernels}", daemon.log())

    def test_those_that_waited_are_taken_up_in_their_order(self):
        self.script("hold here\n" + WHOLE)
        daemon = self.daemon()
        with daemon:
            first = self.held_build(daemon)
            others = [daemon.call(BUILD, version=f"6.14.{n}", detach=True)["parameters"]["job"] for n in (3, 4, 5)]
            daemon.kill()
            self.script(WHOLE)
            daemon.start()
            for job in (first.job, *others):
                self.assertEqual(Stream(daemon, "io.ktstrd.Job.Attach", job=job).verdict()["verdict"], "pass")
            self.assertEqual([r["source"]["version"] for r in map(self.request, range(1, 5))], ["6.14.2", "6.14.3", "6.14.4", "6.14.5"])

    def test_what_cannot_be_gone_on_with_is_said_to_be_lost(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script("hold here\n" + WHOLE)
        daemon = self.daemon()
        with daemon, open(os.devnull, "rb") as null:
            first = self.held_build(daemon)
            in_tree, damaged, ours = (daemon.call(BUILD, detach=True, **p)["parameters"]["job"]
                                      for p in ({"tree": str(tree)}, {"version": "6.14.3"}, {"version": "6.14.4"}))
            fd = Stream(daemon, BUILD, fds=[null.fileno()], tarball={"name": "mine.tar", "file_fd": 0})
            fd.next()
            daemon.kill()
            tree.rmdir()
            (daemon.kernels / ".builds" / damaged / "request.json").write_text('{"format": 1, "uid"')
            (daemon.kernels / ".builds" / ours / "request.json").unlink()
            (daemon.kernels / ".builds" / "no-id").mkdir()
            self.script(WHOLE)
            daemon.start()
            for job, text in ((in_tree, f"lost: {tree} is gone"), (damaged, "is damaged"), (fd.job, "lost: mine.tar was not taken over")):
                verdict = daemon.call("io.ktstrd.Job.Show", job=job)["parameters"]["verdict"]
                self.assertEqual(verdict["verdict"], "error", verdict)
                self.assertIn("lost: ", verdict["reason"])
                self.assertIn(text, verdict["reason"])
            self.assertEqual(daemon.call("io.ktstrd.Job.Show", job=ours).get("error"), "io.ktstrd.Job.NoSuchJob")
            self.assertEqual(Stream(daemon, "io.ktstrd.Job.Attach", job=first.job).verdict()["verdict"], "pass")
            kt.wait_until(lambda: self.folders(daemon) == ["no-id"], "all folders of builds are gone, and nothing else")

    def test_a_build_keeps_a_private_daemon_and_a_drain_waits_for_it(self):
        self.script("hold here\n" + WHOLE)
        idle_ms = 1500
        daemon = self.daemon("--private", "--idle-exit", idle_ms)
        wire = daemon.start_connected()
        try:
            job = wire.call(BUILD, version="6.14.2", detach=True)["parameters"]["job"]
            wire.socket.close()
            begun = time.monotonic()
            self.held("here")
            status = daemon.call("io.ktstrd.Daemon.Status")["parameters"]
            self.assertEqual((status["jobs_running"], status["jobs_queued"]), (1, 0))
            # Nobody is connected, and it stays for longer than it would without the build.
            kt.wait_until(lambda: time.monotonic() - begun > 2 * idle_ms / 1000, "time passes")
            self.assertIsNone(daemon.process.poll())
            attach = Stream(daemon, "io.ktstrd.Job.Attach", job=job)
            self.assertEqual(daemon.call("io.ktstrd.Daemon.Drain").get("error"), None)
            self.assertEqual(daemon.call(BUILD).get("error"), "io.ktstrd.Daemon.ShuttingDown")
            self.assertIsNone(daemon.process.poll())
            self.release("here")
            self.assertEqual(attach.verdict()["verdict"], "pass")
            self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0, daemon.log())
            self.assertEqual(self.folders(daemon), [])
        finally:
            if daemon.process.poll() is None:
                daemon.kill()
            shutil.rmtree(daemon.dir, ignore_errors=True)


class Follow(Case):
    """A client whose private daemon goes away in the middle of a build."""

    SCRIPT = "hold planning\n" + WHOLE

    def setUp(self):
        super().setUp()
        self.script(self.SCRIPT)
        runtime = self.folder / "private"
        (runtime / "ktstrd").mkdir(0o700, parents=True)
        runtime.chmod(0o700)
        self.socket = runtime / "ktstrd/io.ktstrd"
        self.builds = self.folder / ".cache/ktstr/kernels/.builds"
        program = self.folder / "ktstrd"
        program.write_text(f'#!/bin/sh\nexec {kt.KTSTRD} "$@" --builder {self.helper} --config "" --no-templates\n')
        program.chmod(0o755)
        self.program = str(program)
        self.environ = {**os.environ, **self.env(), "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(runtime), "KTSTRD_BINARY": self.program}
        for name in ("KTSTRD_SOCKET", "KTSTR_CACHE_DIR", "XDG_CACHE_HOME"):
            self.environ.pop(name, None)
        self.addCleanup(self.stop_daemon)

    def stop_daemon(self):
        with contextlib.suppress(OSError):
            pid = self.pid()
            os.kill(pid, signal.SIGTERM)
            kt.wait_until(lambda: not kt.alive(pid), "the private daemon ends")

    def pid(self):
        with kt.Wire(self.socket) as wire:
            return kt.Process(wire.call("io.ktstrd.Daemon.Status")["parameters"]["pid"])

    def start_client(self):
        self.out, self.err = self.folder / "out", self.folder / "err"
        with open(self.out, "w") as out, open(self.err, "w") as err:
            self.client = subprocess.Popen([kt.KTSTRCTL, "kernel", "build", "6.14.2"], env=self.environ, stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=err)
        self.addCleanup(self.client.kill)

    def says(self, text):
        kt.wait_until(lambda: text in self.out.read_text() + self.err.read_text() or self.client.poll() is not None, f"the client says {text!r}")
        self.assertIn(text, self.out.read_text() + self.err.read_text())

    def end(self, status):
        self.client.wait(kt.PATIENCE_S)
        self.assertEqual(self.client.returncode, status, self.out.read_text() + self.err.read_text())

    def goes_on(self):
        """With another daemon, to its end."""
        self.held("planning")
        self.release("planning")
        self.end(0)
        self.assertIn("built: 6.14.2-", self.out.read_text())

    def dying_daemon(self):
        """
        A client, and its private daemon, which was killed and is not gone yet: its socket, as long as it is not closed here, and its build's lock.
        Returns the socket, the job's id, and the lock.
        """
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.socket))
        listener.listen()
        listener.settimeout(kt.PATIENCE_S)
        command = f'exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        daemon = subprocess.Popen(["/bin/sh", "-c", command, "sh", self.program, "--private"], env=self.environ, stdin=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, pass_fds=[listener.fileno()])
        self.addCleanup(daemon.kill)
        self.start_client()
        self.held("planning")
        (self.plays / "held-planning").unlink()
        [job] = [p.name for p in self.builds.iterdir() if p.name[0] != "."]
        daemon.kill()
        daemon.wait(kt.PATIENCE_S)
        return listener, job, self.locked(self.builds.parent, job)

    def test_another_is_started(self):
        self.start_client()
        self.held("planning")
        first = self.pid()
        (self.plays / "held-planning").unlink()
        os.kill(first, signal.SIGKILL)
        self.goes_on()
        self.assertNotEqual(self.pid(), first)
        self.assertRegex(self.err.read_text(), r"^ktstrctl: kernel: the daemon is gone; job \w+ goes on with another\n")

    def test_one_that_is_not_gone_yet_is_tried_again(self):
        listener, job, lock = self.dying_daemon()
        lock.close()
        # It hangs up on who comes, as one does that closes a socket with connections that nobody has accepted.
        for _ in range(3):
            listener.accept()[0].close()
        listener.close()
        self.goes_on()
        self.assertEqual(self.err.read_text(), f"ktstrctl: kernel: the daemon is gone; job {job} goes on with another\n")

    def test_a_build_that_is_still_locked_is_waited_for(self):
        listener, job, lock = self.dying_daemon()
        listener.close()
        self.says(f"ktstrctl: kernel: the other has not taken job {job} up yet; waiting\n")
        lock.close()
        self.goes_on()

    def test_it_is_not_waited_for_in_vain_for_ever(self):
        listener, job, lock = self.dying_daemon()
        with lock:
            listener.close()
            self.says("waiting")
            self.end(69)
        self.assertRegex(self.err.read_text(), f"\nktstrctl: kernel: job {job}: not taken up again within 15 s: another daemon has its folder, or it was")

    def test_an_interrupt_ends_the_waiting(self):
        listener, job, lock = self.dying_daemon()
        with lock:
            listener.close()
            self.says("waiting")
            self.client.send_signal(signal.SIGINT)
            self.end(130)
        self.assertRegex(self.err.read_text(), f"\nktstrctl: kernel: job {job} goes on when the daemon is back, and `ktstrctl attach {job}` "
                                               "follows it: interrupted before another had taken it up\n$")

    def test_a_second_one_that_goes_away_is_not_replaced(self):
        self.start_client()
        self.held("planning")
        os.kill(self.pid(), signal.SIGKILL)
        self.says("taken up again after a restart")
        os.kill(self.pid(), signal.SIGKILL)
        self.end(69)
        self.assertEqual(self.err.read_text().count("goes on with another"), 1)


if __name__ == "__main__":
    kt.main()
