# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pool, with a fake QEMU: guests that are ready before there is a job for them, and all that can come between."""

import json
import os
import pathlib
import shutil
import signal
import tempfile
import time
import unittest

import kernel_files
import ktstr_test as kt
import openmetrics

DAEMON = "io.ktstrd.Daemon."
JOB = "io.ktstrd.Job."
KERNEL = "6.18.1-test-img-x86_64"
POOL = "io.ktstrd.Pool."
BACKGROUND_NICE = 10
SHAPE = f"{KERNEL}/1n1l2c1t/256M/tcg"

# How a verdict tells that its job had another guest first.
DETOUR = "failed before it had the job, which got another guest"


def gone(pid):
    return not pathlib.Path(f"/proc/{pid}").exists()


def new_daemon(*options, **kwargs):
    return kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", *options, fake="ok", templates=True, **kwargs)


def import_kernel(daemon):
    image = daemon.dir / "vmlinux"
    image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
    result = daemon.ctl("kernel", "import", image)
    if result.status != 0:
        raise AssertionError(result)


# Jobs whose first guest never wakes: what that takes (20 s, and 1 s a vCPU) passes while all else is tested. See Waking.
patient = {}


def setUpModule():
    for source, option in (("pool", "2"), ("clone", "0")):
        daemon = new_daemon("--pool-idle", option)
        unittest.enterModuleContext(daemon)
        import_kernel(daemon)
        daemon.play(f"{source}=never_wakes")
        daemon.ctl("submit", "--duration", "1s", "--topology", "1n1l1c1t")
        kt.wait_until(lambda: [s for s in daemon.call(POOL + "List")["parameters"]["shapes"]
                               if s["template"] == "ready" and s["idle"] == int(option)], "the guests that will not wake")
        patient[source] = daemon, daemon.ctl_start("submit", "--json", "--duration", "1s", "--topology", "1n1l1c1t")
        unittest.addModuleCleanup(patient[source][1].kill)


class Base(unittest.TestCase):
    """A daemon with a kernel, and no guests yet."""

    def setUp(self):
        self.daemon = self.new_daemon()
        import_kernel(self.daemon)

    def new_daemon(self, *options, **kwargs):
        daemon = new_daemon(*options, **kwargs)
        self.enterContext(daemon)
        return daemon

    def restart(self, *options, conf=None):
        """The same daemon with other options."""
        self.daemon.stop()
        self.daemon.options += options
        if conf:
            (self.daemon.dir / "conf").write_text(conf)
            self.daemon.options += ["--config", self.daemon.dir / "conf"]
        self.daemon.start()

    # --- what the daemon says ---

    def list(self, daemon=None):
        return (daemon or self.daemon).call(POOL + "List")["parameters"]

    def shapes(self, daemon=None):
        return self.list(daemon)["shapes"]

    def shape(self, daemon=None):
        """The only one."""
        shapes = self.shapes(daemon)
        self.assertEqual(len(shapes), 1, shapes)
        return shapes[0]

    def status(self, daemon=None):
        return (daemon or self.daemon).call(DAEMON + "Status")["parameters"]

    def metrics(self):
        return openmetrics.read(self.daemon.call(DAEMON + "Metrics")["parameters"]["text"])

    def builds(self, result="built"):
        return self.metrics()["ktstrd_template_builds"].value("_total", result=result)

    def wait_for(self, daemon=None, **what):
        """Until the only shape has these values."""
        kt.wait_until(lambda: [s for s in self.shapes(daemon) if what.items() <= s.items()], f"a shape with {what}")

    def making(self, what):
        """Until it is being made: a template, or clones (how many at a time depends on the host)."""
        kt.wait_until(lambda: [s for s in self.shapes() if s["template"] == "building" or (what == "clones" and s["building"] > 0)],
                      f"the {what} to be begun")

    def ready(self, idle=2, daemon=None):
        self.wait_for(daemon, template="ready", idle=idle, building=0)

    def empty(self):
        """Nothing of the pool is left but its templates."""
        kt.wait_until(lambda: not self.shapes() and not self.daemon.children(), "the pool to be empty")

    def drafts(self):
        return list(self.daemon.template_dir.glob(".tmp-*"))

    def template(self):
        """The folder of the only one."""
        folders = [p for p in self.daemon.template_dir.iterdir() if not p.name.startswith(".")]
        self.assertEqual(len(folders), 1, folders)
        return folders[0]

    # --- what is asked of it ---

    def prime(self, script="ok", idle=2):
        """Fresh guests that play this."""
        self.daemon.call(POOL + "Drop")
        self.daemon.play(script)
        reply = self.daemon.call(POOL + "Prime", idle=idle)
        self.assertNotIn("error", reply)
        self.ready(max(idle, 2))

    def submit(self, *args, daemon=None):
        return (daemon or self.daemon).ctl("submit", "--json", "--duration", "1s", *args)

    def served(self, source, *args, daemon=None):
        """A job that passes on a guest of this source; its verdict."""
        result = self.submit(*args, daemon=daemon)
        self.assertEqual(result.status, 0, result)
        verdict = result.verdict()
        self.assertEqual((verdict["verdict"], verdict["guest"]["source"]), ("pass", source), result)
        return verdict

    def start(self, kind, state=None, daemon=None, **parameters):
        """A connection whose job has got as far as this event."""
        wire = (daemon or self.daemon).connect()
        self.addCleanup(wire.socket.close)
        wire.send(JOB + "Submit", parameters, more=True)
        while True:
            reply = wire.receive()
            self.assertNotIn("error", reply)
            event = reply["parameters"].get("event", {})
            if event.get("kind") == kind and (state is None or event.get("state") == state):
                return wire, reply["parameters"]["job"]

    def ended(self, job):
        def show():
            return self.daemon.call(JOB + "Show", job=job)["parameters"]
        kt.wait_until(lambda: show()["job"]["state"] == "ended", "the verdict")
        return show()["verdict"]


