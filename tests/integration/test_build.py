# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds as jobs: a helper that follows a script, and all that can happen to one."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import kernel_files
import kernel_tree
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

    def held(self, name):
        """Wait until the helper holds there; its pid."""
        path = self.plays / f"held-{name}"
        kt.wait_until(lambda: path.exists() and path.read_text(), f"the helper comes to {name}")
        return int(path.read_text())

    def folders(self, daemon):
        """Of builds, there now."""
        root = daemon.kernels / ".builds"
        return sorted(p.name for p in root.iterdir() if not p.name.startswith(".objects-")) if root.exists() else []

    def locked(self, kernels, job):
        """That build's lock, held as by another daemon until it is closed."""
        lock = open(kernels / ".builds" / job / "lock", "rb")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock

    def wait_gone(self, daemon):
        kt.wait_until(lambda: not self.folders(daemon), "the build's folder is gone")

    def assert_gone(self, pid):
        kt.wait_until(lambda: not alive(pid), f"process {pid} is gone", 30)

    def build(self, daemon, **parameters):
        stream = Stream(daemon, BUILD, **parameters)
        stream.outcome = stream.verdict()
        return stream


def alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


class Way(Case):
    """From request to kernel."""

    def test_a_build_goes_through_its_stages_into_the_cache(self):
        with self.daemon() as daemon:
            b = self.build(daemon, version="6.14.2")
            verdict = b.outcome
            self.assertEqual(verdict["verdict"], "pass", verdict)
            key = verdict["kernel"]
            self.assertRegex(key, r"^6\.14\.2-tarball-x86_64-kc[0-9a-f]{8}$")
            self.assertEqual(verdict["reason"], f"built: {key}")
            steps = [(e["step"], e["state"]) for e in b.of("step")]
            names = ["resolve", "download", "configure", "compile", "store"]
            self.assertEqual(self.request()["objects"], 0)
            self.assertEqual(steps, [(name, state) for name in names for state in ("begin", "end")])
            self.assertEqual(b.of("step")[0]["message"], "which one is newest")
            self.assertEqual([e["message"] for e in b.of("warning")], ["kernel/foo.c:12: warning: something"])
            self.assertEqual([s["stage"] for s in verdict["build"]["stages"]], names)
            self.assertEqual({k: verdict["build"][k] for k in ("source", "profile", "version", "objects", "cached", "existed")},
                             {"source": "linux-6.14.2.tar.xz", "profile": "default", "version": "6.14.2", "objects": 1234, "cached": True,
                              "existed": False})
            first = b.of("progress")[0]
            self.assertEqual({k: first[k] for k in ("step", "done", "total", "unit", "percent")},
                             {"step": "download", "done": 50, "total": 200, "unit": "bytes", "percent": 25.0})
            log = pathlib.Path(verdict["result_dir"], "build.log").read_text()
            self.assertIn("a line of make\n", log)
            self.assertIn("== warning: kernel/foo.c:12", log)
            self.assertEqual("".join(e["text"] for e in b.of("log")), log)
            entry = daemon.call("io.ktstrd.Kernel.Info", key=key)["parameters"]["entry"]
            self.assertEqual((entry["version"], entry["source"]), ("6.14.2", "tarball"))
            summary = daemon.call("io.ktstrd.Job.Show", job=b.job)["parameters"]["job"]
            self.assertEqual((summary["kind"], summary["build"], summary["kernel"], summary["topology"]),
                             ("build", "linux-6.14.2.tar.xz", key, ""))
            self.wait_gone(daemon)

    def test_what_the_helper_is_asked_for(self):
        with self.daemon("--config", self.config("KernelMirror=http://mirror/linux/", "DownloadStallSec=7s", "BuildCPUQuota=50%")) as daemon:
            self.build(daemon)
            self.build(daemon, version="v6.12", profile="tiny", extra_kconfig="CONFIG_FOO=y\n", clean=True, jobs=3)
            self.build(daemon, git_url="https://git.example/linux.git/", git_ref="v6.14")
            self.build(daemon, package="linux-source-6.12")
            requests = [self.request(n) for n in range(4)]
        self.assertEqual([r["source"] for r in requests],
                         [{"kind": "version"}, {"kind": "version", "version": "6.12"},
                          {"kind": "git", "url": "https://git.example/linux.git", "ref": "v6.14"},
                          {"kind": "package", "name": "linux-source-6.12"}])
        cpus = len(os.sched_getaffinity(0))
        self.assertEqual([(r["profile"], r.get("extra_kconfig"), r["clean"], r["jobs"]) for r in requests[:2]],
                         [("default", None, False, -(-cpus * 50 // 100)), ("tiny", "CONFIG_FOO=y\n", True, 3)])
        self.assertEqual(requests[0]["net"]["mirror"], "http://mirror/linux")
        self.assertEqual(requests[0]["net"]["stall_ms"], 7000)
        self.assertEqual(requests[0]["net"]["releases"], "https://www.kernel.org/releases.json")

    def test_keys(self):
        with self.daemon() as daemon:
            for parameters, pattern in (
                    ({"version": "6.14.2", "profile": "tiny"}, r"6\.14\.2-tarball-x86_64-tiny-kc\w{8}"),
                    ({"version": "6.14.2", "extra_kconfig": "CONFIG_A=y"}, r"6\.14\.2-tarball-x86_64-kc\w{8}-xkc\w{8}"),
                    ({"git_url": "https://x/y", "git_ref": "a/b"}, r"a-b-git-0123456-x86_64-kc\w{8}"),
                    ({"git_url": "https://x/y", "git_ref": "refs/tags/v6.14"}, r"v6\.14-git-0123456-x86_64-kc\w{8}")):
                with self.subTest(parameters=parameters):
                    self.assertRegex(self.build(daemon, **parameters).outcome["kernel"], f"^{pattern}$")

    def test_a_cached_one_is_not_built_again(self):
        with self.daemon() as daemon:
            key = self.build(daemon, version="6.14.2").outcome["kernel"]
            again = self.build(daemon, version="v6.14.2").outcome
            self.assertEqual(self.request()["objects"], 1234) # of the first one, for the percentage of the next
            self.assertEqual((again["verdict"], again["kernel"], again["reason"]), ("pass", key, f"already cached: {key}"))
            self.assertEqual((again["build"]["cached"], again["build"]["existed"]), (True, True))
            self.assertEqual((self.run_dirs()[1] / "told").read_text(), "stop")
            forced = self.build(daemon, version="6.14.2", force=True).outcome
            self.assertEqual((self.run_dirs()[2] / "told").read_text(), "go")
            self.assertEqual((forced["verdict"], forced["kernel"], forced["build"]["existed"]), ("pass", key, False), forced)

    def test_another_source_whose_hash_begins_the_same_is_built(self):
        with self.daemon() as daemon:
            for digit, expected in (("a", "built: "), ("a", "already cached: "), ("b", "built: "), ("b", "already cached: ")):
                self.script('plan {"git_hash": "0123456%s"}\nresult' % (digit * 33))
                self.image.write_bytes(kernel_files.elf("6.14.2", config=kernel_files.CONFIG + f"CONFIG_{digit.upper()}=y\n"))
                verdict = self.build(daemon, git_url="https://example.org/linux.git", git_ref="main").outcome
                self.assertTrue(verdict["reason"].startswith(expected), verdict)

    def test_one_that_may_not_be_cached_is_built_all_the_same(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script('stage configure\nplan {"cacheable": false, "why": "the tree has changes"}\nresult {"cacheable": false, "why": "x"}')
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=f"{tree}/").outcome
            self.assertEqual(verdict["reason"], f"built, not cached: the tree has changes; use --kernel {tree}")
            self.assertEqual(verdict["verdict"], "pass")
            self.assertNotIn("kernel", verdict)
            self.assertEqual((verdict["build"]["cached"], verdict["build"]["tree"], verdict["build"]["why_not_cached"]),
                             (False, str(tree), "the tree has changes"))
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])

    def test_a_tree_that_changed_meanwhile_is_not_cached(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script('plan\nresult {"cacheable": false, "why": "it changed while it was built"}')
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(tree)).outcome
            self.assertEqual(verdict["reason"], f"built, not cached: it changed while it was built; use --kernel {tree}")
            self.assertNotIn("kernel", verdict)

    def test_a_tree_is_cached(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script("plan\nresult")
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(tree)).outcome
            self.assertRegex(verdict["kernel"], r"^local-0123456-x86_64-kc\w{8}$")

    def test_a_tarball_comes_by_descriptor(self):
        path = self.folder / "linux-mine.tar"
        path.write_bytes(b"this is no tarball")
        self.script('read\nplan {"source_sha256": "%s"}\nresult' % ("ab" * 32))
        with self.daemon() as daemon, open(path, "rb") as f:
            f.seek(5)
            stream = Stream(daemon, BUILD, fds=[f.fileno()], tarball={"name": "linux-mine.tar", "file_fd": 0})
            verdict = stream.verdict()
            self.assertRegex(verdict["kernel"], r"^6\.14\.2-tarball-abababa-x86_64-kc\w{8}$")
            self.assertEqual((self.run_dirs()[0] / "tarball").read_bytes(), b"this is no tarball")
            self.assertEqual(self.request()["source"]["name"], "linux-mine.tar")
            self.assertNotEqual(self.request()["source"]["path"], str(path))
            self.wait_gone(daemon)

    def test_a_tarball_comes_by_path(self):
        path = self.folder / "linux-mine.tar"
        path.write_bytes(b"neither is this")
        self.script('read\nplan {"source_sha256": "%s"}\nresult' % ("ab" * 32))
        with self.daemon() as daemon:
            self.assertEqual(self.build(daemon, tarball={"name": "mine", "path": str(path)}).outcome["verdict"], "pass")
            self.assertEqual((self.run_dirs()[0] / "tarball").read_bytes(), b"neither is this")
            gone = self.build(daemon, tarball={"name": "mine", "path": "/nonexistent/x.tar"}).outcome
            self.assertEqual(gone["verdict"], "error")
            self.assertIn("/nonexistent/x.tar", gone["reason"])

    def test_bad_requests(self):
        with self.daemon() as daemon:
            for parameters, field in (
                    ({"version": "6.14.2", "package": "x"}, "package"), ({"git_ref": "v6.14"}, "git_ref"), ({"version": "latest"}, "version"),
                    ({"version": "--help"}, "version"), ({"package": "-oDpkg::x"}, "package"), ({"package": "Linux"}, "package"),
                    ({"git_url": "ext::sh -c id"}, "git_url"), ({"git_url": "ext::sh"}, "git_url"), ({"git_url": "--upload-pack=x"}, "git_url"),
                    ({"git_url": "https://x", "git_ref": "-x"}, "git_ref"), ({"tree": "linux"}, "tree"), ({"jobs": -1}, "jobs"),
                    ({"jobs": 4097}, "jobs"), ({"profile": "huge"}, "profile"), ({"extra_kconfig": "#" * (1024 * 1024 + 1)}, "extra_kconfig"),
                    ({"tarball": {"name": "x"}}, "tarball"), ({"tarball": {"name": "x", "path": "y"}}, "tarball"),
                    ({"tarball": {"name": "x", "file_fd": 0}}, "tarball.file_fd")):
                with self.subTest(parameters=str(parameters)[:60]):
                    reply = daemon.call(BUILD, **parameters)
                    self.assertEqual(reply.get("error"), "org.varlink.service.InvalidParameter", reply)
                    self.assertEqual(reply["parameters"].get("parameter"), field, reply)
            self.assertEqual(self.folders(daemon), [])
            self.assertEqual(daemon.jobs(), [])


class Failures(Case):
    """A helper that fails, and one that lies."""

    def test_a_compiler_error_is_the_reason(self):
        self.script("plan\nstage compile\nerror io.ktstrd.Kernel.BuildFailed kernel/sched/ext.c:5: error: 'x' undeclared | "
                    "make[3]: *** [kernel/sched/ext.o] Error 1 | second")
        with self.daemon() as daemon:
            verdict = self.build(daemon).outcome
            self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "kernel/sched/ext.c:5: error: 'x' undeclared"))
            self.assertEqual(verdict["details"], ["make[3]: *** [kernel/sched/ext.o] Error 1", "second"])
            self.assertNotIn("error", verdict)
            self.wait_gone(daemon)

    def test_other_errors_are_the_harness(self):
        for name in ("io.ktstrd.Kernel.DownloadFailed", "io.ktstrd.Kernel.NoSuchKernel", "io.ktstrd.Daemon.InputOutput"):
            with self.subTest(name=name), self.daemon() as daemon:
                self.script(f"stage download\nerror {name} no network\n")
                verdict = self.build(daemon).outcome
                self.assertEqual((verdict["verdict"], verdict["error"], verdict["reason"]), ("error", name, "no network"))

    def test_an_error_name_of_its_own_is_not_believed(self):
        self.script("error org.evil.Name it says so")
        with self.daemon() as daemon:
            self.assertEqual(self.build(daemon).outcome["error"], "io.ktstrd.Daemon.Internal")

    def lies(self):
        plan = 'plan\n'
        yield "garbage", "say hello", "makes no sense"
        yield "a number", "say 7", "no object"
        yield "two answers", 'say {"note": "a", "log": "b"}', "two things"
        yield "nothing", "say {}", "says nothing"
        yield "no such stage", 'say {"stage": "dance"}', "no such stage"
        yield "no progress", 'say {"progress": {"done": -1, "total": 1, "unit": "bytes"}}', "done"
        yield "another unit", 'say {"progress": {"done": 1, "total": 1, "unit": "apples"}}', "unit"
        yield "two plans", plan + "plan", "plans twice"
        yield "another source", 'plan {"source": "local"}', "something else"
        yield "a bad hash", 'plan {"source_sha256": "../../x"}', "source_sha256"
        yield "a version that leads out", 'plan {"version": "../x"}', "version"
        yield "no reason", 'plan {"cacheable": false}', "why"
        yield "a result before the plan", "result", "before it was told"
        yield "a tree elsewhere", plan + 'result {"tree": "/etc"}', "where it may not"
        yield "a tree that climbs", plan + 'result {"tree": "/a/../etc"}', "tree"
        yield "a config elsewhere", plan + 'result {"config": "/etc/shadow"}', "where it may not"
        yield "more after the end", plan + "result\nnote hello", "last word"
        yield "an endless line", "flood", "too long"
        yield "a crash", "stage compile\nstderr what went wrong\nsignal 11", "killed by signal 11 (Segmentation fault): what went wrong"
        yield "a status", "stage compile\nexit 3", "status 3 and no result"
        yield "silence", "exit 0", "status 0 and no result"
        yield "a status after its result", plan + "result\nexit 3", "status 3"

    def test_lies(self):
        with self.daemon() as daemon:
            for what, script, text in self.lies():
                with self.subTest(what=what):
                    self.script(script)
                    verdict = self.build(daemon, version="6.14.2").outcome
                    self.assertEqual(verdict["verdict"], "error", verdict)
                    self.assertIn(text, verdict["reason"])
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])
            self.wait_gone(daemon)
            self.assertEqual(daemon.children(), [])

    def test_a_helper_that_is_not_there(self):
        self.helper.unlink()
        with self.daemon() as daemon:
            verdict = self.build(daemon).outcome
            self.assertEqual(verdict["verdict"], "error")
            self.assertIn(f"cannot run {self.helper}", verdict["reason"])

    def test_gigabytes_are_kept_in_bounds(self):
        self.script("log-lines 40000\nspam 5000\nplan\nresult")
        with self.daemon() as daemon:
            job = daemon.call(BUILD, version="6.14.2", detach=True)["parameters"]["job"]
            kt.wait_until(lambda: daemon.jobs()[0]["state"] == "ended", "it has ended")
            # Who comes late sees the last of the progress, and as much of the log as is held.
            late = Stream(daemon, "io.ktstrd.Job.Attach", job=job)
            verdict = late.verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            log = pathlib.Path(verdict["result_dir"], "build.log").read_text()
            self.assertEqual(log.count("drivers/net/file"), 40000)
            self.assertEqual(len(late.of("progress")), 1)
            self.assertGreater(len(late.of("log")), 1000)
            self.assertLess(sum(len(e["text"]) for e in late.of("log")), 4 << 20)
            # A sanitizer keeps what was freed.
            if "libasan" not in pathlib.Path(f"/proc/{daemon.process.pid}/maps").read_text():
                self.assertLess(daemon.call("io.ktstrd.Daemon.Status")["parameters"]["rss_bytes"], 100 << 20)

    def test_many_stages_are_told_and_the_rest_is_in_the_log(self):
        self.script("stage resolve\nstage download\n" * 700 + WHOLE)
        with self.daemon() as daemon:
            stream = self.build(daemon, version="6.14.2")
            self.assertEqual(stream.outcome["verdict"], "pass")
            self.assertEqual(stream.notes().count("further stages, notes and warnings are only in build.log"), 1)

    def test_a_result_that_is_no_kernel(self):
        self.image.write_bytes(b"no ELF at all")
        with self.daemon() as daemon:
            verdict = self.build(daemon, version="6.14.2").outcome
            self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Kernel.BadKernel"))
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])
            self.wait_gone(daemon)


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
                self.assertFalse(alive(pid))
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
            stream = Stream(daemon, BUILD)
            stream.next()
            pid = self.held("here")
            child = int((self.run_dirs()[0] / "child").read_text())
            daemon.call("io.ktstrd.Job.Cancel", job=stream.job)
            self.assertEqual(stream.verdict()["verdict"], "cancelled")
            self.assertFalse(alive(pid))
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
                    self.assertFalse(alive(pid))
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
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            pid = self.held("here")
            child = int((self.run_dirs()[0] / "child").read_text())
            daemon.kill()
            self.assert_gone(pid)
            self.assertTrue(alive(child))
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
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            self.held("here")
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
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            self.held("here")
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
            first = Stream(daemon, BUILD, version="6.14.2")
            first.next()
            self.held("here")
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
            first = Stream(daemon, BUILD, version="6.14.2")
            first.next()
            self.held("here")
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
        daemon.start()
        try:
            job = daemon.call(BUILD, version="6.14.2", detach=True)["parameters"]["job"]
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
            kt.wait_until(lambda: not alive(pid), "the private daemon ends")

    def pid(self):
        with kt.Wire(self.socket) as wire:
            return wire.call("io.ktstrd.Daemon.Status")["parameters"]["pid"]

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


