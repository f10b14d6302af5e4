# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What the integration and end-to-end tests share: a daemon of this build in folders of its own, its client, and the check that nothing of
either stays behind.

The build says where things are: KTSTR_TEST_BUILD (the build folder), KTSTR_TEST_DATA (what tools/test-data made; end-to-end only).
"""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ["KTSTR_TEST_BUILD"]).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
KTSTRD = BUILD / "daemon/ktstrd"
KTSTRCTL = BUILD / "client/ktstrctl"
FAKE_QEMU = BUILD / "tests/lib/fake-qemu"
SCX_KTSTR = BUILD / "scheds/scx_ktstr"

# The longest that anything here may take on a loaded machine; a test that waits that long has failed.
PATIENCE_S = 120


def data(name):
    """A folder of the test data; missing is an error that says what to do."""
    path = pathlib.Path(os.environ["KTSTR_TEST_DATA"]).resolve() / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run tools/test-data {BUILD} (make test does)")
    return path


NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


@functools.cache
def why_not_nobody(*command):
    """Why no other user can be had here, or not to run this command of the build's; None where it can."""
    if os.geteuid() != 0:
        return "only root can be another user"
    # In a user namespace there need be no such one.
    if subprocess.run([*AS_NOBODY, "true"], capture_output=True).returncode != 0:
        return "nobody cannot be had here"
    # The build may lie in a folder that is not for others.
    if command and subprocess.run([*AS_NOBODY, *command], capture_output=True).returncode != 0:
        return f"nobody cannot reach {BUILD}"
    return None


def needs_nobody(*command):
    """For a test that is another user for a while, and runs this as that one."""
    why = why_not_nobody(*command)
    return unittest.skipIf(why, why)


def stat(pid):
    """What /proc/PID/stat has behind the name, None where there is no such process: it may go at any moment."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None


class Process(int):
    """The pid of a process that was seen, and when that one was started: a number is soon another's on a host where many come and go."""

    def __new__(cls, pid):
        self = super().__new__(cls, pid)
        self.started = cls.start_of(self)
        return self

    @staticmethod
    def start_of(pid):
        fields = stat(int(pid))
        return fields and fields[19]

    def gone(self):
        return self.started is None or self.start_of(self) != self.started


def gone(pid):
    """There is no such process, or it is another one than was seen."""
    return pid.gone() if isinstance(pid, Process) else stat(pid) is None


def alive(pid):
    """It is there, and more than what is left of one until its parent asks for it."""
    fields = stat(int(pid))
    return bool(fields) and fields[0] not in "ZX" and not gone(pid)


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Wait for something that has no event of its own: polled, and an error if it does not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.01)


class Library:
    """libktstr as it was installed: where headers, archive and pkg-config's file are."""

    def __init__(self, root):
        self.pkgconfig = next(root.rglob("ktstr.pc")).parent
        self.headers = next(root.rglob("ktstr.h")).parent
        self.library = next(root.rglob("libktstr.a"))


def install_library(folder):
    """What an author needs of this build, installed below a folder as if that were the root; found there by pkg-config."""
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "devel", "--destdir", folder], check=True,
                   stdout=subprocess.DEVNULL)
    library = Library(pathlib.Path(folder))
    file = library.pkgconfig / "ktstr.pc"
    file.write_text(file.read_text().replace("prefix=/", f"prefix={folder}/", 1))
    return library


