# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of `ktstrctl test` share: programs of all kinds, and a daemon that is played here."""

import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import ktstr_test as kt
from played_daemon import PlayedDaemon, ended, verdict

LISTING = {"ktstr_list": 1, "version": "0.1.0", "errors": [], "schedulers": [], "tests": []}


class Tests(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-")).resolve()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.verdicts = {}
        self.jobs = itertools.count(1)
        self.running, self.cancelled = set(), {}
        self.kernels = ["6.14.2", "6.15.9"]
        self.daemon = self.enterContext(PlayedDaemon(Submit=self.submit, Resolve=self.resolve, Room=self.room, Status=self.status,
                                                     Cancel=self.cancel))

    # --- the daemon ---

    def submit(self, label, **_):
        job = f"job{next(self.jobs)}"
        v = self.verdicts.get(re.sub(r"#\d+$", "", label), verdict())
        if callable(v):
            yield from v(job)
        else:
            yield from ended(job, v)

    def hang(self, job):
        """One that runs until it is cancelled, and from when its client was told its name."""
        self.cancelled[job] = threading.Event()
        yield {"continues": True, "parameters": {"job": job, "event": {"kind": "queued", "elapsed_ms": 0, "position": 0, "wait_ms": 0}}}
        self.running.add(job)
        self.cancelled[job].wait(kt.PATIENCE_S)
        self.running.discard(job)
        yield {"parameters": {"job": job, "event": {"kind": "verdict", "elapsed_ms": 5, "verdict": verdict("cancelled", "cancelled")}}}

    def cancel(self, job):
        # One that is gone already is none to cancel.
        if job in self.cancelled:
            self.cancelled[job].set()
        yield {"parameters": {}}

    def resolve(self, kernels=None, kernel=None):
        if not kernels:
            yield {"parameters": {"entry": {"key": "newest"}, "resolved": [{"label": "kernel_newest", "entry": {"key": "newest"}}]}}
            return
        found = [v for k in kernels for v in (self.kernels if ".." in k else [k])]
        resolved = [{"spec": v, "label": "kernel_" + v.replace(".", "_"), "entry": {"key": f"{v}-key"}} for v in found]
        yield {"parameters": {"entry": resolved[0]["entry"], "resolved": resolved}}

    def room(self, topology=None, accel=None):
        yield {"parameters": {"cpus": 16, "memory_mib": 4096}}

    def status(self):
        yield {"parameters": {"accelerator": "tcg"}}

    # --- programs ---

    def script(self, name, text, folder=None):
        path = (folder or self.dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def program(self, *tests, schedulers=(), errors=(), name="my_tests", body="exit 3"):
        """A test program that declares these."""
        listing = {**LISTING, "tests": [{"name": t} if isinstance(t, str) else t for t in tests], "schedulers": list(schedulers),
                   "errors": list(errors)}
        text = json.dumps(listing).replace("'", "'\\''")
        return self.script(name, f"case $1 in\n--ktstr-list) printf '%s' '{text}' ;;\n--ktstr-body) {body} ;;\nesac\n")

    def compiled(self, name, source, *options):
        """A program of C, with the section that a test program has."""
        path = self.dir / f"{name}.c"
        path.write_text('__attribute__((used, section("ktstr_tests"))) static const char *const tests[] = {"t"};\n' + source)
        subprocess.run(["cc", "-o", self.dir / name, path, *options], check=True)
        return self.dir / name

    # --- the client ---

    def env(self, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("KTSTR_KERNEL", "KTSTR_SCHEDULER", "KTSTR_NO_PERF_MODE"))}
        return {**clean, "KTSTRD_SOCKET": self.daemon.socket, **env}

    def ctl(self, *args, timeout=kt.PATIENCE_S, **env):
        argv = [str(kt.KTSTRCTL), "test", *map(str, args)]
        p = subprocess.run(argv, cwd=self.dir, env=self.env(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        return kt.Result(argv[1:], p.returncode, p.stdout.decode(), p.stderr.decode())

    def start(self, *args):
        return subprocess.Popen([str(kt.KTSTRCTL), "test", *map(str, args)], cwd=self.dir, env=self.env(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def refused(self, *args, words=(), status=64, **kwargs):
        """One line on stderr with these words; nothing was submitted."""
        result = self.ctl(*args, **kwargs)
        self.assertEqual((result.status, result.out), (status, ""), result)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(self.daemon.asked("Submit"), [])
        return result

    def broken(self, program, words):
        """An error among the results, with these words; nothing was submitted."""
        result = self.ctl(program)
        self.assertEqual((result.status, result.err), (3, ""), result)
        line = result.out.splitlines()[0]
        self.assertTrue(line.startswith(f"ERROR  {program}  "), result)
        for word in words:
            self.assertIn(word, line)
        self.assertRegex(result.out, r"\n0 passed, 1 in error of 1 in ")
        self.assertIn(f"      again: ktstrctl test {program} --list\n", result.out)
        self.assertEqual(self.daemon.asked("Submit"), [])
        return result

    def names(self, *args, **kwargs):
        result = self.ctl("--list", *args, **kwargs)
        self.assertEqual(result.status, 0, result)
        return result.out.splitlines()
