# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrd as a service: the socket that systemd hands over, what it tells systemd, its units, and how it leaves."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import kernel_files
import ktstr_test as kt


class Service:
    """A ktstrd that is started as systemd starts it: LISTEN_FDS, NOTIFY_SOCKET, *_DIRECTORY, a watchdog."""

    def __init__(self, watchdog_us=None, listen=True):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.path = self.dir / "activated"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.dir / "notify"))
        self.notify.settimeout(kt.PATIENCE_S)
        self.script = self.dir / "script"
        self.script.write_text("ok\n")
        self.env = dict(os.environ, NOTIFY_SOCKET=str(self.dir / "notify"), FAKE_QEMU_SCRIPT=f"@{self.script}")
        for name in ("cache", "state", "runtime"):
            (self.dir / name).mkdir()
            self.env[f"{name.upper()}_DIRECTORY"] = str(self.dir / name)
        if watchdog_us:
            self.env["WATCHDOG_USEC"] = str(watchdog_us)
        self.listener = None
        command = [kt.KTSTRD, "--config", "", "--qemu", kt.FAKE_QEMU, "--agent", "/bin/true", "--busybox", "/bin/true"]
        if listen:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.path))
            self.listener.listen()
            self.env["LISTEN_FDS"] = "1"
            # The number must be the daemon's own, which the shell has until it becomes it.
            command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command]
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(list(map(str, command)), env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        pass_fds=(3,) if listen else (), preexec_fn=self.give_listener if listen else None)

    def give_listener(self):
        os.dup2(self.listener.fileno(), 3)
        os.set_inheritable(3, True)

    def told(self, wanted):
        """Wait for a notification that has this line."""
        while True:
            lines = self.notify.recv(4096).decode().split("\n")
            if wanted in lines or any(line.startswith(wanted) for line in lines if wanted.endswith("=")):
                return lines

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if kind is not None:
            print((self.dir / "log").read_text(errors="replace"))
        for thing in (self.listener, self.notify, self.log):
            if thing:
                thing.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class AsAService(unittest.TestCase):
    def leave(self, service):
        service.process.send_signal(signal.SIGTERM)
        service.told("STOPPING=1")
        self.assertEqual(service.process.wait(kt.PATIENCE_S), 0)
        self.assertEqual(list((service.dir / "runtime").rglob("*")), [])

    def test_the_socket_that_was_handed_over_is_served_and_left(self):
        with Service() as service:
            # Whoever came before the daemon was there is served too.
            with kt.Wire(service.path) as wire:
                self.assertEqual(wire.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})
            service.told("READY=1")
            with kt.Wire(service.path) as wire:
                status = wire.call("io.ktstrd.Daemon.Status")["parameters"]
            self.assertEqual(status["cache_dir"], str(service.dir / "cache/kernels"))
            self.assertEqual(status["state_dir"], str(service.dir / "state"))
            self.assertEqual(status["pid"], service.process.pid)
            self.leave(service)
            self.assertTrue(service.path.exists(), "systemd's socket is not ours to remove")

    def test_status_says_what_runs(self):
        with Service() as service:
            service.told("READY=1")
            image = service.dir / "vmlinux"
            image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
            env = dict(service.env, KTSTRD_SOCKET=str(service.path))
            subprocess.run([kt.KTSTRCTL, "kernel", "import", image], env=env, check=True, capture_output=True)
            service.script.write_text("wait_for_cancel\n")
            wire = kt.Wire(service.path)
            wire.send("io.ktstrd.Job.Submit", {}, more=True)
            service.told("STATUS=1 jobs running, 0 queued")
            wire.socket.close()
            service.told("STATUS=0 jobs running, 0 queued")
            self.leave(service)

    def test_the_watchdog_is_fed(self):
        with Service(watchdog_us=200_000) as service:
            service.told("READY=1")
            for _ in range(3):
                service.told("WATCHDOG=1")
            self.leave(service)

    def test_without_a_watchdog_it_sleeps(self):
        with Service() as service:
            service.told("READY=1")
            service.notify.settimeout(1)
            with self.assertRaises(TimeoutError):
                service.told("WATCHDOG=1")
            service.notify.settimeout(kt.PATIENCE_S)
            self.leave(service)

    def test_a_service_without_a_socket_makes_its_own(self):
        with Service(listen=False) as service:
            service.told("READY=1")
            path = service.dir / "runtime/io.ktstrd"
            with kt.Wire(path) as wire:
                self.assertEqual(wire.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})
            self.leave(service)
            self.assertFalse(path.exists())

    def test_a_second_daemon_on_the_same_socket_is_refused(self):
        with kt.Daemon(fake="ok") as daemon:
            p = subprocess.run([kt.KTSTRD, "--socket", daemon.socket, "--cache-dir", daemon.kernels, "--run-dir", daemon.run,
                                "--state-dir", daemon.state], capture_output=True, text=True, timeout=kt.PATIENCE_S)
            self.assertEqual(p.returncode, 1)
            self.assertIn(f"another daemon listens on {daemon.socket} already", p.stderr)
            self.assertEqual(daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_what_is_no_stale_socket_is_left_alone(self):
        with tempfile.TemporaryDirectory() as name:
            precious = pathlib.Path(name) / "precious"
            precious.write_text("important")
            datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            datagrams.bind(str(pathlib.Path(name) / "theirs"))
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(str(pathlib.Path(name) / "stale"))
            stale.close()
            for path in ("precious", "theirs"):
                p = subprocess.run([kt.KTSTRD, "--socket", f"{name}/{path}", "--cache-dir", f"{name}/cache", "--state-dir", f"{name}/state"],
                                   capture_output=True, text=True, timeout=kt.PATIENCE_S)
                self.assertEqual(p.returncode, 1)
                self.assertIn(f"{name}/{path} is there already", p.stderr)
            self.assertEqual(precious.read_text(), "important")
            datagrams.close()
            daemon = kt.Daemon(fake="ok")
            daemon.socket = pathlib.Path(name) / "stale"
            with daemon:
                self.assertEqual(daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_one_that_is_leaving_is_waited_for(self):
        daemon = kt.Daemon(fake="ok")
        daemon.run.mkdir(mode=0o700)
        fd = os.open(daemon.run, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX)

        def waits():
            with contextlib.suppress(OSError):
                fds = pathlib.Path(f"/proc/{daemon.process.pid}/fd") if daemon.process else daemon.dir / "none"
                return any(os.readlink(p) == str(daemon.run) for p in fds.iterdir())

        def leave():
            kt.wait_until(waits, "the other to have come to the lock")
            daemon.run.rmdir()
            fcntl.flock(fd, fcntl.LOCK_UN)

        thread = threading.Thread(target=leave)
        thread.start()
        with daemon:
            self.assertEqual(daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})
        thread.join()

    def test_two_daemons_leave_each_others_guests_alone(self):
        with kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="wait_for_cancel") as daemon:
            image = daemon.dir / "vmlinux"
            image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
            daemon.ctl("kernel", "import", image)
            wire = daemon.connect()
            wire.send("io.ktstrd.Job.Submit", {}, more=True)
            kt.wait_until(lambda: any(j["state"] == "running" for j in daemon.jobs()), "the job to run")
            p = subprocess.run([kt.KTSTRD, "--socket", f"{daemon.dir}/other", "--run-dir", daemon.run, "--cache-dir", daemon.kernels,
                                "--state-dir", daemon.state], capture_output=True, text=True, timeout=kt.PATIENCE_S)
            self.assertEqual(p.returncode, 1)
            self.assertIn(f"another daemon has its guests in {daemon.run}, and does not leave", p.stderr)
            other = kt.Daemon(fake="ok", kernels=daemon.kernels)
            other.run = pathlib.Path(f"{other.socket}.guests")  # its default
            with other:
                pass
            self.assertEqual([j["state"] for j in daemon.jobs()], ["running"])
            wire.socket.close()
            kt.wait_until(lambda: daemon.jobs()[0]["state"] == "ended", "the cancellation")
            daemon.play("ok")
            self.assertEqual(daemon.ctl("submit", "--duration", "1s").status, 0)

    def test_log_lines_name_the_job_and_its_user(self):
        with kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok") as daemon:
            image = daemon.dir / "vmlinux"
            image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
            daemon.ctl("kernel", "import", image)
            daemon.ctl("submit", "--duration", "1s")
            job = daemon.jobs()[0]["job"]
            lines = [line for line in daemon.log().splitlines() if job in line]
            self.assertGreaterEqual(len(lines), 2, daemon.log())
            for line in lines:
                self.assertIn(f"[job={job} uid={os.getuid()}]", line)
            daemon.ctl("attach", "nosuchjob")
            self.assertRegex(daemon.log(), rf"\[uid={os.getuid()}\] io\.ktstrd\.Job\.Attach refused: no job 'nosuchjob'")

    def test_it_leaves_with_many_connections_open(self):
        with Service() as service:
            service.told("READY=1")
            wires = [kt.Wire(service.path) for _ in range(50)]
            for wire in wires:
                self.assertEqual(wire.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})
            self.leave(service)
            for wire in wires:
                self.assertIsNone(wire.receive())
                wire.socket.close()

    def test_a_private_daemon_leaves_when_nobody_wants_it(self):
        daemon = kt.Daemon("--private", "--idle-exit", "300", fake="ok")
        daemon.start_connected().socket.close()
        try:
            self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0)
            self.assertFalse(daemon.socket.exists())
        finally:
            daemon.process.poll() is None and daemon.kill()
            shutil.rmtree(daemon.dir, ignore_errors=True)


    def test_who_comes_in_the_moment_that_it_leaves_is_served(self):
        daemon = kt.Daemon("--private", "--idle-exit", "300", fake="ok")
        self.addCleanup(shutil.rmtree, daemon.dir, ignore_errors=True)
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill())
        # Its time is over while a busy host does not let it run.
        with self.stopped_while_idle(daemon) as wire:
            wire.send("io.ktstrd.Daemon.Ping")
            stopped = time.monotonic()
            kt.wait_until(lambda: time.monotonic() - stopped > 0.4, "its time to be over")
            daemon.process.send_signal(signal.SIGCONT)
            self.assertEqual(wire.receive(), {"parameters": {}})
        self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0)

    def stopped_while_idle(self, daemon):
        """A connection of which it does not know yet. Where this host does not let us run either, it may have left before."""
        while True:
            with daemon.start_connected():
                descriptors = daemon.descriptors()
            with contextlib.suppress(FileNotFoundError, PermissionError):
                kt.wait_until(lambda: daemon.descriptors() < descriptors, "it to be idle")
            daemon.process.send_signal(signal.SIGSTOP)
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return daemon.connect()
            daemon.process.send_signal(signal.SIGCONT)
            self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0)