class Seen(Base):
    """What a client sees of it."""

    def test_the_first_job_boots_and_the_next_finds_a_guest(self):
        self.assertEqual(self.shapes(), [])
        before = time.time()
        first = self.served("cold")
        self.assertGreaterEqual(first["guest"]["boot_ms"], 0)
        self.ready()
        result = self.submit()
        self.assertEqual(result.verdict()["guest"]["source"], "pool", result)
        said = [e["message"] for e in result.events() if e["kind"] == "guest"]
        self.assertEqual(said[0], f"taking a ready guest of {KERNEL} on 1n1l2c1t under tcg")
        self.assertRegex(said[1], r"^guest awake after \d+\.\d ms: ")
        self.assertEqual([d for d in result.verdict()["details"] if DETOUR in d], [])
        # And another is made in its place.
        self.ready()
        shape = self.shape()
        self.assertEqual({k: shape[k] for k in ("shape", "kernel", "topology", "memory_mib", "accel", "template", "idle", "building",
                                                "want", "hits", "misses", "failures")},
                         {"shape": SHAPE, "kernel": KERNEL, "topology": "1n1l2c1t", "memory_mib": 256, "accel": "tcg",
                          "template": "ready", "idle": 2, "building": 0, "want": 2, "hits": 1, "misses": 1, "failures": 0})
        self.assertNotIn("reason", shape)
        self.assertNotIn("retry_ms", shape)
        self.assertEqual(shape["key"], self.template().name)
        self.assertTrue(before <= shape["template_built_us"] / 1e6 <= time.time(), shape)
        self.assertTrue(0 <= shape["template_build_ms"] < 60000, shape)
        self.assertTrue(1.9 < shape["demand"] <= 2, shape)
        self.assertLess(shape["oldest_idle_ms"], 60000)
        self.assertLess(shape["unused_ms"], 60000)

    def test_the_numbers_agree(self):
        self.served("cold")
        self.ready()
        self.served("pool")
        self.ready()
        kt.wait_until(lambda: self.shape()["memory_bytes"] > 0, "the guests' memory to be known")
        listed, status, m = self.list(), self.status(), self.metrics()
        self.assertEqual((listed["idle_max"], listed["held"]), (16, False))
        self.assertGreater(listed["memory_max_bytes"], 64 << 20)
        self.assertEqual((status["guests_idle"], status["guests_building"]), (2, 0))
        self.assertNotIn("pool_failure", status)
        self.assertNotIn("pool_held", status)
        self.assertEqual((m["ktstrd_pool_guests"].value(state="idle"), m["ktstrd_pool_guests"].value(state="building")), (2, 0))
        self.assertEqual((m["ktstrd_pool_hits"].value("_total"), m["ktstrd_pool_misses"].value("_total")), (1, 1))
        self.assertEqual((self.builds("built"), self.builds("failed")), (1, 0))
        self.assertEqual([m["ktstrd_handout_seconds"].value("_count", source=s) for s in ("cold", "clone", "pool")], [1, 0, 1])
        # Two at first, and one for the one that was taken.
        self.assertEqual([m["ktstrd_boot_seconds"].value("_count", source=s) for s in ("cold", "clone")], [1, 3])
        self.assertGreater(listed["memory_bytes"], 0)
        self.assertEqual(self.list()["memory_bytes"], self.status()["guests_idle_bytes"])
        self.assertEqual(self.metrics()["ktstrd_pool_memory_bytes"].value(), self.status()["guests_idle_bytes"])

    def test_each_shape_has_its_own(self):
        for topology in ("1n1l2c1t", "1n1l1c1t", "2n2l1c1t"):
            self.served("cold", "--topology", topology)
        self.served("cold", "--memory", "300M")
        kt.wait_until(lambda: [s["idle"] for s in self.shapes()] == [2] * 4, "two guests of each")
        self.assertEqual({s["shape"].removeprefix(KERNEL) for s in self.shapes()},
                         {"/1n1l2c1t/256M/tcg", "/1n1l1c1t/256M/tcg", "/2n2l1c1t/256M/tcg", "/1n1l2c1t/300M/tcg"})
        for topology in ("1n1l2c1t", "1n1l1c1t", "2n2l1c1t"):
            self.served("pool", "--topology", topology)
        self.assertEqual(len(list(self.daemon.template_dir.iterdir())), 4)

    def test_the_most_used_is_listed_first(self):
        for topology in ("1n1l1c1t", "1n1l2c1t", "1n1l2c1t", "1n1l2c1t"):
            self.assertEqual(self.submit("--topology", topology).status, 0)
        self.assertEqual([s["topology"] for s in self.shapes()], ["1n1l2c1t", "1n1l1c1t"])

    def test_the_clock_and_the_seed_come_with_the_job(self):
        self.served("cold")
        self.ready()
        self.served("pool")
        jobs = [json.loads(line.removeprefix("job ")) for line in self.daemon.handed.read_text().splitlines() if line.startswith("job ")]
        self.assertEqual(len(jobs), 2)
        self.assertEqual(len({j["seed"] for j in jobs}), 2)
        self.assertLess(abs(jobs[1]["wall_ns"] / 1e9 - time.time()), 60)


