# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pool of a daemon that ends, of files that were damaged, of two daemons, of a host without memory."""

import json
import os
import pathlib
import shutil
import tempfile

import ktstr_test as kt
from pool_case import JOB, POOL, SHAPE, import_kernel, Base


class Stopped(Base):
    """A daemon that ends, however it ends."""

    STATES = (("template=never_hello", "template"), ("template=never_parked", "template"), ("pool=never_restored", "clones"),
              ("pool=never_parked", "clones"), ("ok", "idle"))

    def reach(self, script, what):
        """A pool that is this far, and its guests."""
        for folder in self.daemon.template_dir.iterdir():
            shutil.rmtree(folder)
        self.daemon.play(script)
        self.served("cold")
        if what == "idle":
            self.ready()
        else:
            self.making(what)
        kt.wait_until(self.daemon.children, "QEMU")
        return self.daemon.children()

    def nothing_left(self, children):
        for pid in children:
            self.assertTrue(kt.gone(pid), pid)
        self.assertFalse(self.daemon.run.exists(), list(self.daemon.run.rglob("*")) if self.daemon.run.exists() else None)
        self.assertEqual([[draft, *draft.iterdir()] for draft in self.drafts()], [])

    def test_sigterm_leaves_nothing(self):
        for script, what in self.STATES:
            with self.subTest(script=script):
                children = self.reach(script, what)
                self.daemon.stop()
                self.nothing_left(children)
                self.daemon.start()

    def test_a_drain_leaves_nothing(self):
        for script, what in self.STATES:
            with self.subTest(script=script):
                children = self.reach(script, what)
                self.assertEqual(self.daemon.ctl("drain").status, 0)
                self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
                self.nothing_left(children)
                self.daemon.start()

    def test_sigterm_at_any_moment_of_a_template(self):
        for n in range(12):
            with self.subTest(n=n):
                self.daemon.call(POOL + "Drop", templates=True)
                wire = self.daemon.connect()
                self.addCleanup(wire.socket.close)
                wire.send(POOL + "Prime", {})
                if n % 3:
                    kt.wait_until(lambda: self.shapes(), "the shape to be known")
                if n % 3 == 2:
                    kt.wait_until(lambda: self.daemon.children(), "its guest")
                self.daemon.stop()
                self.nothing_left([])
                self.daemon.start()
        self.assertEqual(self.submit().status, 0)

    def test_an_idle_pool_does_not_keep_a_private_daemon(self):
        self.daemon.stop()
        self.daemon.options += ["--private", "--idle-exit", "300"]
        with self.daemon.start_connected():
            self.served("cold")
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.nothing_left([])
        self.daemon.start()

    def guests(self):
        """What those are for that there are: a job's has its number in this place."""
        return sorted(p.name.split("-")[1] for p in self.daemon.run.glob("guest-*"))

    def test_after_a_kill_nothing_is_left_and_the_template_is_there(self):
        self.prime()
        built = self.shape()["template_built_us"]
        # A second shape, whose template is being built.
        self.daemon.play("template=never_hello")
        self.served("cold", "--topology", "1n1l1c1t")
        kt.wait_until(lambda: {"building", "ready"} == {s["template"] for s in self.shapes()}, "the second template to be begun")
        # The job's own may not be gone yet.
        kt.wait_until(lambda: self.guests() == ["pool", "pool", "template"] and len(self.daemon.children()) == 3, "its guest")
        guests = self.daemon.children()
        self.assertEqual(len(self.drafts()), 1)
        self.daemon.kill()
        for pid in guests:
            kt.wait_until(lambda: kt.gone(pid), "QEMU to die with its daemon")
        self.assertEqual(len(list(self.daemon.run.glob("guest-*"))), 3)
        # Whatever asks for a template now fails.
        self.daemon.play("template=refuse_args")
        self.daemon.start()
        self.assertEqual(list(self.daemon.run.glob("guest-*")), [])
        self.assertEqual(self.drafts(), [])
        self.served("clone")
        self.ready()
        self.assertEqual(self.shape()["template_built_us"], built)
        self.assertEqual((self.builds("built"), self.builds("failed")), (0, 0))
        self.served("pool")


