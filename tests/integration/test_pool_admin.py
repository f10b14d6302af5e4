# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people ask of the pool: guests before there is a job, and to do without them again."""

import contextlib
import json
import os
import pathlib

import ktstr_test as kt
from pool_case import DAEMON, JOB, KERNEL, POOL, BACKGROUND_NICE, SHAPE, Base


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
        # There they are already, and none is made for it.
        clones = self.clones()
        reply = self.daemon.call(POOL + "Prime", idle=3)
        self.assertEqual(reply["parameters"]["idle"], 3, reply)
        self.assertEqual((self.builds(), self.clones(), self.shape()["building"]), (1, clones, 0))

    def clones(self):
        """So many have come up."""
        return self.metrics()["ktstrd_boot_seconds"].value("_count", source="clone")

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
        for script, words in (("fail_save", "could not save the guest's state"), ("refuse_save", "not today"), ("die_saving", "code 5"),
                              ("refuse_args", "smbus=off"), ("die_before_hello", "the tape ran out"), ("panic", "Kernel panic"),
                              ("die_waking", "code 7"), ("refuse_stop", "not today"), ("die_paused", "code 4"),
                              ("bad_hello", "HELLO"), ("broken_qmp", "QMP")):
            with self.subTest(script=script):
                self.daemon.play(f"template={script}")
                before = self.builds("failed")
                # Asked for by a person, it is tried at once, whatever failed before.
                reply = self.daemon.call(POOL + "Prime")
                self.assertIn("error", reply)
                self.assertIn(words, reply["parameters"]["message"])
                # Until this is looked at it may have been tried again, a second later and then two.
                shape, failed = self.failed()
                self.assertEqual((shape["failures"], shape["idle"]), (failed - before, 0))
                self.assertEqual(shape["reason"], reply["parameters"]["message"])
                self.assertTrue(0 < shape["retry_ms"] <= 1000 << (shape["failures"] - 1), shape)
                self.assertEqual(self.status()["pool_failure"], shape["reason"])
                # Jobs are served meanwhile.
                self.served("cold")
                self.daemon.call(POOL + "Drop")
                self.empty()
                self.assertEqual(self.drafts(), [])
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
        kt.wait_until(lambda: self.builds("failed") >= 1, "the failure")
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

    def of_children(self, what):
        """What this says of each; None where one of them went meanwhile."""
        with contextlib.suppress(OSError):
            return [what(pid) for pid in self.daemon.children()]
        return None

    def nice(self):
        return self.of_children(lambda pid: os.getpriority(os.PRIO_PROCESS, pid))

    def comms(self):
        return self.of_children(lambda pid: pathlib.Path(f"/proc/{pid}/comm").read_text())

    def test_a_template_yields_to_all_else_unless_it_is_waited_for(self):
        self.daemon.play("template=never_hello,job=ok")
        self.assertEqual(self.submit().status, 0)
        self.wait_for(template="building")
        kt.wait_until(lambda: self.nice() == [BACKGROUND_NICE], "the template's guest to be nice")
        self.daemon.call(POOL + "Drop")
        self.empty()
        with self.daemon.connect() as wire:
            wire.send(POOL + "Prime", {})
            self.wait_for(template="building")
            kt.wait_until(lambda: self.comms() == ["fake-qemu\n"], "its guest to have begun")
            self.assertEqual(self.nice(), [os.getpriority(os.PRIO_PROCESS, self.daemon.process.pid)])
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


if __name__ == "__main__":
    kt.main()