class Switches(Base):
    """What can be turned off."""

    def test_without_idle_guests_jobs_are_clones(self):
        for options in (("--pool-idle", "0"), ("--pool-max", "0")):
            with self.subTest(options=options):
                self.restart(*options)
                self.served("cold" if "--pool-idle" in options else "clone")
                self.ready(0)
                verdict = self.served("clone")
                self.assertEqual([d for d in verdict["details"] if DETOUR in d], [])
                self.assertEqual({k: self.shape()[k] for k in ("want", "hits", "misses")}, {"want": 0, "hits": 0, "misses": 2})
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply["error"], POOL + "NoPool")
        self.assertIn("Maximum=", reply["parameters"]["message"])

    def test_without_templates_each_job_boots(self):
        self.restart("--no-templates")
        self.served("cold")
        self.served("cold")
        self.assertEqual(self.shapes(), [])
        self.assertEqual(list(self.daemon.template_dir.iterdir()), [])
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply["error"], POOL + "NoPool")
        self.assertIn("Templates=", reply["parameters"]["message"])
        self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 0})

    def test_a_shape_that_nobody_uses_is_let_go(self):
        # Once used it is let go after 4.3 times this.
        self.restart(conf="[Pool]\nKeepSec=300ms\n")
        self.served("cold")
        kt.wait_until(lambda: self.builds() == 1, "the template")
        self.empty()
        # Its template stays: a job is a clone.
        self.served("clone")

    def test_memory_bounds_the_pool(self):
        # An idle guest is taken to need 64 MiB until one was measured.
        self.restart("--pool-idle", "5", conf="[Pool]\nMemoryMax=70M\n")
        self.served("cold")
        kt.wait_until(lambda: self.shape()["memory_bytes"] > 0, "the first guest to be measured")
        self.assertEqual(self.list()["memory_max_bytes"], 70 << 20)
        # A fake needs next to nothing.
        self.ready(5)