class Result:
    """What a client said."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def verdict(self):
        verdicts = [e["verdict"] for e in self.events() if e.get("kind") == "verdict"]
        if len(verdicts) != 1:
            raise AssertionError(f"{len(verdicts)} verdicts:\n{self}")
        return verdicts[0]

    def judged(self):
        """A line for each verdict and why; of text for people, none."""
        for line in self.out.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("kind") == "verdict":
                    yield " ".join(filter(None, [event.get("label"), event["verdict"]["verdict"] + ":", event["verdict"].get("reason")]))

    def __str__(self):
        # First what it came to: a report of many failures shows the beginning of each.
        return "\n".join([*self.judged(), f"{self.argv}\nstatus {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"])


# For a workload whose point is not how fair it is or how long it waits: in a second on a CPU that is shared with other guests nobody's share
# is fair.
UNTIMED = ("--check", "max_gap_ms=off", "--check", "max_spread_pct=off")
UNTIMED_CHECKS = {"max_gap_ms": -1, "max_spread_pct": -1}  # the same on the wire

# A host that is too busy to tell may be asked again.
TRIES = 4


def is_told(result):
    return result.verdict()["verdict"] != "inconclusive"


def until_told(run, told=is_told):
    """What run() returns, mostly a Result, once its verdict is another than that the host alone explains it, or the last of so many."""
    for _ in range(TRIES):
        result = run()
        if told(result):
            break
    return result


class Daemon:
    """A ktstrd. Use as a context manager: leaving it stops the daemon and asserts that it left cleanly."""

    def __init__(self, *options, kernels=None, fake=None, env=None, templates=None, template_dir=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.socket = self.dir / "s"
        self.kernels = pathlib.Path(kernels) if kernels else self.dir / "cache/kernels"
        self.state = self.dir / "state"
        self.run = self.dir / "run"
        # Where it is the templates of this test that count they are its own, and gone after it.
        self.template_dir = template_dir or self.dir / "templates"
        self.log_path = self.dir / "log"
        self.script = self.dir / "fake-script"
        self.handed = self.dir / "handed-over"
        self.options = list(options)
        self.env = dict(os.environ, **(env or {}))
        # A pool of fakes would play the script of a test that is about one guest.
        if not (fake is None if templates is None else templates):
            self.options.append("--no-templates")
        if fake is not None:
            self.play(fake)
            self.options += ["--qemu", str(FAKE_QEMU)]
            self.env.update(FAKE_QEMU_SCRIPT=f"@{self.script}", FAKE_QEMU_LOG=str(self.handed))
        for name in ("KTSTRD_SOCKET", "KTSTR_KERNEL", "KTSTR_SCHEDULER", "KTSTR_NO_PERF_MODE"):
            self.env.pop(name, None)
        self.process = None

    def play(self, script):
        """Which script the next fake QEMUs play. One that reads it just now reads the one or the other."""
        new = self.script.with_suffix(".new")
        new.write_text(script + "\n")
        new.rename(self.script)

    def handed_lines(self):
        """What was handed to the fake QEMUs so far, a line each. One that is just being written is none yet."""
        text = self.handed.read_text() if self.handed.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def start(self):
        read, write = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [KTSTRD, "--socket", self.socket, "--cache-dir", self.kernels, "--state-dir", self.state,
                 "--run-dir", self.run, "--template-dir", self.template_dir, "--config", "", "--ready-fd", str(write),
                 # The list of kernel releases is the world's, and changes: who wants one, or builds, names a builder.
                 "--builder", "/bin/false", *map(str, self.options)],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as ready:
            line = ready.readline()
        if line != "\n":
            self.process.wait(PATIENCE_S)
            raise AssertionError(f"ktstrd does not start: {line!r}\n{self.log()}")
        return self

    def start_connected(self):
        """For one that leaves where nobody is connected: a connection, which keeps it. Before we come it may have left, and is started again."""
        while True:
            self.start()
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
                wire = self.connect()
                if wire.call("io.ktstrd.Daemon.Ping") is not None:
                    return wire
            if (status := self.process.wait(PATIENCE_S)) != 0:
                raise AssertionError(f"ktstrd ended with status {status}:\n{self.log()}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def children(self):
        """Its children, QEMUs that is."""
        while True:
            found = [Process(int(p)) for p in self.child_pids()]
            # Where one goes while the kernel tells them, it may leave out another.
            if all(p.started for p in found):
                return found

    def child_pids(self):
        tasks, found = pathlib.Path(f"/proc/{self.process.pid}/task"), []
        with contextlib.suppress(FileNotFoundError):
            for task in os.listdir(tasks):
                with contextlib.suppress(OSError):
                    found += (tasks / task / "children").read_text().split()
        return found

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """SIGTERM, and what must be true after it."""
        children = self.children()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        log = self.log()
        if status != 0:
            raise AssertionError(f"ktstrd ended with status {status}:\n{log}")
        for pid in children:
            if not gone(pid):
                raise AssertionError(f"process {pid} outlived ktstrd")
        if self.socket.exists():
            raise AssertionError("the socket is still there")
        if self.run.exists():
            raise AssertionError(f"runtime files left: {[self.run, *self.run.rglob('*')]}")

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, traceback):
        try:
            if self.process.poll() is None:
                self.stop()
            elif kind is None:
                raise AssertionError(f"ktstrd went away with status {self.process.returncode}:\n{self.log()}")
        finally:
            if self.process.poll() is None:
                self.kill()
            if kind is not None:
                print(f"--- log of ktstrd\n{self.log()}")
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- the client ---

    def client_env(self, env=None):
        return dict(self.env, KTSTRD_SOCKET=str(self.socket), **(env or {}))

    def ctl(self, *args, env=None, cwd=None, stdin=subprocess.DEVNULL, timeout=PATIENCE_S):
        argv = [str(KTSTRCTL), *map(str, args)]
        p = subprocess.run(argv, env=self.client_env(env), cwd=cwd, stdin=stdin, capture_output=True, timeout=timeout)
        return Result(argv[1:], p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))

    def ctl_start(self, *args, env=None):
        return subprocess.Popen([str(KTSTRCTL), *map(str, args)], env=self.client_env(env), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    # --- the wire ---

    def connect(self):
        return Wire(self.socket)

    def call(self, method, **parameters):
        with self.connect() as wire:
            return wire.call(method, **parameters)

    def jobs(self):
        return self.call("io.ktstrd.Job.List")["parameters"]["jobs"]


class GuestDaemon(Daemon):
    """
    One with real guests, of the kernels in the test data. What these are cloned from is kept in the build folder, for all daemons of all
    tests that use this: to boot each shape anew for each of them took longer than what many do in their guests.
    """

    def __init__(self, *options, **keywords):
        super().__init__(*options, kernels=data("kernels"), template_dir=BUILD / "tests/templates", **keywords)

    def prime(self, **shape):
        """Until there is a template: jobs that keep the CPUs busy leave none to make one, and each of them boots."""
        reply = self.call("io.ktstrd.Pool.Prime", idle=1, **shape)
        if "error" in reply:
            raise AssertionError(f"{reply}\n{self.log()}")


class Wire:
    """A connection, by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_raw(self, data_bytes, fds=()):
        if fds:
            socket.send_fds(self.socket, [data_bytes], fds)
        else:
            self.socket.sendall(data_bytes)

    def send(self, method, parameters=None, fds=(), **flags):
        message = {"method": method, "parameters": parameters or {}, **flags}
        self.send_raw(json.dumps(message).encode() + b"\0", fds)

    def receive_raw(self, end=b"\0"):
        """One message without its end; None when the daemon closed."""
        while end not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                return None
            self.buffer += got
        message, self.buffer = self.buffer.split(end, 1)
        return message

    def receive(self):
        message = self.receive_raw()
        return None if message is None else json.loads(message)

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.receive()


def main():
    if not why_not_nobody() and subprocess.run([*AS_NOBODY, "test", "-x", tempfile.gettempdir()], capture_output=True).returncode != 0:
        # A TMPDIR of root's own: of the folders that are made there some are for nobody too.
        tempfile.tempdir = "/tmp"
    unittest.main(verbosity=2)
