# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wire as clients of other makes see it: python3-varlink, varlinkctl, nc, and peers that do it wrong."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import unittest

import ktstr_test as kt

SERVICE = "org.varlink.service"


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.Daemon(fake="ok")
        cls.enterClassContext(cls.daemon)

    def error(self, reply, name):
        self.assertEqual(reply.get("error"), name, reply)
        return reply["parameters"]

    # --- as it should be ---

    def test_python_varlink_introspects_and_calls(self):
        sys.path.insert(0, os.environ["KTSTR_TEST_TOOLS"] + "/python")
        import varlink
        with varlink.Client.new_with_address(f"unix:{self.daemon.socket}") as client:
            info = client.get_interface(SERVICE)
            with client.open(SERVICE) as service:
                names = service.GetInfo()["interfaces"]
            self.assertEqual(sorted(names), ["io.ktstrd.Daemon", "io.ktstrd.Job", "io.ktstrd.Kernel", "io.ktstrd.Pool", "io.ktstrd.Shell", SERVICE])
            self.assertTrue(info)
            with client.open("io.ktstrd.Daemon") as daemon:
                self.assertEqual(daemon.Ping(), {})
                self.assertEqual(daemon.Status()["pid"], self.daemon.process.pid)
            with client.open("io.ktstrd.Job") as job:
                with self.assertRaises(varlink.VarlinkError) as caught:
                    job.Show("nosuchjob")
                self.assertEqual(caught.exception.error(), "io.ktstrd.Job.NoSuchJob")
                with self.assertRaises(Exception):
                    list(job.Attach("nosuchjob", _more=True))

    @unittest.skipUnless(shutil.which("varlinkctl"), "this systemd has no varlinkctl (it came with 255)")
    def test_varlinkctl_introspects_and_calls(self):
        def varlinkctl(*args):
            return subprocess.run(["varlinkctl", *args], capture_output=True, text=True, timeout=kt.PATIENCE_S, check=True).stdout
        address = str(self.daemon.socket)
        self.assertIn("io.ktstrd.Job", varlinkctl("info", address))
        for interface in (SERVICE, "io.ktstrd.Daemon", "io.ktstrd.Job", "io.ktstrd.Kernel", "io.ktstrd.Pool", "io.ktstrd.Shell"):
            self.assertIn("method", varlinkctl("introspect", address, interface))
        self.assertIn('"pid"', varlinkctl("call", address, "io.ktstrd.Daemon.Status", "{}"))

    def test_a_newline_is_answered_with_a_newline(self):
        with self.daemon.connect() as wire:
            wire.send_raw(b'{"method": "io.ktstrd.Daemon.Ping"}\n')
            self.assertEqual(json.loads(wire.receive_raw(b"\n")), {"parameters": {}})

    def test_messages_may_be_cut_and_joined(self):
        one = json.dumps({"method": "io.ktstrd.Daemon.Ping"}).encode() + b"\0"
        with self.daemon.connect() as wire:
            for byte in one:
                wire.send_raw(bytes([byte]))
            self.assertEqual(wire.receive(), {"parameters": {}})
            wire.send_raw(one * 50)
            for _ in range(50):
                self.assertEqual(wire.receive(), {"parameters": {}})

    def test_oneway_has_no_answer(self):
        with self.daemon.connect() as wire:
            wire.send("io.ktstrd.Daemon.Status", oneway=True)
            wire.send("io.ktstrd.Daemon.Ping")
            self.assertEqual(wire.receive(), {"parameters": {}})

    def test_a_half_closed_client_is_answered(self):
        with self.daemon.connect() as wire:
            wire.send("io.ktstrd.Daemon.Ping")
            wire.socket.shutdown(1)
            self.assertEqual(wire.receive(), {"parameters": {}})
            self.assertIsNone(wire.receive())

    def test_the_interfaces_are_served_as_they_are_in_the_tree(self):
        for path in sorted((kt.SOURCE / "proto").glob("*.varlink")):
            reply = self.daemon.call(f"{SERVICE}.GetInterfaceDescription", interface=path.stem)
            self.assertEqual(reply["parameters"]["description"], path.read_text())

    # --- as it should not be ---

    def test_unknown_names_are_told(self):
        self.assertEqual(self.error(self.daemon.call("io.ktstrd.Nothing.At"), f"{SERVICE}.InterfaceNotFound"),
                         {"interface": "io.ktstrd.Nothing"})
        self.assertEqual(self.error(self.daemon.call("io.ktstrd.Job.Nothing"), f"{SERVICE}.MethodNotFound"),
                         {"method": "Nothing"})

    def test_wrong_parameters_are_named(self):
        for parameters, field in (({"topology": 4}, "topology"), ({"nothing": 1}, "nothing"), ({"duration_ms": 1.5}, "duration_ms"),
                                  ({"scheduler": {"name": "x", "args": [1]}}, "scheduler.args"), ({"duration_ms": -1}, "duration_ms"),
                                  ({"workers": 10 ** 9}, "workers"), ({"scheduler": {}}, "scheduler.name")):
            with self.subTest(parameters=parameters):
                got = self.error(self.daemon.call("io.ktstrd.Job.Submit", **parameters), f"{SERVICE}.InvalidParameter")
                self.assertTrue(got["parameter"].startswith(field), got)

    def test_a_stream_needs_more(self):
        self.error(self.daemon.call("io.ktstrd.Shell.Open", command="true"), f"{SERVICE}.ExpectedMore")

    def test_a_descriptor_that_did_not_come_is_named(self):
        with self.daemon.connect() as wire:
            wire.send("io.ktstrd.Kernel.Import", {"files": [{"name": "x", "file_fd": 3}]})
            reply = wire.receive()
            self.assertIn("file_fd", json.dumps(reply))
            self.assertIn("error", reply)

    def test_garbage_ends_the_connection_and_nothing_else(self):
        for garbage in (b"\0", b"nonsense\0", b'{"method": 4}\0', b'{"method": "a.B", "method": "a.B"}\0', b"[1]\0",
                        b'{"method": "a.B"} trailing\0', b'{"method": "a.B", "x": 1}\0', b'{"method": "nodot"}\0',
                        b'{"method": "a.B", "parameters": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}\0", b"\xff\xfe\0"):
            with self.subTest(garbage=garbage[:60]), self.daemon.connect() as wire:
                wire.send_raw(garbage)
                reply = wire.receive()
                if reply is not None:
                    self.assertIn("error", reply)
                    if "parameters" in reply and reply["error"].startswith("io."):
                        self.assertTrue(reply["parameters"]["message"])
        self.assertEqual(self.daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_a_message_without_end_is_cut_off(self):
        with self.daemon.connect() as wire:
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                while True:
                    wire.send_raw(b"x" * (1 << 20))
        self.assertEqual(self.daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_descriptors_of_refused_calls_are_closed(self):
        self.daemon.call("io.ktstrd.Daemon.Ping")
        before = self.daemon.descriptors()
        null = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, null)
        for _ in range(20):
            with self.daemon.connect() as wire:
                wire.send("io.ktstrd.Job.Submit", {"topology": "bad", "scheduler": {"name": "x", "program_fd": 0}}, fds=[null] * 5)
                self.assertIn("error", wire.receive())
        kt.wait_until(lambda: self.daemon.descriptors() <= before, "the descriptors to be closed")

    def test_a_client_that_does_not_read_is_held_back(self):
        status = json.dumps({"method": "io.ktstrd.Daemon.Status"}).encode() + b"\0"
        with self.daemon.connect() as wire:
            wire.socket.setblocking(False)
            sent = 0
            deadline = time.monotonic() + 20
            with self.assertRaises((BlockingIOError, ConnectionResetError, BrokenPipeError)):
                while time.monotonic() < deadline:
                    sent += wire.socket.send(status * 100)
        self.assertEqual(self.daemon.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_what_one_user_may_hold_here_has_a_limit(self):
        wires, refused = [], None
        try:
            for _ in range(40):
                wire = self.daemon.connect()
                wires.append(wire)
                try:
                    wire.send_raw(b'{"method": "' + b"x" * (15 << 20))
                except (BrokenPipeError, ConnectionResetError):
                    refused = wire.receive()
                    break
        finally:
            for wire in wires:
                wire.socket.close()
        self.assertIsNotNone(refused, "600 MB were taken")
        self.assertEqual(refused["error"], "io.ktstrd.Daemon.Busy")
        kt.wait_until(lambda: self.daemon.call("io.ktstrd.Daemon.Ping") == {"parameters": {}}, "a free place")

    def test_connections_have_a_limit_and_it_is_told(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        wires, refused = [], None
        try:
            for _ in range(3000):
                wire = self.daemon.connect()
                wires.append(wire)
                # One that is turned away may be so before it has asked anything.
                with contextlib.suppress(BrokenPipeError):
                    wire.send("io.ktstrd.Daemon.Ping")
                try:
                    reply = wire.receive()
                except ConnectionResetError:
                    reply = None
                if reply != {"parameters": {}}:
                    refused = reply
                    break
            else:
                self.fail("3000 connections and no limit")
            # The client hears it too, though what it sends comes too late.
            result = self.daemon.ctl("ping")
            self.assertEqual(result.status, 69)
            self.assertIn("connections open already", result.err)
        finally:
            for wire in wires:
                wire.socket.close()
        self.assertEqual(refused["error"], "io.ktstrd.Daemon.Busy")
        self.assertIn("connections open already", refused["parameters"]["message"])
        kt.wait_until(lambda: self.daemon.call("io.ktstrd.Daemon.Ping") == {"parameters": {}}, "a free place")


if __name__ == "__main__":
    kt.main()