class Prime(Base):
    """To ask for guests before there is a job: an answer comes, whatever becomes of them."""

    def test_it_answers_when_they_are_ready(self):
        reply = self.daemon.call(POOL + "Prime", idle=3)
        self.assertEqual({k: reply["parameters"][k] for k in ("shape", "idle")}, {"shape": SHAPE, "idle": 3}, reply)
        self.assertGreaterEqual(reply["parameters"]["took_ms"], 0)
        self.assertEqual({k: self.shape()[k] for k in ("idle", "want", "hits", "misses", "template")},
                         {"idle": 3, "want": 3, "hits": 0, "misses": 0, "template": "ready"})
        self.assertNotIn("unused_ms", self.shape())
        self.served("pool")
        self.ready(3)
        # There they are already.
        reply = self.daemon.call(POOL + "Prime", idle=3)
        self.assertLess(reply["parameters"]["took_ms"], 5000)
        self.assertEqual(self.builds(), 1)

    def test_it_takes_what_a_job_takes(self):
        reply = self.daemon.call(POOL + "Prime", kernel="6.18", topology="1,1,1,2", memory_mib=300, accel="tcg", idle=1)
        self.assertEqual(reply["parameters"]["shape"], f"{KERNEL}/1n1l1c2t/300M/tcg", reply)

    def test_what_cannot_be_is_refused(self):
        for parameters, error, words in (
                ({"idle": 0}, "org.varlink.service.InvalidParameter", "from 1 to 16"),
                ({"idle": 17}, "org.varlink.service.InvalidParameter", "Maximum="),
                ({"topology": "1n1l"}, JOB + "BadTopology", "1n1l"),
                ({"memory_mib": 2 << 20}, JOB + "NeverFits", "MiB"),
                ({"kernel": "6.99"}, "io.ktstrd.Kernel.NoSuchKernel", "6.99"),
                ({"accel": "kvm"}, JOB + "AcceleratorUnusable", "kvm"),
                ({"topolgy": "1n1l1c1t"}, "org.varlink.service.InvalidParameter", "topolgy")):
            with self.subTest(parameters=parameters):
                reply = self.daemon.call(POOL + "Prime", **parameters)
                self.assertEqual(reply.get("error"), error, reply)
                self.assertIn(words, str(reply["parameters"]))
        self.assertEqual(self.shapes(), [])

    def test_it_waits_for_the_accelerators_to_be_known(self):
        self.restart()
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply.get("parameters", {}).get("shape"), SHAPE, reply)

    def test_a_template_that_fails_is_the_answer(self):
        failed = 0
        for script, words in (("fail_save", "could not save the guest's state"), ("refuse_save", "not today"), ("die_saving", "code 5"),
                              ("refuse_args", "smbus=off"), ("die_before_hello", "the tape ran out"), ("panic", "Kernel panic"),
                              ("die_waking", "code 7"), ("refuse_stop", "not today"), ("die_paused", "code 4"),
                              ("bad_hello", "HELLO"), ("broken_qmp", "QMP")):
            with self.subTest(script=script):
                self.daemon.play(f"template={script}")
                # Asked for by a person, it is tried at once, whatever failed before.
                reply = self.daemon.call(POOL + "Prime")
                self.assertIn("error", reply)
                self.assertIn(words, reply["parameters"]["message"])
                shape = self.shape()
                self.assertEqual((shape["template"], shape["failures"], shape["idle"]), ("failed", 1, 0))
                self.assertEqual(shape["reason"], reply["parameters"]["message"])
                self.assertTrue(0 < shape["retry_ms"] <= 1000, shape)
                self.assertEqual(self.status()["pool_failure"], shape["reason"])
                failed += 1
                self.assertEqual(self.builds("failed"), failed)
                # Jobs are served meanwhile.
                self.served("cold")
                self.assertEqual(self.drafts(), [])
                self.daemon.call(POOL + "Drop")
                self.empty()
        self.daemon.play("ok")
        self.assertNotIn("error", self.daemon.call(POOL + "Prime"))
        self.assertNotIn("pool_failure", self.status())

    def test_clones_that_fail_are_the_answer(self):
        for script, words in (("refuse_restore", "not today"), ("fail_restore", "could not restore the clone's state"),
                              ("die_restoring", "code 5"), ("die_waking", "code 7"), ("refuse_stop", "not today"),
                              ("early_hello", "a HELLO that nobody asked for"), ("refuse_cont", "not today")):
            with self.subTest(script=script):
                self.daemon.play(f"pool={script}")
                reply = self.daemon.call(POOL + "Prime")
                self.assertIn("error", reply)
                self.assertIn(words, reply["parameters"]["message"])
                self.assertEqual(self.shape()["reason"], reply["parameters"]["message"])
                self.daemon.call(POOL + "Drop")
                self.empty()

    def test_what_failed_is_tried_again(self):
        self.daemon.play("template=fail_save")
        self.served("cold")
        self.wait_for(template="failed", failures=1)
        self.daemon.play("ok")
        # A second later, by itself.
        self.ready()
        self.assertEqual(self.shape()["failures"], 0)
        self.assertIn(f"the template, of {SHAPE}, failed: ", self.daemon.log())
        self.served("pool")

    def test_who_asked_may_go(self):
        self.daemon.play("template=fail_save")
        self.daemon.call(POOL + "Prime")
        self.daemon.call(POOL + "Drop")
        self.empty()
        descriptors = self.daemon.descriptors()
        self.daemon.play("template=never_hello")
        wire = self.daemon.connect()
        wire.send(POOL + "Prime", {})
        self.wait_for(template="building")
        wire.socket.close()
        kt.wait_until(lambda: self.status()["connections"] == 1, "the client to be gone")
        # It was asked for all the same.
        self.assertEqual(self.shape()["template"], "building")
        self.daemon.call(POOL + "Drop")
        self.empty()
        kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")

    def test_a_template_yields_to_all_else_unless_it_is_waited_for(self):
        nice = lambda: [os.getpriority(os.PRIO_PROCESS, pid) for pid in self.daemon.children()]
        self.daemon.play("template=never_hello,job=ok")
        self.assertEqual(self.submit().status, 0)
        self.wait_for(template="building")
        kt.wait_until(lambda: nice() == [BACKGROUND_NICE], "the template's guest to be nice")
        self.daemon.call(POOL + "Drop")
        self.empty()
        with self.daemon.connect() as wire:
            wire.send(POOL + "Prime", {})
            self.wait_for(template="building")
            kt.wait_until(lambda: [pathlib.Path(f"/proc/{p}/comm").read_text() for p in self.daemon.children()] == ["fake-qemu\n"],
                          "its guest to have begun")
            self.assertEqual(nice(), [os.getpriority(os.PRIO_PROCESS, self.daemon.process.pid)])
            self.daemon.call(POOL + "Drop")

    def test_who_asked_and_went_before_it_began_leaves_nothing(self):
        for _ in range(20):
            wire = self.daemon.connect()
            wire.send(POOL + "Prime", {})
            wire.socket.close()
        kt.wait_until(lambda: self.status()["connections"] == 1, "the clients to be gone")
        self.assertEqual(self.submit().status, 0)

    def test_what_is_asked_next_on_the_same_connection_is_done(self):
        """It is read as soon as the answer is there, in the middle of what the pool is doing."""
        for script in ("template=fail_save", "pool=fail_restore", "ok"):
            with self.subTest(script=script):
                self.daemon.play(script)
                with self.daemon.connect() as wire:
                    messages = [{"method": POOL + "Prime"}, {"method": POOL + "Drop"}, {"method": POOL + "List"}]
                    wire.send_raw(b"".join(json.dumps(m).encode() + b"\0" for m in messages))
                    self.assertEqual("error" in wire.receive(), script != "ok")
                    self.assertEqual(wire.receive()["parameters"], {"dropped": 1})
                    self.assertEqual(wire.receive()["parameters"]["held"], False)
                self.empty()

    def test_it_waits_as_long_as_it_takes(self):
        """And is not forgotten for that."""
        self.restart(conf="[Pool]\nKeepSec=1ms\n")
        self.assertNotIn("error", self.daemon.call(POOL + "Prime"))

    def test_more_than_there_is_room_for_is_an_answer(self):
        self.restart(conf="[Pool]\nMaximum=3\n")
        self.assertNotIn("error", self.daemon.call(POOL + "Prime", topology="1n1l1c1t"))
        # The first guest of each comes before the second of any.
        reply = self.daemon.call(POOL + "Prime", idle=3)
        self.assertEqual(reply.get("error"), DAEMON + "Busy", reply)
        self.assertRegex(reply["parameters"]["message"], rf"^of {SHAPE} no more than [12] can be ready now: .*Maximum= and MemoryMax=")
        self.daemon.call(POOL + "Drop", shape="1n1l1c1t")
        self.assertNotIn("error", self.daemon.call(POOL + "Prime", idle=3))

    def test_no_room_at_all_is_an_answer(self):
        self.restart(conf="[Pool]\nMemoryMax=1M\n")
        reply = self.daemon.call(POOL + "Prime")
        self.assertEqual(reply.get("error"), DAEMON + "Busy", reply)
        self.assertIn("no more than 0 can be ready now", reply["parameters"]["message"])

    def test_many_ask_at_once(self):
        wires = [self.daemon.connect() for _ in range(8)]
        for n, wire in enumerate(wires):
            self.addCleanup(wire.socket.close)
            wire.send(POOL + "Prime", {"idle": 1 + n % 4})
        for wire in wires:
            self.assertEqual(wire.receive()["parameters"]["shape"], SHAPE)
        self.assertEqual(self.builds(), 1)

    def test_to_drop_what_is_waited_for_is_an_answer(self):
        for script, what in (("template=never_hello", "template"), ("pool=never_restored", "clones"), ("pool=never_parked", "clones")):
            with self.subTest(script=script):
                self.daemon.play(script)
                with self.daemon.connect() as wire:
                    wire.send(POOL + "Prime", {})
                    self.making(what)
                    self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 1})
                    reply = wire.receive()
                    self.assertEqual(reply.get("error"), POOL + "Dropped", reply)
                    self.assertIn(SHAPE, reply["parameters"]["message"])
                self.empty()

    def test_a_daemon_that_stops_answers(self):
        for how in ("drain", "SIGTERM"):
            with self.subTest(how=how):
                self.daemon.play("template=never_hello")
                with self.daemon.connect() as wire:
                    wire.send(POOL + "Prime", {})
                    self.wait_for(template="building")
                    if how == "drain":
                        self.assertEqual(self.daemon.ctl("drain").status, 0)
                        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
                    else:
                        self.daemon.stop()
                    self.assertEqual(wire.receive()["error"], DAEMON + "ShuttingDown")
                self.daemon.start()

    def test_a_daemon_that_drains_primes_nothing(self):
        self.daemon.play("job=wait_for_cancel")
        wire, _ = self.start("guest", "running")
        self.assertEqual(self.daemon.ctl("drain").status, 0)
        self.assertEqual(self.daemon.call(POOL + "Prime")["error"], DAEMON + "ShuttingDown")
        # To look and to drop is still possible.
        self.assertEqual(len(self.shapes()), 1)
        self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 1})
        wire.socket.close()
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.daemon.start()


