# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who builds, who may end it, and in which part of the host."""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import sys
import unittest

import ktstr_test as kt
from build_case import BOOTED, BUILD, WHOLE, Stream, Case


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
            stream = self.held_build(daemon)
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
            stream = self.held_build(daemon)
            pid = self.held("here")
            daemon.call("io.ktstrd.Job.Cancel", job=stream.job)
            self.assertEqual(stream.verdict()["verdict"], "cancelled")
            self.assertFalse(kt.alive(pid))
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


if __name__ == "__main__":
    kt.main()