class Two(Case):
    """Several at once."""

    def test_the_same_twice_is_built_once(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as daemon:
            first = Stream(daemon, BUILD, version="6.14.2", force=True)
            first.next()
            self.held("here")
            second = Stream(daemon, BUILD, version="6.14.2", force=True)
            said = second.until(lambda e: "message" in e)
            self.assertEqual(said["kind"], "queued")
            self.assertIn(f"job {first.job} builds the same already", said["message"])
            self.release("here")
            self.assertEqual(first.verdict()["build"]["existed"], False)
            verdict = second.verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", True), verdict)
            self.assertEqual([(d / "told").read_text() for d in self.run_dirs()], ["go", "stop"])

    def test_places_are_told(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as daemon:
            first = Stream(daemon, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            others = [Stream(daemon, BUILD, version=f"6.14.{n}") for n in (3, 4)]
            self.assertEqual([o.next()["position"] for o in others], [1, 2])
            jobs = {j["job"]: j for j in daemon.jobs()}
            self.assertEqual([jobs[o.job]["position"] for o in others], [1, 2])
            self.assertEqual([jobs[o.job]["state"] for o in others], ["queued", "queued"])
            self.release("here")
            for stream in (first, *others):
                self.assertEqual(stream.verdict()["verdict"], "pass")
            self.assertEqual([e["position"] for e in others[1].of("queued")], [2, 1])

    def test_builds_and_tests_do_not_wait_for_each_other(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon("--agent", "/bin/true", "--busybox", "/bin/true") as daemon:
            image = daemon.dir / "vmlinux"
            image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
            self.assertEqual(daemon.ctl("kernel", "import", image).status, 0)
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            self.held("here")
            self.assertEqual(daemon.ctl("submit").status, 0)
            self.release("here")
            self.assertEqual(stream.verdict()["verdict"], "pass")

    def test_two_daemons_with_one_cache_build_it_once(self):
        self.script("plan\nhold here\nresult")
        with self.daemon() as one, self.daemon("--cache-dir", one.kernels) as two:
            first = Stream(one, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            second = Stream(two, BUILD, version="6.14.2")
            said = second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            self.assertRegex(said["message"], r"^another daemon builds 6\.14\.2-tarball-x86_64-kc\w{8}; waiting for it$")
            self.release("here")
            verdict = first.verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            other = second.verdict()
            self.assertEqual((other["verdict"], other["build"]["existed"], other["kernel"]), ("pass", True, verdict["kernel"]))
            self.assertEqual(sorted((d / "told").read_text() for d in self.run_dirs()), ["go", "stop"])
            self.wait_gone(one)

    def test_one_that_waits_for_another_daemon_is_cancelled(self):
        self.script("plan\nhold here\nresult")
        with self.daemon() as one, self.daemon("--cache-dir", one.kernels) as two:
            first = Stream(one, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            second = Stream(two, BUILD, version="6.14.2")
            second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            two.call("io.ktstrd.Job.Cancel", job=second.job)
            self.assertEqual(second.verdict()["verdict"], "cancelled")
            self.release("here")
            self.assertEqual(first.verdict()["verdict"], "pass")

    def test_the_other_daemon_goes_on_when_the_first_is_killed(self):
        self.script("plan\nhold here\nresult")
        one = self.daemon()
        with one, self.daemon("--cache-dir", one.kernels) as two:
            first = Stream(one, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            second = Stream(two, BUILD, version="6.14.2")
            second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            one.kill()
            self.release("here")
            verdict = second.verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", False), verdict)
            # And what the first one has left it finds done.
            one.start()
            verdict = Stream(one, "io.ktstrd.Job.Attach", job=first.job).verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", True), verdict)

    def test_a_daemon_leaves_the_builds_of_a_living_one_alone(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as one:
            first = Stream(one, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            with self.daemon("--cache-dir", one.kernels) as two:
                self.assertEqual(two.jobs(), [])
            self.release("here")
            self.assertEqual(first.verdict()["verdict"], "pass")

    def test_those_that_a_daemon_found_are_its_own_when_the_other_is_killed(self):
        self.script("hold here\n" + WHOLE)
        one = self.daemon()
        with one:
            first = Stream(one, BUILD, version="6.14.2")
            first.next()
            self.held("here")
            with self.daemon("--cache-dir", one.kernels) as two:
                self.assertEqual(two.jobs(), [])
                one.kill()
                self.release("here")
                kt.wait_until(lambda: two.jobs(), "it is taken up")
                verdict = Stream(two, "io.ktstrd.Job.Attach", job=first.job).verdict()
                self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", False), verdict)
            one.start()
            self.assertEqual(one.jobs(), [])


@kt.needs_nobody()
class Rights(Case):
    """Who builds, and who may end it."""

    def setUp(self):
        super().setUp()
        with contextlib.suppress(KeyError):
            pwd.getpwnam("ktstrd-build")
            self.skipTest("there is a user ktstrd-build here")

    @contextlib.contextmanager
    def daemon_for_all(self):
        with self.daemon() as daemon:
            for path in (daemon.dir, daemon.socket):
                path.chmod(0o777)
            yield daemon

    def as_nobody(self, daemon, method, **parameters):
        """The replies of a call that somebody else makes."""
        lib = self.folder / "lib"
        if not lib.exists():
            shutil.copytree(kt.SOURCE / "tests/lib", lib)
        script = ("import sys, json; sys.path.insert(0, sys.argv[1]); import ktstr_test as kt\n"
                  "with kt.Wire(sys.argv[2]) as w:\n"
                  "    w.send(sys.argv[3], json.loads(sys.argv[4]), more=sys.argv[3].endswith('Build'))\n"
                  "    while True:\n"
                  "        reply = w.receive()\n"
                  "        print(json.dumps(reply), flush=True)\n"
                  "        if not reply.get('continues'): break\n")
        p = subprocess.run([*kt.AS_NOBODY, sys.executable, "-c", script, str(lib), str(daemon.socket), method, json.dumps(parameters)],
                           capture_output=True, text=True, timeout=kt.PATIENCE_S, env=dict(os.environ, KTSTR_TEST_BUILD="/"), cwd="/")
        self.assertEqual(p.returncode, 0, p.stderr)
        return [json.loads(line) for line in p.stdout.splitlines()]

    def verdict_as_nobody(self, daemon, **parameters):
        replies = self.as_nobody(daemon, BUILD, **parameters)
        self.assertNotIn("error", replies[-1])
        self.notes = [r["parameters"]["event"].get("message") for r in replies if r["parameters"]["event"]["kind"] == "note"]
        return replies[-1]["parameters"]["event"]["verdict"]

    def test_a_tree_is_built_as_its_user(self):
        tree = self.folder / "linux"
        tree.mkdir()
        os.chown(tree, kt.NOBODY, kt.NOBODY)
        self.script("touch object\nplan\nlog make\nresult")
        with self.daemon_for_all() as daemon:
            verdict = self.verdict_as_nobody(daemon, tree=str(tree))
            self.assertEqual(verdict["verdict"], "pass", verdict)
            about = self.about()
            self.assertEqual((about["uid"], about["groups"], about["environ"]["USER"]), (kt.NOBODY, [kt.NOBODY], "nobody"))
            self.assertEqual([n for n in self.notes if not n.startswith("niced")], [])
            self.assertEqual(os.stat(tree / "vmlinux").st_uid, kt.NOBODY)
            # The result is theirs, the kernel is not.
            self.assertEqual(os.stat(pathlib.Path(verdict["result_dir"], "build.log")).st_uid, kt.NOBODY)
            self.assertEqual(os.stat(daemon.kernels / verdict["kernel"] / "vmlinux").st_uid, 0)

    def test_without_a_user_for_it_what_is_downloaded_is_built_as_who_asks(self):
        with self.daemon_for_all() as daemon:
            self.assertEqual(self.verdict_as_nobody(daemon, version="6.14.2")["verdict"], "pass")
            self.assertEqual(self.about()["uid"], kt.NOBODY)
            self.assertIn(f"built as uid {kt.NOBODY}: there is no user ktstrd-build", self.notes)

    def test_a_tarball_is_opened_as_who_asks(self):
        path = self.folder / "mine.tar"
        path.write_bytes(b"secret")
        self.script('read\nplan {"source_sha256": "%s"}\nresult' % ("ab" * 32))
        for mode, expected in ((0o600, "error"), (0o644, "pass")):
            path.chmod(mode)
            with self.subTest(mode=oct(mode)), self.daemon_for_all() as daemon:
                verdict = self.verdict_as_nobody(daemon, tarball={"name": "mine.tar", "path": str(path)})
                self.assertEqual(verdict["verdict"], expected, verdict)
                self.assertIn("Permission denied" if expected == "error" else "built", verdict["reason"])

    def test_the_folder_is_nobody_elses(self):
        path = self.folder / "mine.tar"
        path.write_bytes(b"secret")
        self.script("hold here\nplan\nresult")
        with self.daemon_for_all() as daemon:
            job = daemon.call(BUILD, tarball={"name": "mine.tar", "path": str(path)}, extra_kconfig="# secret\n", detach=True)["parameters"]["job"]
            self.held("here")
            folder = daemon.kernels / ".builds" / job
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}
            self.assertEqual({name for name, mode in modes.items() if mode & 0o077}, set(), modes)
            self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o711)
            daemon.call("io.ktstrd.Job.Cancel", job=job)

    def test_another_user_may_not_cancel(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon_for_all() as daemon:
            stream = Stream(daemon, BUILD, version="6.14.2")
            stream.next()
            self.held("here")
            reply = self.as_nobody(daemon, "io.ktstrd.Job.Cancel", job=stream.job)[-1]
            self.assertEqual(reply.get("error"), "org.varlink.service.PermissionDenied", reply)
            self.release("here")
            self.assertEqual(stream.verdict()["verdict"], "pass")

    def test_the_next_daemon_builds_as_the_same_user(self):
        tree = self.folder / "linux"
        tree.mkdir()
        os.chown(tree, kt.NOBODY, kt.NOBODY)
        self.script("touch object\nhold here\nplan\nresult")
        with self.daemon_for_all() as daemon:
            # Detached, so that its client need not stay.
            reply = self.as_nobody_detached(daemon, tree=str(tree))
            job = reply["parameters"]["job"]
            pid = self.held("here")
            daemon.kill()
            self.assert_gone(pid)
            self.script("need object\nplan\nresult")
            daemon.start()
            verdict = Stream(daemon, "io.ktstrd.Job.Attach", job=job).verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            self.assertEqual([self.about(n)["uid"] for n in (0, 1)], [kt.NOBODY, kt.NOBODY])
            self.assertEqual({j["job"]: j["uid"] for j in daemon.jobs()}, {job: kt.NOBODY})

    def as_nobody_detached(self, daemon, **parameters):
        os.seteuid(kt.NOBODY)
        try:
            return daemon.call(BUILD, detach=True, **parameters)
        finally:
            os.seteuid(0)


class Scope(Case):
    """Where systemd runs."""

    RUN = """#!/bin/sh
# A systemd-run that only tells how it was called, and becomes what it is given.
printf '%s\\n' "$@" > "$FAKE_RUN_TO"
[ -z "$FAKE_RUN_FAILS" ] || { echo "$FAKE_RUN_FAILS" >&2; exit 1; }
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
    CTL = """#!/bin/sh
printf '%s\\n' "$@" > "$FAKE_CTL_TO"
"""

    def scope_daemon(self, *options, **env):
        programs = self.folder / "programs"
        programs.mkdir()
        for name, text in (("systemd-run", self.RUN), ("systemctl", self.CTL)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (self.folder / "runtime/systemd").mkdir(parents=True)
        (self.folder / "runtime/systemd/private").touch()
        self.told, self.told_ctl = self.folder / "told-run", self.folder / "told-ctl"
        return self.daemon("--private", *options, env={"PATH": f"{programs}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
                                                       "FAKE_RUN_TO": str(self.told), "FAKE_CTL_TO": str(self.told_ctl), **env})

    def test_the_helper_has_a_scope_with_a_part_of_the_cpus(self):
        conf = self.folder / "conf"
        conf.write_text("[Kernels]\nBuildCPUQuota=50%\n")
        with self.scope_daemon("--config", conf) as daemon:
            stream = self.build(daemon, version="6.14.2")
            self.assertEqual(stream.outcome["verdict"], "pass")
            words = self.told.read_text().splitlines()
            at = words.index("--")
            cpus = len(os.sched_getaffinity(0))
            self.assertEqual(words[:at], ["--user", "--scope", "--quiet", "--collect", f"--unit=ktstrd-build-{stream.job}.scope", "-p",
                                          "CPUWeight=idle", "-p", f"CPUQuota={50 * cpus}%"])
            self.assertTrue(words[at + 1].endswith("/ktstrd-exec"), words)
            self.assertEqual(words[-3:-1], [str(self.helper), "build"])
            about = self.about()
            self.assertEqual((about["nice"], about["policy"]), (os.getpriority(os.PRIO_PROCESS, 0), os.SCHED_OTHER))
            self.assertEqual(stream.notes(), [n for n in stream.notes() if n.startswith("built as uid")])

    def test_where_there_is_no_scope_to_be_had_it_is_built_without(self):
        with self.scope_daemon(FAKE_RUN_FAILS="Failed to start transient scope unit: no") as daemon:
            stream = self.build(daemon, version="6.14.2")
            self.assertEqual(stream.outcome["verdict"], "pass", stream.outcome)
            self.assertIn("niced and SCHED_IDLE: systemd-run gives no scope: Failed to start transient scope unit: no", stream.notes())
            self.assertEqual((self.about()["nice"], self.about()["policy"]), (19, os.SCHED_IDLE))

    def test_a_scope_is_killed_when_its_helper_was(self):
        self.script("stage compile\nsignal 9")
        with self.scope_daemon() as daemon:
            stream = self.build(daemon)
            self.assertIn("killed by signal 9", stream.outcome["reason"])
            self.assertEqual(self.told_ctl.read_text().splitlines(), ["--user", "kill", "--signal=SIGKILL", f"ktstrd-build-{stream.job}.scope"])

    def test_what_a_helper_leaves_in_its_scope_is_killed_before_its_kernel_is_stored(self):
        with self.scope_daemon() as daemon:
            for cacheable in (True, False):
                self.script("stage compile\nplan\nresult" + ("" if cacheable else ' {"cacheable": false, "why": "it changed"}'))
                self.told_ctl.unlink(missing_ok=True)
                stream = self.build(daemon, version="6.14.2", force=True)
                self.assertEqual(stream.outcome["verdict"], "pass", stream.outcome)
                self.assertEqual(self.told_ctl.read_text().splitlines(), ["--user", "kill", "--signal=SIGKILL", f"ktstrd-build-{stream.job}.scope"])

    def test_a_cancel_reaches_through_the_scope(self):
        self.script("stage compile\nhold here")
        with self.scope_daemon() as daemon:
            stream = Stream(daemon, BUILD)
            stream.next()
            pid = self.held("here")
            daemon.call("io.ktstrd.Job.Cancel", job=stream.job)
            self.assertEqual(stream.verdict()["verdict"], "cancelled")
            self.assertFalse(alive(pid))
            self.wait_gone(daemon)

    def test_kill_9_of_the_daemon_reaches_through_the_scope(self):
        self.script("stage compile\nhold here")
        daemon = self.scope_daemon()
        with daemon:
            daemon.call(BUILD, detach=True)
            pid = self.held("here")
            daemon.kill()
            self.assert_gone(pid)
            self.script(WHOLE)
            daemon.start()
            self.wait_gone(daemon)


@unittest.skipIf(BOOTED, "this machine's systemd would give root's daemon a scope: tests/systemd")
class NoSystemd(Case):
    def test_the_helper_is_nice_and_idle(self):
        with self.daemon() as daemon:
            stream = self.build(daemon, version="6.14.2")
            self.assertIn("niced and SCHED_IDLE: no systemd here", stream.notes())
            about = self.about()
            self.assertEqual((about["nice"], about["policy"]), (19, os.SCHED_IDLE))
            self.assertEqual(about["session"], about["pid"])


class Client(Case):
    """ktstrctl kernel build."""

    KEY = r"6\.14\.2-tarball-x86_64-kc[0-9a-f]{8}"

    def test_without_a_terminal_it_is_a_line_a_stage(self):
        self.script(WHOLE.replace("progress 1 4 objects kernel/foo.o", "progress 1 4 objects kernel/foo.o\nprogress 1 4\nprogress 2 -1"))
        with self.daemon() as daemon:
            r = daemon.ctl("kernel", "build", "6.14.2")
            self.assertEqual(r.status, 0, r)
            lines = [line[10:] if re.match(r" *[0-9.]+s  ", line) else line for line in r.out.splitlines()]
            lines = [line for line in lines if not line.startswith(("niced", "built as"))]
            self.assertEqual(lines[:-1], [
                "resolve: which one is newest", "download: linux-6.14.2.tar.xz", "download: 25 % (0 of 0 MiB)", "configure",
                "warning: kernel/foo.c:12: warning: something", "compile", "compile: 25 % (1 of 4)", "compile: 100 % (4 of 4)", lines[-2]])
            self.assertRegex(lines[-2], f"^store: {self.KEY}$")
            self.assertRegex(lines[-1], rf"^built: {self.KEY} \(\d+ s\)$")
            again = daemon.ctl("kernel", "build", "6.14.2")
            self.assertRegex(again.out.splitlines()[-1], f"^already cached: {self.KEY}$")
            self.assertEqual(again.status, 0)

    def test_a_compiler_error(self):
        self.script("plan\nstage compile\nerror io.ktstrd.Kernel.BuildFailed kernel/x.c:5: error: no | make: *** [x.o] Error 1")
        with self.daemon() as daemon:
            r = daemon.ctl("kernel", "build")
            self.assertEqual(r.status, 1, r)
            self.assertIn("\nFAIL linux-6.14.2.tar.xz: kernel/x.c:5: error: no (", r.out)
            self.assertIn("  note:      make: *** [x.o] Error 1\n", r.out)
            self.assertRegex(r.out, r"  logs:      /\S+\n$")

    def test_statuses(self):
        for script, status in (("error io.ktstrd.Kernel.DownloadFailed no network", 3), ("error io.ktstrd.Kernel.NoSuchKernel none", 64),
                               ("signal 11", 3), ('plan {"cacheable": false, "why": "x"}\nresult', 0)):
            with self.subTest(script=script), self.daemon() as daemon:
                self.script(script)
                self.assertEqual(daemon.ctl("kernel", "build").status, status)

    def test_what_was_typed_travels(self):
        tree = self.folder / "linux"
        tree.mkdir()
        extra = self.folder / "extra"
        extra.write_text("CONFIG_A=y\n")
        with self.daemon() as daemon:
            for argv, source, rest in (
                    (["--source", "linux"], {"kind": "tree", "path": str(tree.resolve())}, {}),
                    (["--git", "https://x/y", "--ref", "v6.14"], {"kind": "git", "url": "https://x/y", "ref": "v6.14"}, {}),
                    (["--git", "linux"], {"kind": "git", "url": str(tree.resolve()), "ref": "HEAD"}, {}),
                    (["--package", "linux-source-6.12"], {"kind": "package", "name": "linux-source-6.12"}, {}),
                    (["--tiny", "--clean", "--jobs", "7", "--extra-kconfig", "extra", "6.12"], {"kind": "version", "version": "6.12"},
                     {"profile": "tiny", "clean": True, "jobs": 7, "extra_kconfig": "CONFIG_A=y\n"})):
                with self.subTest(argv=argv):
                    r = daemon.ctl("kernel", "build", *argv, cwd=self.folder)
                    self.assertEqual(r.status, 0, r)
                    request = self.request()
                    self.assertEqual(request["source"], source)
                    self.assertEqual({k: request[k] for k in rest}, rest)
            self.script("read\n" + WHOLE.replace("plan", 'plan {"source_sha256": "%s"}' % ("ab" * 32)))
            (self.folder / "mine.tar").write_bytes(b"tar")
            r = daemon.ctl("kernel", "build", "--tarball", "mine.tar", cwd=self.folder)
            self.assertEqual(r.status, 0, r)
            self.assertEqual((self.run_dirs()[-1] / "tarball").read_bytes(), b"tar")

    def test_usage_errors(self):
        with self.daemon() as daemon:
            for argv in (["6.14", "6.15"], ["6.14", "--package", "x"], ["--ref", "x"], ["--source", "/nonexistent"], ["--jobs", "0"],
                         ["--jobs", "x"], ["--extra-kconfig", "/nonexistent"], ["--nosuch"], ["latest"], ["--tarball", "/nonexistent"]):
                with self.subTest(argv=argv):
                    r = daemon.ctl("kernel", "build", *argv)
                    self.assertEqual(r.status, 64, r)
                    self.assertTrue(r.err.startswith("ktstrctl: kernel: "), r)
            self.assertEqual(daemon.jobs(), [])

    def test_what_is_no_version_is_told_how_it_is_built(self):
        (self.folder / "linux").mkdir()
        (self.folder / "mine.tar.xz").write_bytes(b"tar")
        with self.daemon() as daemon:
            for text, says in (("6.12..6.14", "`ktstrctl kernel resolve --fetch 6.12..6.14`"), ("6.14..6.12", "did you mean 6.12..6.14?"),
                               ("git+https://h/r#v6.14", "`ktstrctl kernel build --git https://h/r --ref v6.14`"),
                               ("git+https://h/r#branch=x", "`ktstrctl kernel build --git https://h/r --ref refs/heads/x`"),
                               ("git+https://h/r", "git+URL#REF"), ("../linux", "of a tree it is `ktstrctl kernel build --source ../linux`"),
                               ("linux", "`ktstrctl kernel build --source linux`"), ("mine.tar.xz", "`ktstrctl kernel build --tarball mine.tar.xz`"),
                               ("./mine.tar.xz", "a tarball is `ktstrctl kernel build --tarball ./mine.tar.xz`")):
                with self.subTest(text=text):
                    r = daemon.ctl("kernel", "build", text, cwd=self.folder)
                    self.assertEqual((r.status, r.out, len(r.err.splitlines())), (64, "", 1), r)
                    self.assertIn(says, r.err)
            self.assertEqual(daemon.jobs(), [])

    def test_errors_name_what_was_typed(self):
        with self.daemon() as daemon:
            for argv, says in ((["build", "--git", "ext::sh -c x"], "kernel: --git: 'ext::sh -c x' is no URL"),
                               (["build", "--git", "https://h/r", "--ref", "-x"], "kernel: --ref: '-x' is no name of a branch"),
                               (["build", "--git", "https://h/r", "--ref", "-x", "--detach"], "kernel: --ref: '-x' is no name of a branch"),
                               (["build", "latest"], "kernel: 'latest' is no version"),
                               (["build", "--package", "X"], "kernel: 'X' is no name of a package"),
                               (["resolve", "--fetch", "git+https://h/r#-x"], "kernel: REF: '-x' is no name of a branch"),
                               (["resolve", "../nope"], "ktstrctl: kernel: ")):
                with self.subTest(argv=argv):
                    r = daemon.ctl("kernel", *argv)
                    self.assertEqual((r.status, r.out), (64, ""), r)
                    self.assertIn(says, r.err)
                    self.assertNotIn("kernel: kernel:", r.err)
                    self.assertNotIn("git_", r.err)

    def test_an_extra_configuration_that_is_none_is_refused(self):
        extra = self.folder / "extra"
        with self.daemon() as daemon:
            for content, says in ((b"", "sets nothing"), (b"FOO=y\n# a comment on CONFIG_A\nCONFIG_B\n", "sets nothing"),
                                  (b"\n\n", "sets nothing"), (b"CONFIG_A=y\n\0CONFIG_B=y\n", "NUL")):
                with self.subTest(content=content):
                    extra.write_bytes(content)
                    r = daemon.ctl("kernel", "build", "--extra-kconfig", extra)
                    self.assertEqual((r.status, r.out), (64, ""), r)
                    self.assertIn(f"--extra-kconfig: {extra} ", r.err)
                    self.assertIn(says, r.err)
            self.assertEqual(daemon.jobs(), [])
            for content in (b"# CONFIG_A is not set", b"\n# why\nCONFIG_A=m\n", b"noise\nCONFIG_A=\"x\"\r\n"):
                extra.write_bytes(content)
                self.assertEqual(daemon.ctl("kernel", "build", "--extra-kconfig", extra, "--force").status, 0)

    def test_an_interrupt_cancels(self):
        self.script("stage compile\nhold here")
        with self.daemon() as daemon:
            p = daemon.ctl_start("kernel", "build")
            pid = self.held("here")
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(p.returncode, 130, err)
            self.assertIn("CANCELLED", out)
            self.assertFalse(alive(pid))

    def test_detach_and_attach(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as daemon:
            r = daemon.ctl("kernel", "build", "--detach", "6.14.2")
            job = r.out.strip()
            self.assertRegex(job, r"^[a-z2-9]{8}$")
            self.held("here")
            jobs = daemon.ctl("jobs").out
            self.assertRegex(jobs, rf"{job} +running .* linux 6\.14\.2 ")
            attach = daemon.ctl_start("attach", job)
            self.release("here")
            out, err = attach.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(attach.returncode, 0, err)
            self.assertRegex(out.splitlines()[-1], f"^built: {self.KEY} ")

    def test_json_and_verbose(self):
        with self.daemon() as daemon:
            r = daemon.ctl("kernel", "build", "--json", "6.14.2")
            self.assertRegex(r.verdict()["kernel"], f"^{self.KEY}$")
            r = daemon.ctl("kernel", "build", "-v", "--force", "6.14.2")
            self.assertIn("            build | a line of make\n", r.out)
            self.assertNotIn("a line of make", daemon.ctl("kernel", "build", "--force", "6.14.2").out)

    def test_a_terminal_has_one_line_that_changes(self):
        self.script("stage compile\nprogress 100 400 objects kernel/foo.o\nhold here\nwarning look\n" + WHOLE)
        with self.daemon() as daemon:
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
            p = subprocess.Popen([str(kt.KTSTRCTL), "kernel", "build", "6.14.2"], env=daemon.client_env(), stdin=subprocess.DEVNULL, stdout=slave,
                                 stderr=slave)
            os.close(slave)
            out = ""
            with contextlib.suppress(OSError):
                while chunk := os.read(master, 65536):
                    out += chunk.decode()
                    if "compile: 25 % (100 of 400), kernel/foo.o" in out:
                        self.release("here")
            os.close(master)
            self.assertEqual(p.wait(kt.PATIENCE_S), 0, out)
            self.assertTrue((self.plays / "release-here").exists(), out)
            self.assertRegex(out, r"\r\x1b\[K *[0-9.]+s  compile: 25 % \(100 of 400\), kernel/foo\.o  [0-9.]+ s")
            # The warning stands on a line of its own, and the living line goes on below it.
            self.assertRegex(out, r"\r\x1b\[K *[0-9.]+s  warning: look\r\n\r\x1b\[K *[0-9.]+s  compile: 25 %")
            self.assertRegex(out, rf"built: {self.KEY} \(\d+ s\)\r\n$")


class Real(Case):
    """The real helper, the real make and git, on trees that only look like kernels."""

    def setUp(self):
        super().setUp()
        self.helper = kt.BUILD / "builder/ktstrd-build"
        self.tree = self.folder / "linux"

    def write(self, **faults):
        shutil.rmtree(self.tree, ignore_errors=True)
        kernel_tree.write_tree(kernel_tree.fake_tree("6.14.2", **faults), self.tree)

    def git(self, *argv):
        subprocess.run(["git", "-C", self.tree, "-c", "user.name=n", "-c", "user.email=e", *argv], check=True, capture_output=True)

    def commit(self):
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")

    def test_a_clean_tree_is_cached_and_found_again(self):
        self.write(warning="kernel/sched/ext.c")
        self.commit()
        with self.daemon() as daemon:
            b = self.build(daemon, tree=str(self.tree))
            self.assertEqual(b.outcome["verdict"], "pass", b.outcome)
            self.assertRegex(b.outcome["kernel"], r"^local-[0-9a-f]{7}-x86_64-kc[0-9a-f]{8}$")
            self.assertIn("compile", [s["stage"] for s in b.outcome["build"]["stages"]])
            self.assertTrue(any("unused variable 'WARNING'" in e["message"] for e in b.of("warning")), b.of("warning"))
            self.assertIn("  CC      kernel/fork.o\n", pathlib.Path(b.outcome["result_dir"], "build.log").read_text())
            self.assertFalse((self.tree / ".config").exists())
            entry = daemon.call("io.ktstrd.Kernel.Info", key=b.outcome["kernel"])["parameters"]["entry"]
            self.assertEqual((entry["version"], entry["source"]), ("6.14.2", "local"))
            again = self.build(daemon, tree=str(self.tree)).outcome
            self.assertEqual((again["build"]["existed"], again["kernel"]), (True, b.outcome["kernel"]))

    def test_a_dirty_tree_is_not_cached(self):
        self.write(vmlinux=kernel_files.elf("6.14.2-g0123456789ab-dirty", config=kernel_files.CONFIG))
        self.commit()
        with open(self.tree / "mm/slub.c", "a") as f:
            f.write("/* mine */\n")
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(self.tree)).outcome
            self.assertEqual(verdict["verdict"], "pass", verdict)
            self.assertTrue(verdict["reason"].startswith("built, not cached: ") and verdict["reason"].endswith(f"; use --kernel {self.tree}"), verdict)
            self.assertTrue((self.tree / "vmlinux").exists())
            # As the kernel's own scripts have its release, it can be named, and its label says so.
            [resolved] = daemon.call("io.ktstrd.Kernel.Resolve", kernels=[str(self.tree)])["parameters"]["resolved"]
            self.assertRegex(resolved["label"], r"^kernel_path_.*_dirty$")
            self.assertIn("6.14.2-g0123456789ab-dirty", resolved["entry"]["key"])

    def test_a_compiler_error(self):
        self.write(error="kernel/sched/ext.c")
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(self.tree)).outcome
            self.assertEqual(verdict["verdict"], "fail", verdict)
            self.assertIn("kernel/sched/ext.c:3:9: error: 'ERROR' undeclared", verdict["reason"])

    def test_a_git_source(self):
        self.write()
        self.commit()
        with self.daemon() as daemon:
            verdict = self.build(daemon, git_url=str(self.tree), git_ref="main").outcome
            self.assertEqual(verdict["verdict"], "pass", verdict)
            self.assertRegex(verdict["kernel"], r"^main-git-[0-9a-f]{7}-x86_64-kc[0-9a-f]{8}$")
            self.wait_gone(daemon)

    def test_a_tarball(self):
        path = self.folder / "mine.tar.xz"
        path.write_bytes(kernel_tree.release_tarball("6.14.2"))
        with self.daemon() as daemon:
            r = daemon.ctl("kernel", "build", "--tiny", "--tarball", path)
            self.assertEqual(r.status, 0, r)
            self.assertRegex(r.out, r"\nbuilt: 6\.14\.2-tarball-[0-9a-f]{7}-x86_64-tiny-kc[0-9a-f]{8} \(\d+ s\)\n$")
            self.wait_gone(daemon)

    def hang(self, daemon, **parameters):
        """A build whose make comes to a target that is never done; the pid of what hangs."""
        stream = Stream(daemon, BUILD, **parameters)
        stream.until(lambda e: e["kind"] == "log" and "HANG" in e.get("text", ""))
        pids = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and self.runs_in(p)]
        self.assertGreater(len(pids), 0)
        return stream, pids

    def runs_in(self, process):
        with contextlib.suppress(OSError):
            return os.readlink(process / "cwd").startswith(str(self.tree))
        return False

    def test_a_cancel_leaves_nothing_running(self):
        self.write(hangs="kernel/sched/ext.o")
        with self.daemon() as daemon:
            stream, pids = self.hang(daemon, tree=str(self.tree))
            daemon.call("io.ktstrd.Job.Cancel", job=stream.job)
            self.assertEqual(stream.verdict()["verdict"], "cancelled")
            self.assertEqual([p for p in pids if alive(p)], [])
            self.wait_gone(daemon)

    def test_kill_9_leaves_nothing_running_and_is_gone_on_with(self):
        self.write(hangs="kernel/sched/ext.o")
        daemon = self.daemon()
        with daemon:
            stream, pids = self.hang(daemon, tree=str(self.tree))
            daemon.kill()
            (self.tree / "scripts/hangs").unlink()
            daemon.start()
            verdict = Stream(daemon, "io.ktstrd.Job.Attach", job=stream.job).verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            self.assertEqual([p for p in pids if alive(p)], [])
            # What was compiled then is not compiled again.
            log = (daemon.state / "results" / stream.job / "build.log").read_text()
            self.assertEqual(log.count("  CC      init/main.o\n"), 1, log)


if __name__ == "__main__":
    kt.main()