class Drop(Base):
    """To do without them again."""

    def test_one_and_all(self):
        for topology in ("1n1l1c1t", "1n1l2c1t", "1n1l1c2t"):
            self.daemon.call(POOL + "Prime", topology=topology)
        for name, left in (("1n1l1c1t", {"1n1l2c1t", "1n1l1c2t"}), (SHAPE, {"1n1l1c2t"}), (KERNEL, set())):
            with self.subTest(name=name):
                self.assertEqual(self.daemon.call(POOL + "Drop", shape=name)["parameters"], {"dropped": 1})
                kt.wait_until(lambda: {s["topology"] for s in self.shapes()} == left, "it to be gone")
                self.assertEqual([s["idle"] for s in self.shapes()], [2] * len(left))
        self.empty()
        # With their templates they are soon back.
        for topology in ("1n1l1c1t", "1n1l2c1t"):
            self.daemon.call(POOL + "Prime", topology=topology)
        self.assertEqual(self.builds(), 3)
        self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 2})
        self.empty()
        self.assertEqual(self.daemon.call(POOL + "Drop")["parameters"], {"dropped": 0})

    def test_templates_stay_unless_they_are_to_go(self):
        self.prime()
        self.daemon.call(POOL + "Drop", shape=SHAPE)
        self.empty()
        self.assertTrue(self.template().is_dir())
        self.served("clone")
        self.ready()
        self.daemon.call(POOL + "Drop", shape=SHAPE, templates=True)
        self.empty()
        kt.wait_until(lambda: list(self.daemon.template_dir.iterdir()) == [], "the template to be removed")
        self.served("cold")
        self.ready()
        self.assertEqual(self.builds(), 2)

    def test_an_unknown_shape_is_named(self):
        self.prime()
        for name in ("nosuch", "1n1l8c1t", SHAPE + "x", ""):
            with self.subTest(name=name):
                reply = self.daemon.call(POOL + "Drop", shape=name)
                self.assertEqual(reply["error"], POOL + "NoSuchShape")
                self.assertIn(f"no shape '{name}'", reply["parameters"]["message"])
                self.assertIn("ktstrctl pool", reply["parameters"]["message"])
        self.assertEqual(self.shape()["idle"], 2)

    def test_what_is_being_made_stops(self):
        for script, what in (("template=never_hello", "template"), ("template=never_parked", "template"),
                             ("pool=never_restored", "clones"), ("pool=never_parked", "clones")):
            with self.subTest(script=script):
                self.daemon.play(script)
                self.assertEqual(self.submit().status, 0)
                self.making(what)
                self.daemon.call(POOL + "Drop")
                self.empty()
                self.assertEqual(self.drafts(), [])

    def test_a_job_that_runs_is_not_disturbed(self):
        self.prime("pool=wait_for_cancel")
        wire, job = self.start("guest", "running")
        self.assertEqual(self.daemon.call(POOL + "Drop", templates=True)["parameters"], {"dropped": 1})
        self.assertEqual(self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]["state"], "running")
        self.daemon.call(JOB + "Cancel", job=job)
        self.assertEqual(self.ended(job)["verdict"], "cancelled")
        wire.socket.close()


