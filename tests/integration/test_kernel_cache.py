# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel cache as something that is lived with: what the list says of each entry, what is cleaned away and what never is, that what is
used is what was stored, how much it may take, and that several daemons share it."""

import json
import os
import pathlib
import pty
import random
import subprocess
import tempfile
import threading
import time
import unittest

import kernel_files as kf
import ktstr_test as kt

KERNEL = "io.ktstrd.Kernel."
JOB = "io.ktstrd.Job."
POOL = "io.ktstrd.Pool."

RELEASES = {"latest_stable": "6.18.2", "releases": [
    {"version": "6.19-rc3", "moniker": "mainline", "eol": False, "source": None},
    {"version": "6.18.2", "moniker": "stable", "eol": False, "source": None},
    {"version": "6.17.13", "moniker": "stable", "eol": True, "source": None},
    {"version": "6.12.63", "moniker": "longterm", "eol": False, "source": None},
    {"version": "next-20251219", "moniker": "linux-next", "eol": False, "source": None}]}


class CacheTest(unittest.TestCase):
    def setUp(self):
        self.daemon = self.new_daemon()

    def new_daemon(self, *options, **kwargs):
        daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", *options, **{"fake": "ok", **kwargs})
        return self.enterContext(daemon)

    @property
    def cache(self):
        return self.daemon.kernels

    def take(self, release, daemon=None, **how):
        """Import such a kernel; its key."""
        daemon = daemon or self.daemon
        image = daemon.dir / f"vmlinux-{release}"
        image.write_bytes(kf.elf(release, **{"config": kf.CONFIG, **how}))
        result = daemon.ctl("kernel", "import", image)
        self.assertEqual((result.status, result.err), (0, ""), result)
        return result.out.split()[-1]

    def built(self, key, version="6.14.2", **changed):
        """An entry as a build leaves it, from an imported one."""
        imported = self.take(f"{version}-like-built")
        (self.cache / imported).rename(self.cache / key)
        path = self.cache / key / "metadata.json"
        hash_of_today = self.list()["current_ktstr_kconfig_hash"]
        path.write_text(json.dumps({**json.loads(path.read_text()), "key": key, "source": "tarball", "version": version, "profile": "default",
                                    "ktstr_kconfig_hash": hash_of_today, **changed}))
        return key

    def corrupt(self, key, text="{"):
        (self.cache / key).mkdir()
        (self.cache / key / "metadata.json").write_text(text)
        return key

    def list(self, daemon=None):
        return (daemon or self.daemon).call(KERNEL + "List")["parameters"]

    def entries(self, daemon=None):
        return {e["key"]: e for e in self.list(daemon)["entries"]}

    def keys(self):
        return [e["key"] for e in self.list()["entries"]]

    def clean(self, *args, **options):
        return self.daemon.ctl("kernel", "clean", *args, **options)

    def hold(self, key, daemon=None):
        """A job that runs on it; its connection and its name."""
        daemon = daemon or self.daemon
        daemon.play("wait_for_cancel")
        wire = daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send(JOB + "Submit", {"kernel": key}, more=True)
        while True:
            reply = wire.receive()["parameters"]
            if reply.get("event", {}).get("state") == "running":
                return wire, reply["job"]

    def let_go(self, wire, job, daemon=None):
        (daemon or self.daemon).call(JOB + "Cancel", job=job)
        while wire.receive().get("continues"):
            pass


class Listed(CacheTest):
    """Cases 4 to 6 of the reference: rows, tags, legends, kinds."""

    def test_an_empty_cache(self):
        result = self.daemon.ctl("kernel", "list")
        self.assertEqual((result.status, result.err), (0, f"cache: {self.cache}\n"), result)
        self.assertIn("no cached kernels", result.out)

    def test_tags_and_their_legends(self):
        fresh = self.built("6.14.5-tarball-x86_64-kc00000001", "6.14.5")
        untracked = self.built("6.14.4-tarball-x86_64-kc00000002", "6.14.4", ktstr_kconfig_hash=None)
        stale = self.built("6.14.3-tarball-x86_64-kc00000003", "6.14.3", ktstr_kconfig_hash="ffffffff")
        extra = self.built("6.14.2-tarball-x86_64-kc00000004-xkc00000001", "6.14.2", extra_kconfig_hash="00000001")
        both = self.built("6.14.1-tarball-x86_64-kc00000005-xkc00000001", "6.14.1", extra_kconfig_hash="00000001", ktstr_kconfig_hash="ffffffff")
        bad = self.corrupt("6.14.6-bad")
        result = self.daemon.ctl("kernel", "list")
        self.assertEqual(result.status, 0, result)
        header, *rows = result.out.splitlines()
        ends = {row.split()[0]: row.split("Z", 1)[1] for row in rows[:-1]}
        self.assertEqual(ends, {fresh: "", untracked: " (untracked kconfig)", stale: " (stale kconfig)", extra: " (extra kconfig)",
                                both: " (stale kconfig) (extra kconfig)"})
        self.assertRegex(rows[-1], rf"\A  {bad:<48} \(corrupt: [^\n]*cut off[^\n]*\)\Z")
        first, *legends, last = result.err.splitlines()
        self.assertEqual(first, f"cache: {self.cache}")
        self.assertEqual([line.split(":")[0] for line in legends], ["(untracked kconfig)", "(stale kconfig)", "(corrupt)"])
        self.assertRegex(last, r"\A6 kernels, 0\.\d\d GiB\Z")
        for line in legends:
            self.assertNotIn(line, result.out)
        statuses = {key: e.get("kconfig_status") for key, e in self.entries().items()}
        self.assertEqual(statuses, {fresh: "matches", untracked: "untracked", stale: "stale", extra: "matches", both: "stale", bad: None})

    def test_no_tag_no_legend(self):
        self.take("6.18.1-a")
        self.assertEqual(len(self.daemon.ctl("kernel", "list").err.splitlines()), 2)

    def test_what_is_corrupt_and_how(self):
        whole = self.take("6.18.1-a")
        metadata = json.loads((self.cache / whole / "metadata.json").read_text())
        kinds = {"malformed": "not json", "truncated": "{", "schema_drift": json.dumps({k: v for k, v in metadata.items() if k != "version"}),
                 "image_missing": json.dumps(metadata)}
        for kind, text in kinds.items():
            self.corrupt(f"6.1-{kind}", text)
        (self.cache / "6.1-missing").mkdir()
        got = {key: e for key, e in self.entries().items() if key != whole}
        self.assertEqual({key: e["error_kind"] for key, e in got.items()}, {f"6.1-{kind}": kind for kind in [*kinds, "missing"]})
        for entry in got.values():
            self.assertIn("error", entry)
            self.assertNotIn("version", entry)

    def test_json(self):
        key = self.built("6.14.5-tarball-x86_64-kc00000001", "6.14.5", ktstr_kconfig_hash=None)
        result = self.daemon.ctl("kernel", "list", "--json")
        self.assertEqual((result.status, result.err), (0, ""), result)
        listed = json.loads(result.out)
        self.assertLessEqual({"current_ktstr_kconfig_hash", "active_prefixes_fetch_error", "entries", "root", "size_bytes"}, set(listed))
        entry, = listed["entries"]
        wanted = {"key", "path", "version", "source", "arch", "built_at", "ktstr_kconfig_hash", "kconfig_status", "eol", "config_hash",
                  "image_name", "image_path", "has_vmlinux", "vmlinux_stripped", "size_bytes"}
        self.assertLessEqual(wanted, set(entry))
        self.assertEqual((entry["key"], entry["ktstr_kconfig_hash"], entry["config_hash"], entry["eol"]), (key, None, None, False))
        self.assertEqual((entry["has_vmlinux"], entry["vmlinux_stripped"]), (True, True))
        self.assertEqual(os.path.basename(entry["image_path"]), entry["image_name"])

    def test_sizes_are_those_on_disk(self):
        key = self.take("6.18.1-a", padding=3 << 20)
        on_disk = sum(p.lstat().st_blocks * 512 for p in [self.cache / key, *(self.cache / key).rglob("*")])
        listed = self.list()
        self.assertEqual(listed["entries"][0]["size_bytes"], on_disk)
        self.assertEqual(listed["size_bytes"], on_disk)
        self.assertGreater(on_disk, 3 << 20)


class Ended(CacheTest):
    """Which series get no more releases; the list of them comes from ktstrd-build."""

    def setUp(self):
        self.builder_says(json.dumps({"stage": "resolve"}), json.dumps(RELEASES))
        self.daemon = self.new_daemon("--builder", self.builder)

    def builder_says(self, *lines, then="exit 0"):
        if not hasattr(self, "folder"):
            self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="ktstr-builder-")))
        self.builder, self.asked = self.folder / "ktstrd-build", self.folder / "asked"
        (self.folder / "answer").write_text("".join(line + "\n" for line in lines))
        self.builder.write_text(f"#!/bin/sh\n(echo \"$1\"; cat \"$2\"; echo) >> {self.asked}\ncat {self.folder}/answer\n{then}\n")
        self.builder.chmod(0o755)

    def times_asked(self):
        return self.asked.read_text().count("releases\n{") if self.asked.exists() else 0

    def forget(self):
        (self.cache / ".releases.json").unlink(missing_ok=True)

    def test_tags_and_legend(self):
        ended = [self.take(r) for r in ("6.17.13-a", "6.16.3-a")]
        others = [self.take(r) for r in ("6.18.1-a", "6.12.5-a", "6.19.0-rc1-a", "7.1.0-a")]
        stale = self.built("6.17.1-tarball-x86_64-kc00000001", "6.17.1", ktstr_kconfig_hash="ffffffff")
        result = self.daemon.ctl("kernel", "list")
        ends = {row.split()[0]: row.split("Z", 1)[1] for row in result.out.splitlines()[1:]}
        self.assertEqual(ends, {**{k: " (EOL)" for k in ended}, **{k: "" for k in others}, stale: " (stale kconfig) (EOL)"})
        self.assertEqual([line.split(":")[0] for line in result.err.splitlines()[1:-1]], ["(EOL)", "(stale kconfig)"])
        self.assertEqual({k for k, e in self.entries().items() if e["eol"]}, {*ended, stale})
        self.assertIsNone(self.list()["active_prefixes_fetch_error"])

    def test_it_is_asked_for_once_and_shared(self):
        self.take("6.17.13-a")
        for _ in range(3):
            self.assertTrue(list(self.entries().values())[0]["eol"])
        self.assertEqual(self.times_asked(), 1)
        request = json.loads(self.asked.read_text().splitlines()[1])
        self.assertLessEqual({"mirror", "releases", "candidates"}, set(request["net"]))
        with kt.Daemon("--builder", self.builder, fake="ok", kernels=self.cache) as second:
            self.assertTrue(list(self.entries(second).values())[0]["eol"])
        self.assertEqual(self.times_asked(), 1)
        path = self.cache / ".releases.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "fetched_ms": (time.time() - 3601) * 1000 // 1}))
        self.list()
        self.assertEqual(self.times_asked(), 2)

    def test_those_who_ask_at_once_get_one_answer(self):
        self.take("6.17.13-a")
        wires = [self.enterContext(self.daemon.connect()) for _ in range(8)]
        for wire in wires:
            wire.send(KERNEL + "List")
        self.assertEqual([w.receive()["parameters"]["entries"][0]["eol"] for w in wires], [True] * 8)
        self.assertLessEqual(self.times_asked(), 1)

    def test_nobody_is_asked_where_nothing_depends_on_it(self):
        self.list()
        self.corrupt("bad")
        self.list()
        self.assertEqual(self.times_asked(), 0)

    def test_without_it_nothing_has_ended_and_it_is_said_why(self):
        for lines, then, why in ((["{\"error\": {\"name\": \"io.ktstrd.Kernel.DownloadFailed\", \"message\": \"no route to kernel.org\"}}"], "exit 1",
                                  "no route to kernel.org"),
                                 ([], "echo no such thing >&2; exit 3", "no such thing"),
                                 ([], "exit 3", "status 3"),
                                 ([], "kill -KILL $$", "signal 9"),
                                 (["not json", "[1]", "{\"result\": []}"], "exit 0", "without a list"),
                                 (["{\"result\": {\"releases\": []}}"], "exit 0", "another form"),
                                 (["{\"releases\": [{}]}"], "exit 0", "another form")):
            with self.subTest(why=why):
                self.builder_says(*lines, then=then)
                with kt.Daemon("--builder", self.builder, "--agent", "/bin/true", "--busybox", "/bin/true", fake="ok") as self.daemon:
                    self.take("6.17.13-a")
                    listed = self.list()
                    self.assertFalse(listed["entries"][0]["eol"])
                    self.assertIn(why, listed["active_prefixes_fetch_error"])
                    self.assertNotIn("\n", listed["active_prefixes_fetch_error"])
                    asked = self.times_asked()
                    self.assertEqual(self.list()["active_prefixes_fetch_error"], listed["active_prefixes_fetch_error"])
                    self.assertEqual(self.times_asked(), asked, "a failure is remembered")
                    self.assertNotIn("(EOL)", self.daemon.ctl("kernel", "list").out)
        self.daemon = self.new_daemon()

    def test_a_range_has_what_is_released_when_that_is_asked_for(self):
        for release in ("6.16.3-a", "6.17.13-a", "6.18.1-a"):
            self.take(release)
        self.assertEqual(self.daemon.ctl("kernel", "list", "--range", "6.12..6.19").out.split(), ["6.16.3", "6.17.13", "6.18.1"])
        self.assertEqual(self.times_asked(), 0)
        for _ in range(2):
            result = self.daemon.ctl("kernel", "list", "--range", "6.12..6.19", "--fetch")
            self.assertEqual((result.status, result.err), (0, ""), result)
            self.assertEqual(result.out.split(), ["6.12.63", "6.16.3", "6.17.13", "6.18.1", "6.18.2"])
        self.assertEqual(self.times_asked(), 1)
        self.assertEqual(self.daemon.ctl("kernel", "list", "--range", "6.12..6.16", "--fetch").out.split(), ["6.12.63", "6.16.3"])

    def test_a_range_without_the_list_is_an_error(self):
        self.builder_says('{"error": {"name": "io.ktstrd.Kernel.DownloadFailed", "message": "no route to kernel.org"}}', then="exit 1")
        self.take("6.18.1-a")
        result = self.daemon.ctl("kernel", "list", "--range", "6.12..6.19", "--fetch")
        self.assertEqual((result.status, result.out), (3, ""), result)
        self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]*6\.12\.\.6\.19[^\n]*no route to kernel\.org[^\n]*\n\Z")
        self.assertEqual(self.daemon.ctl("kernel", "list", "--range", "6.12..6.19").out.split(), ["6.18.1"])

    def test_one_that_never_answers_is_not_waited_for(self):
        self.builder_says(then="exec sleep 1000")
        self.take("6.17.13-a")
        # It would say nothing for longer than a test waits.
        self.assertIn("no answer", self.list()["active_prefixes_fetch_error"])
        self.assertEqual(self.daemon.children(), [])
        # Nor is it asked again, which alone could be waited for.
        asked = self.times_asked()
        self.assertIn("no answer", self.list()["active_prefixes_fetch_error"])
        self.assertEqual(self.times_asked(), asked)

    def test_a_daemon_that_is_stopped_meanwhile_ends_well(self):
        self.builder_says(then="exec sleep 1000")
        self.take("6.17.13-a")
        with self.daemon.connect() as wire:
            wire.send(KERNEL + "List")
            kt.wait_until(lambda: self.times_asked() == 1, "the builder to be asked")
            self.daemon.stop()
        self.daemon.start()

    def test_a_client_that_leaves_meanwhile_is_no_matter(self):
        self.builder_says(then="sleep 0.5")
        self.take("6.17.13-a")
        with self.daemon.connect() as wire:
            wire.send(KERNEL + "List")
            kt.wait_until(lambda: self.times_asked() == 1, "the builder to be asked")
        self.assertEqual(len(self.list()["entries"]), 1)


class Cleaned(CacheTest):
    """Cases 7 and 8 of the reference."""

    def date(self, key, minute):
        path = self.cache / key / "metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "built_at": f"2026-01-01T00:{minute:02}:00Z"}))

    def fill(self):
        """Three, taken in one a minute, the newest version last; it comes first."""
        keys = [self.take(f"6.18.{n}-a") for n in (3, 2, 1)]
        for minute, key in enumerate(reversed(keys)):
            self.date(key, minute)
        self.corrupt("bad")
        return keys

    def test_what_was_taken_in_last_is_kept_whatever_its_version(self):
        new, middle, old = self.fill()
        self.date(old, 59)
        self.assertEqual(self.clean("--keep", "2", "--force").out, "removed 2 cached kernel(s).\n")
        self.assertEqual(self.keys(), [new, old])

    def test_keep_counts_valid_ones_only(self):
        newest, *_ = self.fill()
        result = self.clean("--keep", "1", "--force")
        self.assertEqual((result.status, result.out, result.err), (0, "removed 3 cached kernel(s).\n", ""), result)
        self.assertEqual(self.keys(), [newest])
        self.assertEqual(self.clean("--keep", "1", "--force").out, "nothing to clean\n")
        self.assertEqual(self.clean("--force").out, "removed 1 cached kernel(s).\n")
        self.assertEqual(self.keys(), [])

    def test_only_what_is_corrupt(self):
        keys = self.fill()
        result = self.clean("--corrupt-only", "--force")
        self.assertEqual((result.status, result.out), (0, "removed 1 cached kernel(s).\n"), result)
        self.assertEqual(self.keys(), keys)

    def test_nothing_there(self):
        for args in ([], ["--force"], ["--keep", "3"], ["--corrupt-only"]):
            result = self.clean(*args)
            self.assertEqual((result.status, result.out, result.err), (0, "nothing to clean\n", ""), result)

    def test_usage(self):
        keys = self.fill()
        for args in (["--keep", "1", "--corrupt-only"], ["--keep", "1", "--corrupt-only", "--force"], ["--keep", "-1"], ["--keep", "x"],
                     ["--keep"], ["--force", keys[0]], ["--range", "1"]):
            result = self.clean(*args)
            self.assertEqual((result.status, result.out), (64, ""), result)
            self.assertEqual(len(result.err.splitlines()), 1, result)
        self.assertEqual(self.daemon.call(KERNEL + "Clean", keep=1, corrupt_only=True)["error"], "org.varlink.service.InvalidParameter")
        self.assertEqual(self.daemon.call(KERNEL + "Clean", keep=-1)["error"], "org.varlink.service.InvalidParameter")
        self.assertEqual(self.keys(), [*keys, "bad"])

    def test_without_a_terminal_it_is_not_done_unasked(self):
        keys = self.fill()
        for args in ([], ["--keep", "1"], ["--corrupt-only"]):
            result = self.clean(*args)
            self.assertEqual((result.status, result.out), (64, ""), result)
            self.assertIn("confirmation requires a terminal. Use --force to skip.", result.err)
        self.assertEqual(self.keys(), [*keys, "bad"])

    def answer(self, text, *args, meanwhile=lambda: None):
        """Clean with somebody at a terminal who types this once asked; all that they see, and the status."""
        master, slave = pty.openpty()
        with os.fdopen(master, "r+b", buffering=0) as terminal:
            client = subprocess.Popen([kt.KTSTRCTL, "kernel", "clean", *args], env=self.daemon.client_env(), stdin=slave, stdout=slave,
                                      stderr=slave)
            os.close(slave)
            seen = b""
            while b"[y/N]" not in seen:
                seen += os.read(master, 4096)
            meanwhile()
            terminal.write(text.encode())
            try:
                while got := os.read(master, 4096):
                    seen += got
            except OSError:
                pass
        return seen.decode(), client.wait(kt.PATIENCE_S)

    def test_on_a_terminal_it_is_asked(self):
        keys = self.fill()
        for no in ("\n", "n\n", "N\n", "yes, of course\n"[1:], " y\n", "\x04"):
            seen, status = self.answer(no, "--keep", "1")
            self.assertIn("remove 3 entries? [y/N]", seen)
            self.assertTrue(seen.endswith("nothing removed\r\n"), seen)
            self.assertEqual((status, self.keys()), (0, [*keys, "bad"]), no)
        for yes, left in (("y\n", keys[:2]), ("Y\n", keys[:1])):
            seen, status = self.answer(yes, "--keep", str(len(left)))
            self.assertRegex(seen, r"removed \d cached kernel\(s\)\.")
            self.assertEqual((status, self.keys()), (0, left))

    def test_what_was_confirmed_goes_and_nothing_else(self):
        keys = self.fill()

        def meanwhile():
            # One that vanishes counts; one that came makes another the second newest, which was not asked about.
            self.assertEqual(self.daemon.call(KERNEL + "Remove", key=keys[2]), {"parameters": {}})
            self.newer = self.take("6.18.9-a")
        seen, status = self.answer("y\n", "--keep", "2", meanwhile=meanwhile)
        self.assertIn("removed 2 cached kernel(s).", seen)
        self.assertEqual((status, self.keys()), (0, [self.newer, *keys[:2]]))

    def test_json(self):
        keys = self.fill()
        self.assertEqual(json.loads(self.clean("--keep", "2", "--force", "--json").out), {"removed": [keys[2], "bad"], "in_use": []})

    def test_keys_that_are_none_remove_nothing(self):
        keys = self.fill()
        (self.daemon.dir / "outside").mkdir()
        outside = ["..", "../outside", "a/b", ".locks", "", "a b", str(self.daemon.dir / "outside")]
        for bad in (*outside, keys[0] + "\0", "a\0b", ".tmp-abcdef", "a..b"):
            for method in ("Info", "Remove"):
                self.assertIn("error", self.daemon.call(KERNEL + method, key=bad), (method, bad))
        reply = self.daemon.call(KERNEL + "Clean", only=outside)["parameters"]
        self.assertEqual(reply["in_use"], [])
        self.assertEqual(self.keys(), [*keys, "bad"])
        self.assertTrue((self.daemon.dir / "outside").exists())
        self.assertTrue((self.cache / ".locks").exists())

    def test_what_a_job_uses_stays_whose_daemon_ever_it_is(self):
        keys = self.fill()
        with kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok", kernels=self.cache) as second:
            for daemon in (self.daemon, second):
                wire, job = self.hold(keys[0], daemon)
                result = self.clean("--keep", "2", "--force")
                self.assertEqual(result.status, 0, result)
                result = self.clean("--force")
                self.assertEqual(result.err, f"kept {keys[0]}: in use by a job\n", result)
                self.assertEqual(self.keys(), [keys[0]])
                result = self.clean()
                self.assertEqual((result.status, result.out, result.err), (0, "nothing to clean\n", f"kept {keys[0]}: in use by a job\n"))
                self.let_go(wire, job, daemon)
            kt.wait_until(lambda: self.clean("--force").out.startswith("removed 1 "), "the lease to end")
        self.assertEqual(self.keys(), [])
        self.assertEqual(list((self.cache / ".initramfs").iterdir()), [])
        self.assertEqual(list((self.cache / ".used").iterdir()), [])


class WithAPool(CacheTest):
    """Guests and templates of a kernel that goes."""

    def setUp(self):
        self.daemon = self.new_daemon(templates=True)
        self.key = self.take("6.18.1-test")

    def shapes(self):
        return self.daemon.call(POOL + "List")["parameters"]["shapes"]

    def submit(self, *args):
        return self.daemon.ctl("submit", "--json", "--duration", "1s", *args)

    def ready(self):
        self.assertEqual(self.submit("--kernel", self.key).verdict()["verdict"], "pass")
        kt.wait_until(lambda: [s for s in self.shapes() if s["template"] == "ready" and s["idle"] == 2] and len(self.daemon.children()) == 2,
                      "a template and its guests, and nothing of the job")

    def templates(self):
        return [p.name for p in self.daemon.template_dir.iterdir() if not p.name.startswith(".")]

    def test_idle_ones_go_with_it_and_are_never_used_again(self):
        for remove in (["clean", "--force"], ["remove", self.key]):
            with self.subTest(remove=remove):
                self.ready()
                template, = self.templates()
                result = self.daemon.ctl("kernel", *remove)
                self.assertEqual((result.status, result.err), (0, ""), result)
                kt.wait_until(lambda: not self.shapes() and not self.daemon.children() and not self.templates(), "guests and template to go")
                result = self.submit("--kernel", self.key)
                self.assertEqual(result.verdict()["verdict"], "error", result)
                self.assertEqual(self.daemon.children(), [])
                # Another kernel comes to have its key: nothing is left that could be taken for its template.
                self.assertEqual(self.take("6.18.1-test", padding=4096 * len(remove)), self.key)
                self.ready()
                self.assertNotEqual(self.templates(), [template])
                self.daemon.ctl("kernel", "remove", self.key)
                kt.wait_until(lambda: not self.templates(), "the template to go")
                self.assertEqual(self.take("6.18.1-test"), self.key)

    def test_a_template_that_is_being_built_keeps_it(self):
        self.daemon.play("template=never_ready")
        prime = self.daemon.ctl_start("pool", "prime", "--kernel", self.key)
        self.addCleanup(prime.communicate)
        self.addCleanup(prime.kill)
        kt.wait_until(lambda: [s for s in self.shapes() if s["template"] == "building"] and self.daemon.children(), "a template to be begun")
        result = self.clean("--force")
        self.assertEqual((result.status, result.out, result.err), (0, "nothing to clean\n", f"kept {self.key}: in use by a job\n"))
        self.assertEqual(self.keys(), [self.key])
        self.daemon.call(POOL + "Drop")
        kt.wait_until(lambda: self.clean("--force").out.startswith("removed 1 "), "the lease to end")


class Used(CacheTest):
    """What is used is what was stored."""

    def spoil(self, key, name="vmlinux"):
        """One byte, as a disk might."""
        path = self.cache / key / name
        before = path.stat()
        with open(path, "r+b") as f:
            f.seek(before.st_size // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def test_a_job_on_a_spoilt_kernel_is_an_error_and_the_list_says_so(self):
        for name in ("vmlinux", "btf", "config"):
            with self.subTest(name=name):
                key = self.take("6.18.1-a")
                result = self.daemon.ctl("submit", "--json", "--kernel", key)
                self.assertEqual(result.verdict()["verdict"], "pass", result)
                # While its guest is there the kernel is in use.
                kt.wait_until(lambda: not self.daemon.children(), "the guest to be gone")
                self.spoil(key, name)
                result = self.daemon.ctl("submit", "--json", "--kernel", key)
                verdict = result.verdict()
                self.assertEqual((result.status, verdict["verdict"]), (3, "error"), result)
                self.assertRegex(verdict["reason"], rf"\A[^\n]*{key} is corrupt: [^\n]*/{name} is not what was stored[^\n]*kernel remove {key}[^\n]*\Z")
                entry = self.entries()[key]
                self.assertEqual(entry["error_kind"], "unknown")
                self.assertIn(f"  {key:<48} (corrupt: its file ", self.daemon.ctl("kernel", "list").out)
                # From here on nobody starts with it, and it is no way to lose one that is good.
                self.assertIn("corrupt", self.daemon.ctl("submit", "--json", "--kernel", key).err + self.daemon.ctl("kernel", "resolve", key).err)
                with kt.Daemon(fake="ok", kernels=self.cache) as second:
                    self.assertEqual(self.entries(second)[key]["error_kind"], "unknown")
                self.assertEqual(self.clean("--corrupt-only", "--force").out, "removed 1 cached kernel(s).\n")

    def test_priming_looks_too(self):
        self.daemon = self.new_daemon(templates=True)
        key = self.take("6.18.1-a")
        self.spoil(key)
        reply = self.daemon.ctl("pool", "prime", "--kernel", key)
        self.assertNotEqual(reply.status, 0)
        self.assertIn("is not what was stored", reply.err)
        self.assertEqual(self.daemon.children(), [])

    def test_when_it_was_used_is_noted(self):
        key = self.take("6.18.1-a")
        self.assertFalse((self.cache / ".used" / key).exists())
        for _ in range(2):
            self.daemon.ctl("submit", "--json", "--kernel", key)
            self.assertLess(abs(time.time() - (self.cache / ".used" / key).stat().st_mtime), 60)
            os.utime(self.cache / ".used" / key, (0, 0))


class Capped(CacheTest):
    def start_with(self, cap):
        self.daemon.stop()
        (self.daemon.dir / "conf").write_text(f"[Kernels]\nCacheMax={cap}\n")
        self.daemon.options += ["--config", self.daemon.dir / "conf"]
        self.daemon.start()

    def test_the_list_says_how_much_of_how_much(self):
        self.start_with("3G")
        self.take("6.18.1-a")
        self.assertEqual(self.list()["max_bytes"], 3 << 30)
        self.assertRegex(self.daemon.ctl("kernel", "list").err.splitlines()[-1], r"\A1 kernel, 0\.00 GiB of 3\.00 GiB\Z")

    def test_built_ones_make_room_and_the_log_says_so(self):
        first = self.built("6.14.1-tarball-x86_64-kc00000001", "6.14.1", built_at="2024-01-01T00:00:00Z")
        second = self.built("6.14.2-tarball-x86_64-kc00000001", "6.14.2", built_at="2025-01-01T00:00:00Z")
        self.assertEqual(self.daemon.ctl("submit", "--json", "--kernel", first).verdict()["verdict"], "pass")
        third = self.take("6.18.1-a", padding=1 << 20)
        listed = self.list()
        # All but one page of what the next one takes.
        self.start_with(listed["size_bytes"] + self.entries()[third]["size_bytes"] - 4096)
        fourth = self.take("6.18.2-a", padding=1 << 20)
        self.assertEqual(self.keys(), [fourth, third, first], "the one that was not used for longest went, and no other")
        self.assertRegex(self.daemon.log(), rf"kernel {second} \([^\n]*pushed out")

    def test_where_nothing_may_go_it_is_refused(self):
        held = self.built("6.14.1-tarball-x86_64-kc00000001", "6.14.1")
        imported = self.take("6.18.1-a", padding=3 << 20)
        self.start_with("4M")
        wire, job = self.hold(held)
        image = self.daemon.dir / "vmlinux"
        image.write_bytes(kf.elf("6.18.2-a", padding=1 << 20))
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual((result.status, result.out), (3, ""), result)
        self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]*CacheMax=[^\n]*4 MiB[^\n]*`ktstrctl kernel clean`[^\n]*\n\Z")
        self.assertEqual(self.keys(), [imported, held])
        self.let_go(wire, job)


class Shared(CacheTest):
    def test_two_daemons_import_clean_and_list_at_once(self):
        images = []
        for n in range(4):
            images.append(self.daemon.dir / f"image{n}")
            images[-1].write_bytes(kf.elf(f"6.18.{n}-a", config=kf.CONFIG, padding=n << 16))
        wrong, stop = [], threading.Event()

        def watch(daemon):
            with daemon.connect() as wire:
                while not stop.is_set():
                    reply = wire.call(KERNEL + "List")
                    wrong.extend(e for e in reply.get("parameters", {"entries": [reply]})["entries"] if "error" in e)

        def act(daemon, seed):
            rng = random.Random(seed)
            with daemon.connect() as wire:
                for _ in range(60):
                    if rng.random() < 0.75:
                        reply = wire.call(KERNEL + "Import", files=[{"name": "x", "path": str(rng.choice(images))}])
                        # That it is gone again when it is looked at is what may be.
                        if "error" in reply and reply["error"] != "io.ktstrd.Kernel.NoSuchKernel":
                            wrong.append(reply)
                    else:
                        reply = wire.call(KERNEL + "Clean", keep=rng.randrange(3))
                        if "error" in reply or reply["parameters"]["in_use"]:
                            wrong.append(reply)
        with kt.Daemon(fake="ok", kernels=self.cache) as second:
            threads = [threading.Thread(target=act, args=(d, n)) for n, d in enumerate((self.daemon, second, self.daemon, second))]
            watchers = [threading.Thread(target=watch, args=(d,)) for d in (self.daemon, second)]
            for t in threads + watchers:
                t.start()
            for t in threads:
                t.join()
            stop.set()
            for t in watchers:
                t.join()
            self.assertEqual(wrong, [])
            self.assertEqual(self.entries(), self.entries(second))
        self.assertEqual([p for p in self.cache.rglob("*") if p.name.startswith(".tmp-")], [])


class Places(unittest.TestCase):
    """Where the cache is: KTSTR_CACHE_DIR as it is, $XDG_CACHE_HOME/ktstr/kernels, ~/.cache/ktstr/kernels."""

    def shown(self, **env):
        base = {k: v for k, v in os.environ.items() if k not in ("KTSTR_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "CACHE_DIRECTORY")}
        base.update(XDG_STATE_HOME="/tmp/state", XDG_RUNTIME_DIR="", **{k: v for k, v in env.items() if v is not None})
        return subprocess.run([kt.KTSTRD, "--config", "", "--show-config", "--socket", "/tmp/s"], env=base, capture_output=True, text=True)

    def test_order(self):
        for env, place in (({"KTSTR_CACHE_DIR": "/k", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/k"),
                           ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/ktstr/kernels"),
                           ({"HOME": "/h"}, "/h/.cache/ktstr/kernels"),
                           ({"KTSTR_CACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/ktstr/kernels")):
            result = self.shown(**env)
            self.assertIn(f"\nCacheDir={place}\n", result.stdout, (env, result.stderr))

    def test_a_home_that_is_none(self):
        for home in (None, "", "/", "//", "relative/home"):
            result = self.shown(HOME=home)
            self.assertNotEqual(result.returncode, 0, home)
            self.assertIn("KTSTR_CACHE_DIR", result.stderr)
            self.assertIn("HOME", result.stderr)


if __name__ == "__main__":
    kt.main()
