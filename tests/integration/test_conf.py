# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's configuration: which files are read, what they do, and what is said when one is wrong."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import kernel_files
import ktstr_test as kt


def values(shown):
    """What --show-config printed, as {(section, key): (value, where)}."""
    found, section, where = {}, None, None
    for line in shown.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.startswith("# "):
            where = line.removeprefix("# ")
        elif line:
            key, value = line.split("=", 1)
            found[section, key] = (value, where)
    return found


class Home(unittest.TestCase):
    """A user with nothing but a home."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        (self.dir / "run").mkdir(mode=0o700)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir / "run")}
        self.file = self.dir / ".config/ktstrd/ktstrd.conf"

    def write(self, text, path=None):
        path = path or self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def ktstrd(self, *options, before=(), **env):
        return subprocess.run([*map(str, before), kt.KTSTRD, *map(str, options)], env=dict(self.env, **env), capture_output=True, text=True,
                              timeout=kt.PATIENCE_S, stdin=subprocess.DEVNULL)

    def shown(self, *options, **arguments):
        p = self.ktstrd(*options, "--show-config", **arguments)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return values(p.stdout)


class Files(Home):
    def test_where_each_value_is_from(self):
        self.write("[Pool]\nIdle=3\nMaximum=5\n[Daemon]\nStateDir=/s\n")
        self.write("[Pool]\nMaximum=6\n# half\n[Guests]\nMemoryMax=50%\n", self.dir / ".config/ktstrd/ktstrd.conf.d/10-more.conf")
        shown = self.shown("--private", "--overcommit", "4", KTSTR_CACHE_DIR="/c")
        self.assertEqual(shown["Pool", "Idle"], ("3", f"{self.file}:2"))
        self.assertEqual(shown["Pool", "Maximum"], ("6", f"{self.file}.d/10-more.conf:2"))
        value, where = shown["Guests", "MemoryMax"]
        self.assertEqual(value, "50%")
        self.assertRegex(where, rf"^{self.file}.d/10-more.conf:5; 50% are [0-9]+M$")
        self.assertEqual(shown["Guests", "Overcommit"], ("4", "--overcommit"))
        self.assertEqual(shown["Daemon", "CacheDir"], ("/c", "KTSTR_CACHE_DIR"))
        self.assertEqual(shown["Daemon", "StateDir"], ("/s", f"{self.file}:5"))
        self.assertEqual(shown["Pool", "TemplateDir"], ("/c/.templates", "default"))
        self.assertEqual(shown["Jobs", "QueueMax"], ("10000", "default"))
        self.assertEqual(list((self.dir / "run").iterdir()), [], "to show it makes nothing")

    def test_what_is_shown_is_a_configuration(self):
        shown = self.ktstrd("--private", "--show-config", "--pool-idle", "7", "--idle-exit", "1500", "--no-templates")
        path = self.write(shown.stdout, self.dir / "shown.conf")
        again = self.shown("--config", path)
        self.assertEqual({key: value for key, (value, _) in again.items()},
                         {key: value for key, (value, _) in values(shown.stdout).items()})
        # Nothing after the `=` is the default, which some have.
        self.assertEqual({where.split(":")[0] for value, where in again.values() if value}, {str(path)})

    def test_a_users_daemon_does_not_read_the_machines_files(self):
        """And the machine's none of a user's. In namespaces of their own, where /etc and /run are empty."""
        script = """
            set -e
            mount -t tmpfs none /etc; mount -t tmpfs none /run
            mkdir -p /etc/ktstrd/ktstrd.conf.d /run/ktstrd/ktstrd.conf.d
            printf '[Pool]\\nIdle=11\\nMaximum=11\\n[Jobs]\\nQueueMax=11\\n[Guests]\\nOvercommit=11\\n' > /etc/ktstrd/ktstrd.conf
            printf '[Pool]\\nMaximum=12\\n[Jobs]\\nQueueMax=12\\n' > /run/ktstrd/ktstrd.conf.d/10-a.conf
            printf '[Jobs]\\nQueueMax=13\\n' > /etc/ktstrd/ktstrd.conf.d/20-b.conf
            printf 'hidden' > /run/ktstrd/ktstrd.conf.d/20-b.conf
            printf 'masked' > /run/ktstrd/ktstrd.conf.d/30-c.conf
            ln -s /dev/null /etc/ktstrd/ktstrd.conf.d/30-c.conf
            exec "$@"
        """
        before = ("unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script, "sh")
        if subprocess.run([*before, "/bin/true"], capture_output=True).returncode != 0:
            self.skipTest("no namespaces here")
        self.write("[Pool]\nIdle=3\n")
        machines = self.shown(before=before)
        self.assertEqual(machines["Pool", "Idle"], ("11", "/etc/ktstrd/ktstrd.conf:2"))
        self.assertEqual(machines["Guests", "Overcommit"], ("11", "/etc/ktstrd/ktstrd.conf:7"))
        self.assertEqual(machines["Pool", "Maximum"], ("12", "/run/ktstrd/ktstrd.conf.d/10-a.conf:2"))
        self.assertEqual(machines["Jobs", "QueueMax"], ("13", "/etc/ktstrd/ktstrd.conf.d/20-b.conf:2"))
        users = self.shown("--private", before=before)
        self.assertEqual(users["Pool", "Idle"], ("3", f"{self.file}:2"))
        self.assertEqual({where.split(";")[0] for key, (_, where) in users.items() if key != ("Pool", "Idle")}, {"default"})
        self.assertEqual(self.shown("--config", "", before=before)["Pool", "Idle"], ("2", "default"))

    def test_an_installation_keeps_what_was_written(self):
        target = self.dir / "etc/ktstrd/ktstrd.conf"
        install = [kt.SOURCE / "systemd/install-conf", kt.SOURCE / "systemd/ktstrd.conf", "/etc/ktstrd/ktstrd.conf"]
        subprocess.run(install, env=dict(self.env, DESTDIR=str(self.dir)), check=True)
        self.assertEqual(target.read_text(), (kt.SOURCE / "systemd/ktstrd.conf").read_text())
        target.write_text("[Pool]\n")
        subprocess.run(install, env=dict(self.env, DESTDIR=str(self.dir)), check=True)
        self.assertEqual(target.read_text(), "[Pool]\n")


class Wrong(Home):
    def test_it_does_not_start_and_says_where_in_one_line(self):
        for text, place, message in (
                ("# ours\n[Pool]\nIdel=3\n", ":3", "unknown key 'Idel' in [Pool]; did you mean 'Idle'?"),
                ("[Guest]\n", ":1", "unknown section [Guest]; did you mean [Guests]?"),
                ("[Pool]\nIdle=\\\n\\\nlots\n", ":2", "Idle=: 'lots' is no number from 0 to 4096"),
                ("[Guests]\nQemu\n", ":2", "'Qemu' is neither [Section] nor Key=value"),
                ("[Daemon]\n\nCacheDir=kernels\n", ":3", "CacheDir=: 'kernels' is no absolute path"),
                (b"[Pool]\nIdle=3\0\n", ":2", "there is a NUL byte in this line"),
                (b"[Pool]\n# Gr\xfc\xdfe\n", ":2", "this line is not UTF-8"),
                ("[Pool]\n" + "x" * 8193, ":2", "this line is longer than 8192 bytes")):
            with self.subTest(message=message):
                self.write(text)
                read, write = os.pipe()
                with os.fdopen(read) as ready:
                    p = subprocess.run([kt.KTSTRD, "--private", "--ready-fd", str(write)], env=self.env, pass_fds=[write], capture_output=True,
                                       text=True, timeout=kt.PATIENCE_S)
                    os.close(write)
                    self.assertEqual(ready.read(), f"{self.file}{place}: {message}\n")
                self.assertEqual((p.returncode, p.stdout, p.stderr), (64, "", f"ktstrd: {self.file}{place}: {message}\n"))

    def test_a_file_that_cannot_be_read_is_an_error(self):
        self.file.mkdir(parents=True)
        p = self.ktstrd("--private")
        self.assertEqual((p.returncode, p.stderr), (64, f"ktstrd: cannot read {self.file}: Is a directory\n"))
        self.file.rmdir()
        self.write("", self.dir / ".config/ktstrd/ktstrd.conf.d")
        p = self.ktstrd("--private")
        self.assertEqual((p.returncode, p.stderr), (64, f"ktstrd: cannot read {self.file}.d: Not a directory\n"))
        p = self.ktstrd("--config", "/nonexistent")
        self.assertEqual((p.returncode, p.stderr), (64, "ktstrd: cannot read /nonexistent: No such file or directory\n"))

    def test_the_client_that_wanted_to_start_it_shows_the_line(self):
        path = self.write("[Pool]\nIdle=lots\n", self.dir / ".config/ktstrd/ktstrd.conf.d/50-mine.conf")
        p = subprocess.run([kt.KTSTRCTL, "status"], env=self.env, capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual(p.returncode, 69)
        self.assertEqual(p.stderr.splitlines()[1:], [])
        self.assertIn(f"{path}:2: Idle=: 'lots' is no number from 0 to 4096", p.stderr)
        # Once it is mended, the same command works.
        path.write_text(f"[Daemon]\nStateDir={self.dir}/results\n")
        p = subprocess.run([kt.KTSTRCTL, "status", "--json"], env=self.env, capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn(f"{self.dir}/results", p.stdout)
        with kt.Wire(self.dir / "run/ktstrd/io.ktstrd") as wire:
            pid = kt.Process(wire.call("io.ktstrd.Daemon.Status")["parameters"]["pid"])
            os.kill(pid, signal.SIGTERM)
        kt.wait_until(lambda: not kt.alive(pid), "the daemon to leave")


class Effect(unittest.TestCase):
    """A daemon whose command line says nothing about it."""

    def daemon(self, text, *options):
        daemon = kt.Daemon("--config", "ktstrd.conf", "--agent", "/bin/true", "--busybox", "/bin/true", *options, fake="wait_for_cancel")
        path = daemon.dir / "ktstrd.conf"
        path.write_text(text)
        daemon.options[1] = str(path)
        return daemon

    def test_the_idle_time(self):
        daemon = self.daemon("[Daemon]\nIdleExitSec=300ms\nLogLevel=info\n", "--private")
        daemon.start_connected().socket.close()
        try:
            self.assertEqual(daemon.process.wait(kt.PATIENCE_S), 0)
            self.assertIn("idle for 300 ms, leaving", daemon.log())
        finally:
            daemon.process.poll() is None and daemon.kill()
            shutil.rmtree(daemon.dir, ignore_errors=True)

    def queue(self, daemon, **parameters):
        """A job that runs or waits until its connection is closed; the connection."""
        wire = daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send("io.ktstrd.Job.Submit", parameters, more=True)
        self.assertNotIn("error", reply := wire.receive(), reply)
        return wire

    def states(self, daemon):
        return sorted(job["state"] for job in daemon.jobs())

    def with_kernel(self, daemon):
        image = daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        self.assertEqual(daemon.ctl("kernel", "import", image).status, 0)

    def test_the_guests_memory_and_the_queue(self):
        with self.daemon("[Guests]\nMemoryMax=600M\nOvercommit=1024\n[Jobs]\nQueueMax=1\n") as daemon:
            self.with_kernel(daemon)
            reply = daemon.call("io.ktstrd.Job.Submit", memory_mib=601)
            self.assertEqual(reply["error"], "io.ktstrd.Job.NeverFits", reply)
            self.assertIn("guests have at most 600 MiB here (MemoryMax= in ktstrd.conf)", reply["parameters"]["message"])
            wires = [self.queue(daemon, memory_mib=300)]
            # Until the accelerators are known all wait, and only one may.
            kt.wait_until(lambda: self.states(daemon) == ["running"], "the first to run")
            wires.append(self.queue(daemon, memory_mib=300))
            kt.wait_until(lambda: self.states(daemon) == ["running", "running"], "two that fit to run")
            wires.append(self.queue(daemon, memory_mib=128))
            reply = daemon.call("io.ktstrd.Job.Submit", memory_mib=128)
            self.assertEqual(reply["error"], "io.ktstrd.Daemon.Busy", reply)
            self.assertIn("1 jobs are queued already", reply["parameters"]["message"])
            self.assertEqual(self.states(daemon), ["queued", "running", "running"])
            wires[0].socket.close()
            kt.wait_until(lambda: self.states(daemon) == ["ended", "running", "running"], "the third to have their place")
            result = daemon.ctl("doctor", "--json")
            self.assertIn("600 MiB for guests", result.out)

    def test_the_overcommit(self):
        cpus = len(os.sched_getaffinity(0))
        with self.daemon("[Guests]\nOvercommit=1\nMemoryMax=100%\n") as daemon:
            self.with_kernel(daemon)
            topology = {"topology": f"1n1l{cpus}c1t", "memory_mib": 128}
            wires = [self.queue(daemon, **topology), self.queue(daemon, **topology)]
            kt.wait_until(lambda: self.states(daemon) == ["queued", "running"], "the first to run")
            wires[0].socket.close()
            kt.wait_until(lambda: self.states(daemon) == ["ended", "running"], "the second to have its place")

    def test_the_log_level(self):
        with self.daemon("[Daemon]\nLogLevel=error\n") as daemon:
            daemon.call("io.ktstrd.Daemon.Ping")
            self.assertEqual(daemon.log(), "")
        daemon = self.daemon("[Daemon]\nLogLevel=error\n", "--log-level", "info")
        with daemon:
            self.assertIn("listens on", daemon.log())


if __name__ == "__main__":
    kt.main()