class Failures(Base):
    """No guest of the pool, and no clone, is a reason for a job to fail."""

    def test_a_job_gets_another_guest(self):
        pool = f"a guest of the pool {DETOUR}: "
        clone = f"a clone {DETOUR}: "
        dies = "die_at_hand_out"
        for script, source, details in (
                (f"pool={dies}", "clone", [(pool, "code 8")]),
                (f"pool={dies},clone={dies}", "cold", [(pool, "code 8"), (clone, "code 8")]),
                (f"pool={dies},clone=refuse_restore", "cold", [(pool, "code 8"), (clone, "not today")]),
                (f"pool={dies},clone=fail_restore", "cold", [(pool, "code 8"), (clone, "could not restore the clone's state")]),
                (f"pool={dies},clone=die_restoring", "cold", [(pool, "code 8"), (clone, "code 5")]),
                (f"pool={dies},clone=refuse_args", "cold", [(pool, "code 8"), (clone, "smbus=off")]),
                (f"pool={dies},clone=refuse_cont", "cold", [(pool, "code 8"), (clone, "not today")]),
                (f"pool={dies},clone=die_paused", "cold", [(pool, "code 8"), (clone, "code 4")])):
            with self.subTest(script=script):
                self.prime(script)
                result = self.submit("--sched", "/bin/ls")
                verdict = result.verdict()
                self.assertEqual((result.status, verdict["verdict"], verdict["guest"]["source"]), (0, "pass", source), result)
                detours = [d for d in verdict["details"] if DETOUR in d]
                self.assertEqual(len(detours), len(details), detours)
                for detour, (begin, words) in zip(detours, details):
                    self.assertTrue(detour.startswith(begin) and words in detour, detour)
                # Each way is told when it is gone.
                said = [e["guest"]["source"] for e in result.events() if e.get("state") == "booting"]
                self.assertEqual(said, ["pool", "clone", "cold"][:len(details) + 1])
                self.assertNotIn("error", verdict)
        # What was handed to those that died was not run.
        self.assertEqual(len(self.daemon.jobs()), 8)

    def test_when_nothing_boots_the_verdict_tells_all(self):
        self.prime("pool=die_at_hand_out,clone=fail_restore,job=die_before_hello")
        result = self.submit()
        verdict = result.verdict()
        self.assertEqual((result.status, verdict["error"], verdict["guest"]["source"]), (3, JOB + "GuestBoot", "cold"), result)
        self.assertIn("the tape ran out", verdict["reason"])
        self.assertEqual([d.split(" failed")[0] for d in verdict["details"] if DETOUR in d], ["a guest of the pool", "a clone"])

    def test_a_guest_that_had_the_job_is_not_replaced(self):
        for script, error in (("panic_running", "GuestDied"), ("kvm_error", "GuestDied")):
            with self.subTest(script=script):
                self.prime(f"pool={script}")
                before = self.daemon.handed.read_text().count("\njob ")
                result = self.submit()
                self.assertEqual((result.status, result.verdict()["error"]), (3, JOB + error), result)
                self.assertEqual(self.daemon.handed.read_text().count("\njob "), before + 1)
                self.assertEqual([d for d in result.verdict()["details"] if DETOUR in d], [])

    def test_a_job_whose_time_is_over_gets_no_other(self):
        self.prime("pool=never_wakes")
        result = self.submit("--timeout", "2s")
        self.assertEqual((result.status, result.verdict()["error"]), (3, JOB + "Timeout"), result)
        self.assertEqual(result.verdict()["guest"]["source"], "pool")

    def test_guests_that_die_while_they_wait_are_replaced(self):
        self.prime()
        waiting = self.daemon.children()
        self.assertEqual(len(waiting), 2)
        # As the kernel does when memory is out.
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)
        self.wait_for(idle=0)
        self.assertGreater(self.shape()["failures"], 0)
        self.assertIn("while it waited for a job", self.shape()["reason"])
        # A job need not wait until there are new ones.
        self.served("clone")
        self.ready()
        self.assertEqual(self.shape()["failures"], 0)
        self.served("pool")
        m = self.metrics()
        self.assertEqual(m["ktstrd_guests_failed"].value("_total", end="died"), 2)

    def test_a_guest_that_talks_while_it_waits_is_not_handed_out(self):
        """It is thrown away when that is noticed: before a job comes for it, just then, or when it has been let run for it."""
        self.daemon.play("pool=talk_parked")
        for _ in range(20):
            self.assertEqual(self.submit().status, 0)
            # Tried again at once, whatever failed before.
            self.daemon.call(POOL + "Prime")
        self.assertIn("it spoke before it was let run", self.daemon.log())
        self.daemon.play("ok")
        self.daemon.call(POOL + "Drop")
        self.daemon.call(POOL + "Prime")
        self.served("pool")

    def test_a_template_whose_clones_do_not_wake_is_built_anew(self):
        self.daemon.play("pool=fail_restore")
        self.served("cold")
        kt.wait_until(lambda: "its clones do not wake" in self.daemon.log(), "the template to be thrown away")
        kt.wait_until(lambda: self.builds() >= 2, "it to be built anew")
        self.daemon.play("ok")
        self.ready()
        self.served("pool")

    def test_a_kernel_without_dev_mem_has_a_pool_too(self):
        self.daemon.play("no_mailbox")
        self.served("cold")
        self.ready()
        verdict = self.served("pool", "--sched", "/bin/ls")
        self.assertIn("cannot read its mailbox", verdict["details"][0])
        self.assertIn("\nwake\n", self.daemon.handed.read_text())

    def test_what_a_rehearsal_says_is_nobodys(self):
        self.prime("chatty_park")
        result = self.submit()
        self.assertEqual(result.status, 0, result)
        self.assertNotIn("la la", result.out)

    def test_what_the_mailbox_does_not_hold_follows(self):
        self.prime()
        large = self.daemon.dir / "large"
        with open(large, "wb") as f:
            f.truncate(40 << 20)
        result = self.daemon.ctl("shell", "-i", large, "--exec", "true")
        self.assertEqual(result.status, 0, result)
        self.assertIn(f" {40 << 20} ", self.daemon.handed.read_text())
        self.assertEqual(self.shape()["hits"], 1)


