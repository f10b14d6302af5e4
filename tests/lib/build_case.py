# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of builds share: a helper that only plays to build, and what it left of that."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import kernel_files
import ktstr_test as kt

HELPER = kt.SOURCE / "tests/lib/fake_build.py"
BOOTED = os.geteuid() == 0 and os.path.isdir("/run/systemd/system")
BUILD = "io.ktstrd.Kernel.Build"
WHOLE = """
stage resolve which one is newest
stage download linux-6.14.2.tar.xz
progress 50 200 bytes
plan
stage configure
log a line of make
warning kernel/foo.c:12: warning: something
stage compile
progress 1 4 objects kernel/foo.o
progress 4 4 objects vmlinux
result
"""


class Stream:
    """The events of one call, as they come."""

    def __init__(self, daemon, method, fds=(), **parameters):
        self.wire = daemon.connect()
        self.wire.send(method, parameters, fds, more=True)
        self.events, self.job = [], None

    def next(self):
        reply = self.wire.receive()
        if reply is None:
            return None
        if "error" in reply:
            raise AssertionError(reply)
        self.job = reply["parameters"]["job"]
        event = reply["parameters"]["event"]
        self.events.append(event)
        return event

    def until(self, condition):
        while True:
            event = self.next()
            if event is None or "verdict" in event:
                raise AssertionError(f"it ended: {self.events}")
            if condition(event):
                return event

    def verdict(self):
        while True:
            event = self.next()
            if event is None:
                raise AssertionError(f"no verdict: {self.events}")
            if "verdict" in event:
                self.wire.socket.close()
                return event["verdict"]

    def close(self):
        self.wire.socket.close()

    def of(self, kind):
        return [e for e in self.events if e["kind"] == kind]

    def notes(self):
        return [e["message"] for e in self.of("note")]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-build-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        # Where other users can get at it, wherever the sources are.
        self.helper = self.folder / "ktstrd-build"
        shutil.copy(HELPER, self.helper)
        self.image = self.folder / "image"
        self.image.write_bytes(kernel_files.elf("6.14.2", config=kernel_files.CONFIG))
        (self.folder / "config").write_text(kernel_files.CONFIG)
        self.plays = self.folder / "plays"
        self.plays.mkdir()
        self.plays.chmod(0o777)
        self.script(WHOLE)

    def script(self, text):
        (self.plays / "script").write_text(text)

    def env(self, **more):
        # Not the user's own systemd, where there is one.
        return {"FAKE_BUILD_SCRIPT": str(self.plays), "FAKE_BUILD_IMAGE": str(self.image), "XDG_RUNTIME_DIR": str(self.folder / "none"), **more}

    def config(self, *lines):
        path = self.folder / "conf"
        path.write_text("[Kernels]\n" + "\n".join(lines) + "\n")
        return path

    def daemon(self, *options, env=None, **keywords):
        return kt.Daemon("--builder", self.helper, *options, env=self.env(**(env or {})), fake="ok", **keywords)

    def run_dirs(self):
        return sorted(self.plays.glob("run-*"), key=lambda p: int(p.name[4:]))

    def about(self, n=-1):
        return json.loads((self.run_dirs()[n] / "about").read_text())

    def request(self, n=-1):
        return json.loads((self.run_dirs()[n] / "request").read_text())

    def release(self, name):
        (self.plays / f"release-{name}").touch()

    def held_build(self, daemon, version="6.14.2", **parameters):
        """The stream of a build that has begun, and come to where its script says "hold here"."""
        stream = Stream(daemon, BUILD, version=version, **parameters)
        stream.next()
        self.held("here")
        return stream

    def held(self, name):
        """Wait until the helper holds there; its pid."""
        path = self.plays / f"held-{name}"
        kt.wait_until(lambda: path.exists() and path.read_text(), f"the helper comes to {name}")
        return kt.Process(path.read_text())

    def folders(self, daemon):
        """Of builds, there now."""
        root = daemon.kernels / ".builds"
        return sorted(p.name for p in root.iterdir() if not p.name.startswith(".objects-")) if root.exists() else []

    def locked(self, kernels, job):
        """That build's lock, held as by another daemon until it is closed. The helper of one that was killed has it too, until it is gone."""
        lock = open(kernels / ".builds" / job / "lock", "rb")

        def had():
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        kt.wait_until(had, "the build's lock")
        return lock

    def wait_gone(self, daemon):
        kt.wait_until(lambda: not self.folders(daemon), "the build's folder is gone")

    def assert_gone(self, pid):
        kt.wait_until(lambda: not kt.alive(pid), f"process {pid} is gone")

    def build(self, daemon, **parameters):
        stream = Stream(daemon, BUILD, **parameters)
        stream.outcome = stream.verdict()
        return stream