class Autostart(unittest.TestCase):
    """A client that finds no daemon starts one (architecture of the client: connect.c)."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir / "run")}
        (self.dir / "run").mkdir(mode=0o700)
        self.addCleanup(self.end_daemons)

    def end_daemons(self):
        for path in (self.dir / "run").rglob("io.ktstrd"):
            with kt.Wire(path) as wire:
                pid = kt.Process(wire.call("io.ktstrd.Daemon.Status")["parameters"]["pid"])
            os.kill(pid, signal.SIGTERM)
            kt.wait_until(lambda: not kt.alive(pid), "the daemon to leave")
            self.assertFalse(path.exists())

    def ctl(self, *args, **env):
        return subprocess.run([kt.KTSTRCTL, *args], env=dict(self.env, **env), capture_output=True, text=True, timeout=kt.PATIENCE_S)

    def status(self, **env):
        p = self.ctl("status", "--json", **env)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def test_one_is_started_and_found_again(self):
        first, second = self.status(), self.status()
        pid = re.search(r'"pid": *(\d+)', first)[1]
        self.assertEqual(pid, re.search(r'"pid": *(\d+)', second)[1])
        self.assertRegex(first, r'"private": *true')
        self.assertIn(str(self.dir / "run/ktstrd/io.ktstrd"), first)

    def test_many_at_once_start_one(self):
        clients = [subprocess.Popen([kt.KTSTRCTL, "status", "--json"], env=self.env, stdout=subprocess.PIPE, text=True) for _ in range(8)]
        pids = {re.search(r'"pid": *(\d+)', c.communicate(timeout=kt.PATIENCE_S)[0])[1] for c in clients}
        self.assertEqual(len(pids), 1)

    def test_another_cache_is_another_daemon(self):
        one, other = self.status(), self.status(KTSTR_CACHE_DIR=str(self.dir / "elsewhere"))
        self.assertNotEqual(re.search(r'"pid": *(\d+)', one)[1], re.search(r'"pid": *(\d+)', other)[1])
        self.assertIn(str(self.dir / "elsewhere"), other)

    def test_none_is_started_when_that_is_not_wanted(self):
        p = self.ctl("status", "--no-autostart")
        self.assertEqual(p.returncode, 69)
        self.assertIn("--no-autostart", p.stderr)
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)

    def test_a_named_socket_without_a_daemon_is_an_error(self):
        for args, env in ((["--socket", str(self.dir / "none")], {}), ([], {"KTSTRD_SOCKET": str(self.dir / "none")})):
            p = self.ctl(*args, "status", **env)
            self.assertEqual(p.returncode, 69)
            self.assertIn(f"no daemon at {self.dir}/none", p.stderr)

    def test_a_runtime_folder_of_somebody_else_is_refused(self):
        (self.dir / "run/ktstrd").mkdir()
        (self.dir / "run/ktstrd").chmod(0o777)
        p = self.ctl("status")
        self.assertEqual(p.returncode, 69)
        self.assertIn("open to others", p.stderr)

    def test_what_stops_it_from_starting_is_told(self):
        (self.dir / "run").chmod(0o700)
        p = self.ctl("status", KTSTRD_BINARY="/nonexistent/ktstrd")
        self.assertEqual(p.returncode, 69)
        self.assertIn("/nonexistent/ktstrd", p.stderr)
        blocked = self.dir / "file"
        blocked.write_text("")
        p = self.ctl("status", KTSTR_CACHE_DIR=str(blocked / "cache"))
        self.assertEqual(p.returncode, 69)
        self.assertIn(str(blocked), p.stderr)


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class Units(unittest.TestCase):
    def test_systemd_finds_nothing_wrong_with_them(self):
        for prefix, user in (("", "--system"), ("user-", "--user")):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                text = (kt.BUILD / f"systemd/{prefix}ktstrd.service").read_text()
                self.assertRegex(text, r"(?m)^ExecStart=/.*/ktstrd$")
                # What it runs must exist, and the pages are not installed here.
                text = re.sub(r"(?m)^ExecStart=.*", f"ExecStart={kt.KTSTRD}", text)
                (folder / "ktstrd.service").write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
                text = (kt.SOURCE / f"systemd/{prefix}ktstrd.socket").read_text()
                (folder / "ktstrd.socket").write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
                p = subprocess.run(["systemd-analyze", user, "verify", folder / "ktstrd.service", folder / "ktstrd.socket"],
                                   env=dict(os.environ, XDG_RUNTIME_DIR=name), capture_output=True, text=True, timeout=kt.PATIENCE_S)
                said = [line for line in (p.stdout + p.stderr).splitlines() if "ktstrd" in line]
                self.assertEqual(said, [], p.stderr)


if __name__ == "__main__":
    kt.main()