class Cancelled(Base):
    """A job may be cancelled, or its client go away, wherever it is."""

    def large_file(self):
        """What takes a moment to be put in."""
        with open(self.daemon.dir / "large", "wb") as f:
            f.truncate(28 << 20)
        return [{"guest_path": "/include-files/large", "path": str(self.daemon.dir / "large")}]

    def woken(self):
        return self.daemon.handed.read_text().count("woken\n")

    def check(self, script, state, renew, parameters=None, method=JOB + "Submit"):
        for by in ("cancel", "leaving"):
            with self.subTest(script=script, state=state, by=by):
                renew(script)
                descriptors, children, woken = self.descriptors, len(self.daemon.children()), self.woken()
                wire = self.daemon.connect()
                wire.send(method, parameters or {}, more=True)
                events = []
                while not events or (events[-1].get("kind"), events[-1].get("state")) != ("guest", state):
                    reply = wire.receive()["parameters"]
                    events += [reply["event"]] if "event" in reply else []
                job = reply["job"]
                if "never_wakes" in script:
                    kt.wait_until(lambda: self.woken() > woken, "the guest to be continued")
                if by == "cancel":
                    self.daemon.call(JOB + "Cancel", job=job)
                    while reply := wire.receive():
                        events += [reply["parameters"]["event"]] if "event" in reply["parameters"] else []
                        if not reply.get("continues"):
                            break
                    self.assertEqual([e["verdict"]["verdict"] for e in events if e["kind"] == "verdict"], ["cancelled"])
                wire.socket.close()
                verdict = self.ended(job)
                self.assertEqual(verdict["verdict"], "cancelled")
                self.assertEqual([d for d in verdict["details"] if DETOUR in d], [])
                # No other guest was tried, the one is gone, and the pool is as it was.
                kt.wait_until(lambda: len(self.daemon.children()) == children, "the guests to be as many as before")
                self.ready(children)
                self.assertEqual(self.shape()["failures"], 0)
                kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")

    def test_with_a_guest_of_the_pool(self):
        self.prime()
        self.served("pool")
        self.ready()
        self.descriptors = self.daemon.descriptors()
        self.check("pool=ok", "booting", self.prime, {"command": "true", "files": self.large_file()}, "io.ktstrd.Shell.Open")
        self.check("pool=never_wakes", "booting", self.prime)
        self.check("pool=hang_after_hello", "running", self.prime)
        self.check("pool=wait_for_cancel", "running", self.prime)

    def test_with_a_clone(self):
        self.restart("--pool-idle", "0")
        self.served("cold")
        self.ready(0)
        self.served("clone")
        kt.wait_until(lambda: not self.daemon.children(), "the guest to go")
        self.descriptors = self.daemon.descriptors()
        self.check("clone=never_qmp", "booting", self.daemon.play)
        self.check("clone=never_restored", "booting", self.daemon.play)
        self.check("clone=ok", "booting", self.daemon.play, {"command": "true", "files": self.large_file()}, "io.ktstrd.Shell.Open")
        self.check("clone=never_wakes", "booting", self.daemon.play)
        self.check("clone=hang_after_hello", "running", self.daemon.play)
        self.check("clone=wait_for_cancel", "running", self.daemon.play)

    def test_between_two_guests(self):
        """The first is gone, the second does not come up."""
        self.prime("pool=die_at_hand_out,clone=never_restored")
        wire = self.daemon.connect()
        wire.send(JOB + "Submit", {}, more=True)
        while True:
            reply = wire.receive()["parameters"]
            if reply["event"].get("guest", {}).get("source") == "clone":
                break
        self.daemon.call(JOB + "Cancel", job=reply["job"])
        verdict = self.ended(reply["job"])
        self.assertEqual(verdict["verdict"], "cancelled")
        self.assertEqual(len([d for d in verdict["details"] if DETOUR in d]), 1)
        wire.socket.close()


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
            self.assertTrue(gone(pid), pid)
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
        self.restart("--private", "--idle-exit", "300")
        self.served("cold")
        self.assertEqual(self.daemon.process.wait(kt.PATIENCE_S), 0)
        self.nothing_left([])
        self.daemon.start()

    def test_after_a_kill_nothing_is_left_and_the_template_is_there(self):
        self.prime()
        built = self.shape()["template_built_us"]
        # A second shape, whose template is being built.
        self.daemon.play("template=never_hello")
        self.served("cold", "--topology", "1n1l1c1t")
        kt.wait_until(lambda: {"building", "ready"} == {s["template"] for s in self.shapes()}, "the second template to be begun")
        kt.wait_until(lambda: len(self.daemon.children()) == 3, "its guest")
        guests = self.daemon.children()
        self.assertEqual(len(self.drafts()), 1)
        self.daemon.kill()
        for pid in guests:
            kt.wait_until(lambda: gone(pid), "QEMU to die with its daemon")
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
        self.assertEqual(len([p for p in self.daemon.template_dir.iterdir() if p.name != ".elsewhere"]), 1)

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
                kt.wait_until(lambda: all(map(gone, guests)), "the guests of the damaged template to go")
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
        self.report()
        self.wait_for(idle=0)
        self.assertEqual(self.daemon.call(JOB + "Show", job=job)["parameters"]["job"]["state"], "running")
        wire.socket.close()


class Kernels(Base):
    def test_a_kernel_with_idle_guests_can_be_removed(self):
        self.prime()
        result = self.daemon.ctl("kernel", "remove", KERNEL)
        self.assertEqual(result.status, 0, result)
        # What was made of it goes with it.
        self.empty()
        kt.wait_until(lambda: list(self.daemon.template_dir.iterdir()) == [], "its template to be removed")
        self.assertEqual(self.submit().verdict()["error"], "io.ktstrd.Kernel.NoSuchKernel")
        import_kernel(self.daemon)
        self.served("cold")
        self.ready()
        self.served("pool")


