# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that a test plays: what a client asks it for, with the descriptors that it sends, and whatever answers the test wants."""

import fcntl
import json
import os
import socket
import socketserver
import stat
import struct
import tempfile
import termios
import threading


def verdict(word="pass", reason="all is well", **fields):
    return {"verdict": word, "reason": reason, "details": [], "checks": [], "cgroups": [], "workers": [], "elapsed_ms": 1234, **fields}


class PlayedDaemon:
    """
    Listens on self.socket. `answers` has a function for the last part of a method's name ("Submit"), which is called with the parameters and
    yields replies (an object each, as on the wire); a reply of None hangs up. What was asked is in `calls`: (name, parameters, files), where
    files are the names, sizes and modes of the descriptors, which are closed then.
    """

    def __init__(self, **answers):
        self.folder = tempfile.TemporaryDirectory(prefix="ktstr-test-")
        self.socket = os.path.join(self.folder.name, "s")
        self.answers, self.calls, self.lock = answers, [], threading.Lock()
        self.connections = set()
        self.server = socketserver.ThreadingUnixStreamServer(self.socket, self.handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def all_is_read(self):
        """Whether the clients have read all that they were told so far."""
        with self.lock:
            return not any(struct.unpack("i", fcntl.ioctl(c, termios.TIOCOUTQ, bytes(4)))[0] for c in self.connections)

    def asked(self, name):
        with self.lock:
            return [(parameters, files) for n, parameters, files in self.calls if n == name]

    def submitted(self):
        """Parameters by label."""
        return {parameters["label"]: parameters for parameters, _ in self.asked("Submit")}

    def handler(self):
        played = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with played.lock:
                    played.connections.add(self.request)
                try:
                    self.converse()
                finally:
                    with played.lock:
                        played.connections.remove(self.request)

            def converse(self):
                buffer, files = b"", []
                while True:
                    data, fds, _, _ = socket.recv_fds(self.request, 1 << 20, 253)
                    files += [describe(fd) for fd in fds]
                    if not data:
                        return
                    *messages, buffer = (buffer + data).split(b"\0")
                    for message in map(json.loads, messages):
                        if not self.answer(message, files):
                            return
                        files = []

            def answer(self, message, files):
                name = message["method"].rpartition(".")[2]
                parameters = message.get("parameters", {})
                with played.lock:
                    played.calls.append((name, parameters, files))
                if name not in played.answers:
                    replies = [{"error": "org.varlink.service.MethodNotFound", "parameters": {"method": message["method"]}}]
                else:
                    replies = played.answers[name](**parameters)
                for reply in replies:
                    if reply is None:
                        self.request.shutdown(socket.SHUT_RDWR)
                        return False
                    try:
                        self.request.sendall(json.dumps(reply).encode() + b"\0")
                    except (BrokenPipeError, ConnectionResetError):
                        return False
                return True

        return Handler


def describe(fd):
    st = os.fstat(fd)
    name = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return os.path.basename(name), st.st_size, stat.S_IMODE(st.st_mode)


def ended(job, v):
    """The replies of a job that ends with this verdict."""
    yield {"continues": True, "parameters": {"job": job, "event": {"seq": 1, "kind": "queued", "elapsed_ms": 0, "position": 0, "wait_ms": 0}}}
    yield {"parameters": {"job": job, "event": {"seq": 2, "kind": "verdict", "elapsed_ms": v["elapsed_ms"], "verdict": v}}}
