# SPDX-License-Identifier: LGPL-2.1-or-later
"""ktstrctl as somebody meets it who types something wrong: one line that names the thing and the next step, and the right exit status."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import termios
import unittest

import kernel_files
import ktstr_test as kt


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        cls.enterClassContext(cls.daemon)
        image = cls.daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        cls.daemon.ctl("kernel", "import", image)
        plain = cls.daemon.dir / "plain"
        plain.write_bytes(kernel_files.elf(release="6.12.9-plain", btf=None,
                                           config=kernel_files.CONFIG.replace("SCHED_CLASS_EXT=y", "SCHED_CLASS_EXT=n")))
        cls.daemon.ctl("kernel", "import", plain)

    def setUp(self):
        self.daemon.play("ok")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def nothing_runs(self):
        self.assertEqual([job for job in self.daemon.jobs() if job["state"] != "ended"], [])
        # A guest that was made for the pool meanwhile may be about to end.
        kt.wait_until(lambda: not self.daemon.children(), "no QEMU to be left")

    def refused(self, *args, words=(), status=64, **kwargs):
        """One line on stderr with these words, nothing running afterwards."""
        result = self.daemon.ctl(*args, **kwargs)
        self.assertEqual(result.status, status, result)
        lines = result.err.splitlines()
        self.assertEqual(len(lines), 1, result)
        self.assertTrue(lines[0].startswith("ktstrctl: "), result)
        for word in words:
            self.assertIn(word, lines[0])
        self.nothing_runs()
        return lines[0]

    def error_verdict(self, *args, words=(), status=64):
        """What only comes out when the job is prepared is a verdict `error`."""
        result = self.daemon.ctl("submit", "--json", *args)
        self.assertEqual(result.status, status, result)
        verdict = result.verdict()
        self.assertEqual(verdict["verdict"], "error")
        for word in words:
            self.assertIn(word, verdict["reason"])
        self.nothing_runs()
        return verdict

    # --- the scheduler ---

    def test_a_missing_scheduler(self):
        self.refused("submit", "--sched", "./no_such", words=["./no_such", "does not exist", "build it first"])
        self.refused("submit", "--sched", "scx_no_such", words=["scheduler 'scx_no_such' not found", "KTSTR_SCHEDULER", "./build"])
        self.refused("submit", "--sched", "scx_x", env={"KTSTR_SCHEDULER": "/nonexistent/scx_x"},
                     words=["KTSTR_SCHEDULER names /nonexistent/scx_x"])

    def test_a_scheduler_that_is_no_program(self):
        plain = self.dir / "scx_plain"
        plain.write_text("no program\n")
        self.refused("submit", "--sched", plain, words=[str(plain), "chmod +x"])
        self.refused("submit", "--sched", self.dir, words=[str(self.dir)])

    def test_a_scheduler_for_another_architecture(self):
        program = bytearray(pathlib.Path("/bin/ls").resolve().read_bytes())
        struct.pack_into("<H", program, 18, 183)  # EM_AARCH64
        foreign = self.dir / "scx_foreign"
        foreign.write_bytes(program)
        foreign.chmod(0o755)
        self.refused("submit", "--sched", foreign, words=[str(foreign), "aarch64", "x86_64"])

    def test_a_library_that_cannot_be_found(self):
        source = self.dir / "lib.c"
        source.write_text("int f(void) { return 1; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.dir / "libgone_for_good.so", source], check=True)
        main = self.dir / "main.c"
        main.write_text("int f(void);\nint main(void) { return f(); }\n")
        subprocess.run(["cc", "-o", self.dir / "scx_lacking", main, f"-L{self.dir}", "-lgone_for_good"], check=True)
        (self.dir / "libgone_for_good.so").unlink()
        self.refused("submit", "--sched", self.dir / "scx_lacking", words=["scx_lacking", "libgone_for_good.so", "LD_LIBRARY_PATH"])

    def test_a_script_for_an_interpreter_that_no_guest_has(self):
        script = self.dir / "scx_script"
        for line, status in (("#!/usr/bin/python3", 64), ("#!/usr/bin/env bash", 64), ("#! /bin/bash -e", 64), ("#!/usr/bin/env sh", 0),
                             ("#!/bin/sh -e", 0)):
            with self.subTest(line=line):
                script.write_text(line + "\n")
                script.chmod(0o755)
                if status:
                    self.refused("submit", "--sched", script, words=[str(script), "a script for /", "only /bin/sh"])
                    reply = self.daemon.call("io.ktstrd.Job.Submit", scheduler={"name": "x", "path": str(script)})
                    self.assertEqual(reply["parameters"]["event"]["verdict"]["error"], "io.ktstrd.Job.BadScheduler")
                else:
                    self.assertEqual(self.daemon.ctl("submit", "--sched", script, "--duration", "1s").status, 0)

    # --- the kernel ---

    def test_an_unknown_kernel_is_never_replaced(self):
        verdict = self.error_verdict("--kernel", "6.99", words=["no cached kernel matches '6.99'", "6.18.1-test-img-x86_64",
                                                                "6.12.9-plain-img-x86_64 (no sched_ext)", "kernel import"])
        self.assertEqual(verdict["error"], "io.ktstrd.Kernel.NoSuchKernel")
        self.error_verdict("--kernel", "./nothing", words=[os.getcwd() + "/nothing"])
        self.refused("shell", "--kernel", "6.99", "--exec", "true", words=["no cached kernel matches '6.99'"])
        self.refused("kernel", "resolve", "6.99", words=["no cached kernel matches '6.99'"])

    def test_a_kernel_without_sched_ext(self):
        self.error_verdict("--kernel", "6.12.9", "--sched", "/bin/ls", words=["6.12.9-plain-img-x86_64", "CONFIG_SCHED_CLASS_EXT"])
        # EEVDF needs none.
        self.assertEqual(self.daemon.ctl("submit", "--kernel", "6.12.9", "--duration", "1s").status, 0)

    # --- numbers and names ---

    def test_topologies_that_do_not_divide(self):
        for topology, words in (("2n3l1c1t", ["3", "2", "multiple"]), ("0n1l1c1t", ["must be >= 1"]), ("1,0,1,1", ["must be >= 1"]),
                                ("1n1l300c1t", ["300 CPUs"]), ("abc", ["invalid topology 'abc'"]), ("1,2,3", ["invalid topology"]),
                                ("1n1l1c", ["invalid topology"]), ("1n1l1c1t1", ["invalid topology"])):
            with self.subTest(topology=topology):
                self.refused("submit", "--topology", topology, words=["topology", *words])

    def test_an_unknown_scenario(self):
        self.refused("submit", "--scenario", "stedy", words=["no scenario 'stedy'", "steady"])

    def test_memory_that_no_host_has(self):
        self.refused("submit", "--memory", "2T", words=["2097152 MiB", "at most"])
        self.refused("submit", "--memory", "much", words=["--memory", "'much'", "512M"])

    def test_times_and_numbers_that_are_none(self):
        self.refused("submit", "--duration", "soon", words=["--duration", "'soon'"])
        self.refused("submit", "--duration", "0", words=["--duration", "'0'"])
        self.refused("submit", "--workers", "0", words=["--workers", "'0'"])
        self.refused("submit", "--timeout", "-1s", words=["--timeout"])
        self.refused("jobs", "--limit", "none", words=["--limit", "'none'"])

    def test_an_accelerator_that_is_none(self):
        self.refused("submit", "--accel", "warp", words=["accel", "warp", "auto", "kvm", "tcg"])

    def test_a_verb_of_kernels_has_a_help_of_its_own(self):
        whole = self.daemon.ctl("kernel", "--help").out
        for name in ("build", "import", "list", "info", "resolve", "diff", "remove", "clean"):
            result = self.daemon.ctl("kernel", name, "--help")
            heads = {line.split()[2] for line in result.out.splitlines() if line.startswith("ktstrctl kernel ")}
            self.assertEqual((result.status, heads), (0, {name}), result)
            self.assertIn("--no-autostart", result.out)
            self.assertLess(len(result.out), len(whole))
        self.assertEqual(self.daemon.ctl("kernel", "bui", "--help").out, whole)
        build = self.daemon.ctl("kernel", "build", "--help").out
        for option in re.findall(r"--[a-z-]+", build.partition("                     build one")[0]):
            if option not in ("--source", "--git", "--ref", "--tarball", "--package"):
                self.assertIn(f"{option}: ", build)

    def test_unknown_words(self):
        self.refused("sumbit", words=["no verb 'sumbit'", "did you mean 'submit'"])
        self.refused("submit", "--sheduler", "x", words=["unknown option --sheduler", "ktstrctl submit --help"])
        self.refused("jobs", "-v", words=["unknown option -v"])
        self.refused("cancel", "nosuchjob", "-x", words=["unknown option -x"])
        self.refused("submit", "stray", words=["unexpected argument 'stray'", "--"])
        self.refused("submit", "--", "--slice", words=["no --sched"])
        self.refused("submit", "--sched", words=["--sched needs a value"])
        self.refused("cancel", words=["name a job"])
        self.refused("shell", words=["--exec"])
        self.refused("kernel", "inport", words=["there is no 'inport'"])

    def test_an_unknown_job(self):
        for verb in ("attach", "cancel"):
            self.refused(verb, "nosuchjob", words=["no job 'nosuchjob'", "ktstrctl jobs"])

    def test_files_that_cannot_go_along(self):
        self.refused("shell", "-i", "./nothing", "--exec", "true", words=["-i ./nothing: not found"])
        self.refused("shell", "-i", "no_such_tool", "--exec", "true", words=["no_such_tool: not found in filesystem or PATH"])
        for name in ("a", "b"):
            (self.dir / name).mkdir()
            (self.dir / name / "same").write_text(name)
        self.refused("shell", "-i", self.dir / "a/same", "-i", self.dir / "b/same", "--exec", "true", words=["duplicate", "same"])
        (self.dir / "empty").mkdir()
        result = self.daemon.ctl("shell", "-i", self.dir / "empty", "--exec", "true")
        self.assertIn("directory contains no regular files", result.err)

    def test_an_output_that_takes_nothing_is_told(self):
        with open("/dev/full", "wb") as full:
            p = subprocess.run([kt.KTSTRCTL, "kernel", "list"], env=self.daemon.client_env(), stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(p.returncode, 3)
        self.assertIn("cannot write to standard output: No space left on device", p.stderr)

    def test_a_timeout_that_is_over_before_the_workload(self):
        self.refused("submit", "--duration", "10s", "--timeout", "10s", words=["over before a workload", "--timeout"])

    def test_help_is_on_stdout_and_no_error(self):
        for args in (["--help"], ["-h"], ["help"], ["submit", "--help"], ["jobs", "-h"], ["help", "shell"], ["--version"]):
            with self.subTest(args=args):
                result = self.daemon.ctl(*args)
                self.assertEqual((result.status, result.err), (0, ""), result)
                self.assertIn("ktstrctl", result.out)

    # --- what it does ---

    def test_attach_to_what_is_over_ends(self):
        self.daemon.ctl("submit", "--duration", "1s")
        job = self.daemon.jobs()[0]["job"]
        for more in (True, False):
            with self.daemon.connect() as wire:
                wire.send("io.ktstrd.Job.Attach", {"job": job, "since": 10000}, more=more)
                self.assertEqual(wire.receive(), {"parameters": {"job": job}})

    def test_a_half_closed_client_that_goes_away_cancels(self):
        self.daemon.play("wait_for_cancel")
        wire = self.daemon.connect()
        wire.send("io.ktstrd.Job.Submit", {})
        wire.socket.shutdown(1)
        kt.wait_until(lambda: self.daemon.jobs()[0]["state"] == "running", "the job to run")
        job = self.daemon.jobs()[0]["job"]
        wire.socket.close()
        kt.wait_until(lambda: self.daemon.call("io.ktstrd.Job.Show", job=job)["parameters"]["job"].get("verdict") == "cancelled",
                      "the cancellation")

    def test_libraries_beside_a_path_are_refused(self):
        reply = self.daemon.call("io.ktstrd.Job.Submit", scheduler={"name": "x", "path": "/bin/ls", "libraries": []})
        self.assertEqual(reply["error"], "org.varlink.service.InvalidParameter")
        self.assertEqual(reply["parameters"]["parameter"], "scheduler.libraries")

    def test_a_scheduler_by_path_brings_its_libraries(self):
        reply = self.daemon.call("io.ktstrd.Job.Submit", scheduler={"name": "ls", "path": "/bin/ls"}, duration_ms=1000)
        self.assertEqual(reply["parameters"]["event"]["verdict"]["verdict"], "pass", reply)
        self.assertIn("libc.so.6", self.daemon.handed.read_text())

    def test_completion_offers_what_there_is(self):
        script = self.daemon.ctl("completions", "bash").out
        words = subprocess.run(["bash", "-c", script + "\n"
                                'COMP_WORDS=(ktstrctl su); COMP_CWORD=1; _ktstrctl; echo "${COMPREPLY[@]}"\n'
                                'COMP_WORDS=(ktstrctl submit --top); COMP_CWORD=2; _ktstrctl; echo "${COMPREPLY[@]}"\n'
                                f'COMP_WORDS=({kt.KTSTRCTL} kernel info 6.18); COMP_CWORD=3; _ktstrctl; echo "${{COMPREPLY[@]}}"\n'
                                'COMP_WORDS=(ktstrctl --json pool pr); COMP_CWORD=3; _ktstrctl; echo "${COMPREPLY[@]}"\n'
                                'COMP_WORDS=(ktstrctl pool drop --t); COMP_CWORD=3; _ktstrctl; echo "${COMPREPLY[@]}"\n'
                                'COMP_WORDS=(ktstrctl pool prime --t); COMP_CWORD=3; _ktstrctl; echo "${COMPREPLY[@]}"\n'],
                               env=self.daemon.client_env(), cwd=self.dir, capture_output=True, text=True, check=True)
        self.assertEqual(words.stdout.splitlines(), ["submit", "--topology", "6.18.1-test-img-x86_64", "prime", "--templates", "--topology"],
                         words.stderr)

    # --- the pool ---

    def test_what_is_said_of_the_pool_and_is_wrong(self):
        whole = "6.18.1-test-img-x86_64/1n1l2c1t/256M/tcg"
        for arguments, words in ((("frob",), ["no 'pool frob'", "list, prime or drop"]), (("list", "x"), ["unexpected argument 'x'"]),
                                 (("prime", "1n1l2c1t", "x"), ["unexpected argument 'x'"]), (("prime", "--idle", "0"), ["--idle: '0'"]),
                                 (("prime", "a/b"), ["'a/b'", "KERNEL/TOPOLOGY/MEMORY/ACCEL"]),
                                 (("prime", "a/1n1l2c1t/much/tcg"), ["KERNEL/TOPOLOGY/MEMORY/ACCEL"]),
                                 (("prime", whole, "--kernel", "6.18"), [whole, "has its kernel", "leave out --kernel"]),
                                 (("prime", whole, "--memory", "1G"), ["leave out --memory"]),
                                 (("prime", "1n1l2c1t", "--topology", "1n1l4c1t"), ["'1n1l2c1t' has its topology"]),
                                 (("drop", "--idle", "1"), ["drop takes no --idle"]), (("list", "--topology", "x"), ["list takes no --topology"]),
                                 (("list", "--memory", "1G"), ["list takes no --memory"]), (("prime", "--templates"), ["prime takes no --templates"]),
                                 (("drop", "nosuch"), ["no shape 'nosuch'", "ktstrctl pool"])):
            with self.subTest(arguments=arguments):
                self.refused("pool", *arguments, words=words)

    def test_a_daemon_without_a_pool_says_why(self):
        result = self.daemon.ctl("pool", "prime")
        self.assertEqual((result.status, result.out), (3, ""), result)
        self.assertIn("Templates=no", result.err)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        result = self.daemon.ctl("pool")
        self.assertEqual((result.status, result.out), (0, ""), result)
        self.assertIn("no guests are kept ready", result.err)

    def terminal(self, *args, until, then):
        """Run it on a terminal of 60 columns, do `then` once something like `until` was printed; what was printed, and the status."""
        env = self.daemon.client_env({"TERM": "xterm"})
        pid, fd = pty.fork()
        if pid == 0:
            # Here, since it may have drawn a line before we come to it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
            os.execve(kt.KTSTRCTL, ["ktstrctl", *map(str, args)], env)
        out, done = b"", False
        while select.select([fd], [], [], kt.PATIENCE_S)[0]:
            try:
                got = os.read(fd, 65536)
            except OSError:  # EIO: the other end is gone
                break
            out += got
            if not done and re.search(until, out):
                done = True
                then(fd)
        os.close(fd)
        return out.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_on_a_terminal_the_stage_counts_its_time(self):
        self.daemon.play("wait_for_cancel")
        # The time moves on within one line (on a busy machine by several tenths at once), and a Ctrl-C typed there cancels and says so.
        out, status = self.terminal("submit", "--duration", "60s", until=rb"workload steady for 60000 ms  (0\.[3-9]|[1-9]\d*\.\d) s",
                                    then=lambda fd: os.write(fd, b"\x03"))
        self.assertEqual(status, 130, out)
        self.assertRegex(out, r"cancelling [a-z0-9]{8}")
        self.assertRegex(out, r"\r\x1b\[K +\d+\.\d\ds  workload steady for 60000 ms  (?!0\.0)\d+\.\d s\r\x1b\[K")
        self.assertIn("CANCELLED", out)
        # What is alive fits into the terminal, what stays is whole.
        for line in re.findall(r"\r\x1b\[K([^\r\n]*)(?=\r\x1b)", out):
            self.assertLess(len(line), 61)
        self.assertRegex(out, r"booting 6\.18\.1-test-img-x86_64 on 1n1l2c1t under tcg  \d\.\d s\r\n")

    def test_on_a_terminal_waiting_is_one_line(self):
        self.daemon.play("wait_for_cancel")
        submit = lambda: self.daemon.ctl("submit", "--detach", "--topology", "1n1l255c1t", "--memory", "128").out.strip()
        running = submit()
        kt.wait_until(lambda: self.daemon.jobs()[0]["state"] == "running", "the job to run")
        ahead = submit()
        self.daemon.play("ok")

        def move_up(_):
            for job in (ahead, running):
                self.assertEqual(self.daemon.ctl("cancel", job).status, 0)
        # When a second is over there may be news.
        out, status = self.terminal("submit", "--duration", "1s", "--topology", "1n1l255c1t", "--memory", "128",
                                    until=rb"  (1\.[2-9]|[2-9]\.\d|\d\d\.\d) s", then=move_up)
        self.assertEqual(status, 0, out)
        about = r"(, about \d+ (s|min))?"
        self.assertRegex(out, rf"queued: 1 ahead{about}  \d+\.\d s(\r\x1b\[K +\d+\.\d\ds  queued: 1 ahead{about}  \d+\.\d s)*"
                              rf"\r\x1b\[K +\d+\.\d\ds  queued: next{about}  \d+\.\d s")
        self.assertEqual(len(re.findall(r"queued: [^\r\n]*\r\n", out)), 1, out)

    def test_piped_lines_are_plain(self):
        result = self.daemon.ctl("submit", "--duration", "1s")
        self.assertNotIn("\x1b", result.out)
        self.assertNotIn("\r", result.out)
        self.assertRegex(result.out, r"(?m)^ +\d+\.\d\ds  booting 6\.18\.1-test-img-x86_64 on 1n1l2c1t under tcg$")

    def test_json_is_one_event_a_line(self):
        result = self.daemon.ctl("submit", "--json", "--duration", "1s")
        kinds = [json.loads(line)["kind"] for line in result.out.splitlines()]
        self.assertEqual((kinds[0], kinds[-1]), ("queued", "verdict"))


class Results(unittest.TestCase):
    """Where results go, and to whom."""

    def daemon_with(self, *options, **kwargs):
        daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", *options, fake="ok", **kwargs)
        self.enterContext(daemon)
        image = daemon.dir / "vmlinux"
        image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
        self.assertEqual(daemon.ctl("kernel", "import", image).status, 0)
        return daemon

    @kt.needs_nobody(kt.KTSTRCTL, "--version")
    def test_they_are_their_users_once_complete(self):
        daemon = self.daemon_with()
        daemon.dir.chmod(0o711)
        daemon.socket.chmod(0o666)
        daemon.play("wait_for_cancel")
        client = subprocess.Popen([*kt.AS_NOBODY, kt.KTSTRCTL, "submit", "--json"], env=daemon.client_env(), stdout=subprocess.PIPE, text=True)
        kt.wait_until(lambda: client.poll() is not None or any(j["state"] == "running" for j in daemon.jobs()), "the job to run")
        self.assertIsNone(client.poll())
        folder = next((daemon.state / "results").iterdir())
        # While the daemon writes into it, it is the daemon's: nobody can put a link in its way.
        self.assertEqual((folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)), (0, 0o700))
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=kt.PATIENCE_S)
        kt.wait_until(lambda: folder.stat().st_uid == kt.NOBODY, "the folder to be handed over")
        self.assertEqual({p.stat().st_uid for p in folder.iterdir()}, {kt.NOBODY})
        self.assertIn("verdict.json", {p.name for p in folder.iterdir()})

    @kt.needs_nobody(kt.KTSTRCTL, "--version")
    def test_a_kernel_by_path_is_opened_as_its_user(self):
        daemon = self.daemon_with()
        daemon.dir.chmod(0o711)
        daemon.socket.chmod(0o666)
        secret = daemon.dir / "secret-vmlinux"
        secret.write_bytes(kernel_files.elf(release="6.18.2-secret", config=kernel_files.CONFIG))
        for mode, status, words in ((0o600, 64, "Permission denied"), (0o644, 0, '"verdict":"pass"')):
            secret.chmod(mode)
            p = subprocess.run([*kt.AS_NOBODY, kt.KTSTRCTL, "submit", "--json", "--kernel", secret, "--duration", "1s"],
                               env=daemon.client_env(), capture_output=True, text=True, timeout=kt.PATIENCE_S)
            self.assertEqual(p.returncode, status, p.stdout + p.stderr)
            self.assertIn(words, p.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "needs to mount a file system")
    def test_a_full_disk_is_named(self):
        full = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, full, ignore_errors=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", full], capture_output=True).returncode != 0:
            self.skipTest("mounting is not permitted here")
        self.addCleanup(subprocess.run, ["umount", "-l", full], check=True)
        daemon = self.daemon_with("--state-dir", full / "state")
        with open(full / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        result = daemon.ctl("submit", "--json", "--duration", "1s")
        verdict = result.verdict()
        said = verdict["reason"] + " ".join(verdict["details"])
        self.assertIn("No space left on device", said, result)
        self.assertIn(str(full), said)
        # The verdict does not wait for the process to be reaped.
        kt.wait_until(lambda: not daemon.children(), "the guest is gone")

    def test_a_log_without_end_is_cut_and_says_so(self):
        daemon = self.daemon_with()
        daemon.play("flood")
        client = daemon.ctl_start("submit", "--timeout", "100s")
        kt.wait_until(lambda: "is incomplete" in daemon.log() or client.poll() is not None, "the log to be full")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertLessEqual(sum(p.stat().st_size for p in (daemon.state / "results").rglob("*.log")), 256 << 20)
        self.assertIn("incomplete: more was printed than is kept", out, err)
        self.assertEqual(client.returncode, 130)


if __name__ == "__main__":
    kt.main()