class Client(Base):
    """ktstrctl pool."""

    def refused(self, *args, words=(), status=64):
        result = self.daemon.ctl("pool", *args)
        self.assertEqual((result.status, result.out), (status, ""), result)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        self.assertTrue(result.err.startswith("ktstrctl: "), result)
        for word in words:
            self.assertIn(word, result.err)

    def test_what_is_typed_wrong(self):
        self.refused("lst", words=["there is no 'pool lst'", "list, prime or drop"])
        self.refused("list", SHAPE, words=["unexpected argument", SHAPE])
        self.refused("prime", "1n1l1c1t", "1n1l2c1t", words=["unexpected argument '1n1l2c1t'"])
        self.refused("drop", "1n1l1c1t", "1n1l2c1t", words=["unexpected argument '1n1l2c1t'"])
        for number in ("0", "-1", "two", "1.5", ""):
            self.refused("prime", "--idle", number, words=[f"--idle: '{number}'"])
        self.refused("prime", "--memory", "much", words=["--memory", "'much'"])
        self.refused("prime", "--templates", words=["prime takes no --templates"])
        self.refused("--templates", words=["list takes no --templates"])
        self.refused("--idle", "2", words=["list takes no --idle"])
        for option, value in (("--idle", "2"), ("--kernel", "6.18"), ("--memory", "300M"), ("--accel", "tcg")):
            self.refused("drop", option, value, words=[f"drop takes no {option}"])
        self.refused("prime", "--idel", "2", words=["unknown option --idel", "ktstrctl pool --help"])
        self.assertEqual(self.shapes(), [])

    def test_what_the_daemon_refuses(self):
        self.refused("prime", "nonsense", words=["nonsense", "topology"])
        self.refused("prime", "a/b", words=["'a/b' is neither a topology nor KERNEL/TOPOLOGY/MEMORY/ACCEL"])
        self.refused("prime", "1n1l1c1t", "--topology", "1n1l2c1t", words=["leave out --topology"])
        self.refused("prime", SHAPE, "--memory", "1G", words=["leave out --memory"])
        self.refused("prime", "--idle", "17", words=["from 1 to 16 guests", "Maximum="])
        self.refused("prime", "--kernel", "6.99", words=["no cached kernel matches '6.99'"])
        self.refused("prime", "--accel", "kvm", words=["kvm"])
        self.refused("prime", "--accel", "warp", words=["warp"])
        self.refused("drop", "nosuch", words=["no shape 'nosuch'", "ktstrctl pool"])
        self.daemon.play("template=fail_save")
        self.refused("prime", words=["could not save the guest's state"], status=3)

    def test_the_list_for_people(self):
        result = self.daemon.ctl("pool")
        self.assertEqual((result.status, result.out), (0, ""), result)
        self.assertIn("nothing is in demand", result.err)
        self.prime()
        self.served("pool")
        self.ready()
        for args in (("pool",), ("pool", "list")):
            result = self.daemon.ctl(*args)
            self.assertEqual((result.status, result.err), (0, ""), result)
            head, line = result.out.splitlines()
            self.assertEqual(head.split(),
                             ["SHAPE", "TEMPLATE", "IDLE", "WANT", "BUILDING", "HITS", "MISSES", "OLDEST", "UNUSED", "MEMORY"])
            self.assertRegex(line, rf"^{SHAPE} +ready +2 +2 +0 +1 +0 +\d+ s +\d+ s +\d+\.\d MB$")
        self.daemon.play("template=fail_save")
        self.daemon.ctl("submit", "--topology", "1n1l1c1t", "--duration", "1s")
        kt.wait_until(lambda: any(s["failures"] for s in self.shapes()), "the failure")
        self.assertRegex(self.daemon.ctl("pool").out, r"(?m)^  failed, .*: QEMU could not save the guest's state$")
        self.assertIn("not as it should be: ", self.daemon.ctl("status").out)

    def test_prime_and_drop_for_people(self):
        result = self.daemon.ctl("pool", "prime", "1n1l1c1t", "--idle", "3")
        self.assertEqual((result.status, result.err), (0, ""), result)
        self.assertRegex(result.out, rf"^{KERNEL}/1n1l1c1t/256M/tcg: 3 ready after \d+\.\d s\n$")
        # As `list` has it.
        result = self.daemon.ctl("pool", "prime", f"{KERNEL}/1n1l1c2t/300M/tcg")
        self.assertTrue(result.out.startswith(f"{KERNEL}/1n1l1c2t/300M/tcg: 2 ready"), result)
        result = self.daemon.ctl("pool", "prime", "--memory", "1G", "--kernel", "6.18", "--accel", "tcg")
        self.assertTrue(result.out.startswith(f"{KERNEL}/1n1l2c1t/1024M/tcg: 2 ready"), result)
        result = self.daemon.ctl("pool", "prime", env={"KTSTR_KERNEL": "6.99"})
        self.assertIn("'6.99'", result.err)
        result = self.daemon.ctl("pool", "drop", "1n1l1c1t")
        self.assertEqual((result.status, result.out), (0, "dropped: 1\n"), result)
        # It is one of them until the last of its guests has ended.
        kt.wait_until(lambda: len(self.shapes()) == 2, "the one that was dropped to be gone")
        result = self.daemon.ctl("pool", "drop", "--templates")
        self.assertEqual((result.status, result.out), (0, "dropped: 2\n"), result)
        self.empty()

    def test_json(self):
        primed = json.loads(self.daemon.ctl("pool", "prime", "--json").out)
        self.assertEqual((primed["shape"], primed["idle"]), (SHAPE, 2))
        listed = json.loads(self.daemon.ctl("pool", "--json").out)
        self.assertEqual([s["shape"] for s in listed["shapes"]], [SHAPE])
        self.assertEqual(json.loads(self.daemon.ctl("pool", "drop", "--json").out), {"dropped": 1})
        self.empty()
        self.assertEqual(json.loads(self.daemon.ctl("pool", "--json").out)["shapes"], [])


class Waking(unittest.TestCase):
    """The last, since it is begun first: see setUpModule()."""

    def check(self, source, way, other):
        daemon, client = patient[source]
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        verdict = kt.Result(client.args, client.returncode, out, err).verdict()
        self.assertEqual((client.returncode, verdict["verdict"], verdict["guest"]["source"]), (0, "pass", other), out)
        self.assertEqual([d for d in verdict["details"] if DETOUR in d],
                         [f"{way} {DETOUR}: the guest did not wake after 21 s; its console is empty"])
        self.assertGreaterEqual(verdict["elapsed_ms"], 21000)
        m = openmetrics.read(daemon.call(DAEMON + "Metrics")["parameters"]["text"])
        self.assertEqual(m["ktstrd_guests_failed"].value("_total", end="boot"), 1)

    def test_a_guest_of_the_pool_that_never_wakes(self):
        self.check("pool", "a guest of the pool", "clone")

    def test_a_clone_that_never_wakes(self):
        self.check("clone", "a clone", "cold")


if __name__ == "__main__":
    kt.main()
