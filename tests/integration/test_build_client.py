# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl kernel build, with the helper that plays and with the real one."""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios

import kernel_files
import kernel_tree
import ktstr_test as kt
from build_case import BUILD, WHOLE, Stream, Case


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
            # Before the client knows its job it would only hang up.
            self.assertTrue(any("compile" in line for line in p.stdout))
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(p.returncode, 130, err)
            self.assertIn("CANCELLED", out)
            self.assertFalse(kt.alive(pid))

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
        pids = [kt.Process(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and self.runs_in(p)]
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
            self.assertEqual([p for p in pids if kt.alive(p)], [])
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
            self.assertEqual([p for p in pids if kt.alive(p)], [])
            # What was compiled then is not compiled again.
            log = (daemon.state / "results" / stream.job / "build.log").read_text()
            self.assertEqual(log.count("  CC      init/main.o\n"), 1, log)


if __name__ == "__main__":
    kt.main()