class Damaged(Base):
    """A template is believed as long as its files are those that were verified."""

    @staticmethod
    def flip(path):
        with open(path, "r+b") as f:
            byte = f.read(1)
            f.seek(0)
            f.write(bytes([byte[0] ^ 1]))

    @staticmethod
    def late_flip(path):
        """In the middle of what is a hole."""
        with open(path, "r+b") as f:
            f.seek(path.stat().st_size // 2 + 12345)
            f.write(b"\x01")

    @staticmethod
    def cut(path):
        os.truncate(path, path.stat().st_size // 2)

    @staticmethod
    def replace_by_link(path):
        path.rename(path.parent.parent / ".elsewhere")
        path.symlink_to(path.parent.parent / ".elsewhere")

    def damages(self):
        return (("state", self.flip, "is damaged"), ("memory-0", self.flip, "is damaged"), ("memory-0", self.late_flip, "is damaged"),
                ("state", self.cut, "another size"), ("memory-0", self.cut, "another size"))

    def built_anew(self, since, name, words, before):
        self.assertRegex(self.daemon.log()[since:], rf"the template of {SHAPE} is thrown away: its {name} .*{words}")
        self.ready()
        self.assertNotEqual(self.shape()["template_built_us"], before)
        self.served("pool")
        # What was thrown away is removed beside all this.
        kt.wait_until(lambda: len([p for p in self.daemon.template_dir.iterdir() if p.name != ".elsewhere"]) == 1, "the other one to be gone")

    def test_while_the_daemon_is_down(self):
        for name, damage, words in (*self.damages(), ("metadata.json", self.cut, "no JSON"), ("metadata.json", os.unlink, "No such file"),
                                    ("state", os.unlink, "No such file"), ("state", self.replace_by_link, "symbolic links"),
                                    ("memory-0", lambda p: p.chmod(0o640), "not this user's alone")):
            with self.subTest(name=name, damage=damage):
                self.prime()
                built, since = self.shape()["template_built_us"], len(self.daemon.log())
                self.daemon.stop()
                damage(self.template() / name)
                self.daemon.start()
                self.served("cold")
                self.built_anew(since, name, words, built)

    def test_while_it_is_up(self):
        for name, damage, words in (*self.damages(), ("state", os.unlink, "No such file")):
            with self.subTest(name=name, damage=damage):
                self.prime()
                guests = self.daemon.children()
                built, since = self.shape()["template_built_us"], len(self.daemon.log())
                damage(self.template() / name)
                # Those that wait have their memory from there.
                self.served("cold")
                kt.wait_until(lambda: all(map(kt.gone, guests)), "the guests of the damaged template to go")
                self.built_anew(since, name, words, built)

    def test_one_that_is_gone_is_built_anew(self):
        self.prime()
        shutil.rmtree(self.template())
        self.served("cold")
        self.ready()
        self.assertTrue(self.template().is_dir())
        self.served("pool")

    def test_one_that_was_only_touched_is_verified_and_kept(self):
        self.prime()
        built = self.shape()["template_built_us"]
        os.utime(self.template() / "memory-0")
        self.served("pool")
        self.ready()
        self.assertEqual(self.shape()["template_built_us"], built)
        self.assertIn("has changed on disk and is verified anew", self.daemon.log())
        self.assertNotIn("thrown away", self.daemon.log())

    def test_a_folder_that_others_may_write_is_not_used(self):
        self.daemon.stop()
        self.daemon.template_dir.chmod(0o777)
        with self.assertRaisesRegex(AssertionError, "can be written by others"):
            self.daemon.start()
        self.daemon.template_dir.chmod(0o700)
        self.daemon.start()


class Two(Base):
    """Two daemons on one cache and one folder of templates."""

    def setUp(self):
        super().setUp()
        self.other = self.new_daemon("--template-dir", self.daemon.template_dir, kernels=self.daemon.kernels)

    def test_both_build_and_one_is_kept(self):
        clients = [d.ctl_start("pool", "prime", "--json") for d in (self.daemon, self.other)]
        for client in clients:
            out, err = client.communicate(timeout=kt.PATIENCE_S)
            self.assertEqual(client.returncode, 0, err)
            self.assertEqual(json.loads(out)["shape"], SHAPE)
        self.assertEqual(self.shape()["template_built_us"], self.shape(self.other)["template_built_us"])
        self.assertTrue(self.template().is_dir())
        self.assertEqual(self.drafts(), [])
        for daemon in (self.daemon, self.other):
            self.served("pool", daemon=daemon)

    def test_what_one_has_built_the_other_clones(self):
        self.prime()
        self.other.play("template=refuse_args")
        self.served("clone", daemon=self.other)
        self.ready(daemon=self.other)
        self.served("pool", daemon=self.other)

    def test_what_one_throws_away_disturbs_no_guest_of_the_other(self):
        self.prime()
        self.other.play("pool=wait_for_cancel")
        self.other.call(POOL + "Prime")
        wire, job = self.start("guest", "running", daemon=self.other)
        self.daemon.call(POOL + "Drop", templates=True)
        self.empty()
        self.assertEqual(self.other.call(JOB + "Show", job=job)["parameters"]["job"]["state"], "running")
        wire.socket.close()
        self.other.play("ok")
        self.assertEqual(self.submit(daemon=self.other).status, 0)
        self.ready(daemon=self.other)
        self.served("pool", daemon=self.other)

    def test_one_that_starts_sweeps_no_draft_of_the_other(self):
        self.daemon.play("template=never_hello")
        self.served("cold")
        self.wait_for(template="building")
        kt.wait_until(self.drafts, "the draft")
        drafts = self.drafts()
        self.other.stop()
        self.other.start()
        self.assertEqual(self.drafts(), drafts)
        self.daemon.call(POOL + "Drop")
        self.empty()
        self.assertEqual(self.drafts(), [])


class Pressure(Base):
    """The kernel reports that memory is short: here by a FIFO, as systemd.resource-control(5) allows."""

    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, folder)
        self.fifo = folder / "pressure"
        os.mkfifo(self.fifo)
        self.daemon = self.new_daemon(env={"MEMORY_PRESSURE_WATCH": str(self.fifo)})
        import_kernel(self.daemon)

    def report(self):
        self.fifo.write_bytes(b"!")

    def test_half_of_the_idle_guests_go(self):
        self.prime(idle=5)
        guests = self.daemon.children()
        self.report()
        self.wait_for(idle=2, building=0)
        kt.wait_until(lambda: len(self.daemon.children()) == 2, "the others to be gone")
        self.assertLess(set(self.daemon.children()), set(guests))
        self.assertIn("the host is short of memory: giving up 3 of 5 idle guests", self.daemon.log())
        # Those that are left are for jobs, and none is made in their place for half a minute.
        self.assertTrue(self.list()["held"])
        self.assertIn("short of memory", self.status()["pool_held"])
        self.served("pool")
        self.assertEqual((self.shape()["idle"], self.shape()["building"]), (1, 0))
        self.assertIn("short of memory", self.daemon.ctl("pool").out)
        self.assertIn("none are made for now: the host is short of memory", self.daemon.ctl("status").out)
        # A second report: half of one is one.
        self.report()
        self.wait_for(idle=0, building=0)
        self.served("clone")
        kt.wait_until(lambda: not self.daemon.children(), "all guests to be gone")

    def test_the_least_wanted_go_first(self):
        for topology in ("1n1l1c1t", "1n1l2c1t", "1n1l2c1t", "1n1l2c1t"):
            self.assertEqual(self.submit("--topology", topology).status, 0)
        kt.wait_until(lambda: [s["idle"] for s in self.shapes()] == [2, 2], "two guests of each")
        self.report()
        kt.wait_until(lambda: [s["idle"] for s in self.shapes()] == [2, 0], "the less wanted to be gone")

    def test_without_guests_nothing_happens(self):
        self.report()
        kt.wait_until(lambda: self.list()["held"], "the report to be taken")
        self.assertNotIn("short of memory", self.daemon.log())
        self.served("cold")

    def test_jobs_that_run_are_not_disturbed(self):
        self.prime("pool=wait_for_cancel")
        wire, job = self.start("guest", "running")
        # Another may have come in its place by now: half of two is one.
        kt.wait_until(lambda: self.shape()["idle"] == self.shape()["building"] == 0 or self.report(), "all others to be gone")
        self.assertEqual(self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]["state"], "running")
        wire.socket.close()


if __name__ == "__main__":
    kt.main()
