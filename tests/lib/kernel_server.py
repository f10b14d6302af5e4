# SPDX-License-Identifier: LGPL-2.1-or-later
"""
kernel.org on loopback: the list of releases in its recorded shape, tarballs, their sums, and on demand all that goes wrong on the way.

    with KernelServer() as server:
        server.release("6.14.2")                    # listed, its tarball (a tree of kernel_tree) and its sum
        server.fault(server.path("6.14.2"), Stall(1000))   # the next request for it sends 1000 bytes, and then nothing
        request = {"net": server.net()}

A fault is played once; given several, one a request, in their order. What was asked for is in server.requests.
"""

import collections
import hashlib
import http.server
import json
import select
import threading

import kernel_tree

MIRROR = "/pub/linux/kernel"
CANDIDATES = "/torvalds/t"
LIST = "/releases.json"

# As kernel.org's list was one day.
RELEASES = [("7.1-rc4", "mainline", False), ("7.0.3", "stable", False), ("6.19.14", "stable", True), ("6.18.25", "longterm", False),
            ("6.12.84", "longterm", False), ("6.6.136", "longterm", False), ("5.10.254", "longterm", False),
            ("next-20260429", "linux-next", False)]

Request = collections.namedtuple("Request", "method path range if_range")


class Fault:
    """What happens in place of the answer: play(handler, content, begin), content[begin:] being what was asked for."""


class Status(Fault):
    """An error of the server's, with the page that they have for it."""

    def __init__(self, status):
        self.status = status

    def play(self, handler, content, begin):
        handler.answer(self.status, b"<html><title>Error</title></html>", {"Content-Type": "text/html"})


class Redirect(Fault):
    def __init__(self, to):
        self.to = to

    def play(self, handler, content, begin):
        handler.answer(302, b"<html>moved</html>", {"Location": self.to, "Content-Type": "text/html"})


class Stall(Fault):
    """So many bytes of the answer, and then nothing until the other side has had enough."""

    def __init__(self, after):
        self.after = after

    def play(self, handler, content, begin):
        handler.send_content(content, begin, self.after)
        handler.wait_for_close()


class Truncate(Fault):
    """So many bytes of the answer, and the connection is closed. None: before any answer."""

    def __init__(self, after):
        self.after = after

    def play(self, handler, content, begin):
        if self.after is not None:
            handler.send_content(content, begin, self.after)


class Content(Fault):
    """Something else than what is there; status 200 as if nothing were."""

    def __init__(self, content, kind="application/octet-stream"):
        self.content, self.kind = content, kind

    def play(self, handler, content, begin):
        handler.answer(200, self.content, {"Content-Type": self.kind})


def Page(title="Please log in"):
    return Content(f"<!DOCTYPE html>\n<html><head><title>\n{title}</title></head><body>…</body></html>\n".encode(), "text/html; charset=utf-8")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def wait_for_close(self):
        """Until the client has closed, or the server is to end."""
        self.wfile.flush()
        while not self.server.owner.ending.is_set():
            if select.select([self.connection], [], [], 0.02)[0]:
                return

    def send_content(self, content, begin, at_most=None):
        """The content from there on, or only its first bytes while all of it is promised."""
        owner = self.server.owner
        part = content[begin:]
        headers = {"Content-Length": len(part), "ETag": owner.etag(content), "Last-Modified": owner.modified,
                   "Content-Type": "application/octet-stream"}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if begin else 200)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(part[:at_most])

    def wanted_from(self, content):
        """The byte that is asked for, if what the client has is of this content; None beyond its end."""
        owner, wanted, same = self.server.owner, self.headers.get("Range"), self.headers.get("If-Range")
        if not wanted or not owner.ranges or same and same not in (owner.etag(content), owner.modified):
            return 0
        begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        return begin if begin < len(content) else None

    def do_GET(self):
        owner = self.server.owner
        # Through a proxy the whole address is asked for.
        path = "/" + self.path.split("/", 3)[3] if self.path.startswith("http") else self.path
        with owner.lock:
            owner.requests.append(Request(self.command, self.path, self.headers.get("Range"), self.headers.get("If-Range")))
            fault = owner.faults[path].popleft() if owner.faults[path] else owner.always.get(path)
            content = owner.content(path)
        try:
            begin = self.wanted_from(content) if content is not None else 0
            if fault:
                fault.play(self, content, begin)
            elif content is None:
                Status(404).play(self, content, 0)
            elif begin is None:
                self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}", "ETag": owner.etag(content)})
            else:
                self.send_content(content, begin)
        except (BrokenPipeError, ConnectionResetError):
            pass

    do_HEAD = do_GET


class KernelServer:
    """Serves from __enter__ to __exit__, which waits for all its threads."""

    def __init__(self, releases=RELEASES):
        self.releases = list(releases)
        self.files = {}                 # path: bytes
        self.sums = True                # there are sha256sums.asc
        self.ranges = True              # it can go on in the middle
        self.etag = lambda content: f'"{hashlib.md5(content).hexdigest()}"'
        self.modified = "Thu, 02 Jan 2025 00:00:00 GMT"
        self.faults = collections.defaultdict(collections.deque)
        self.always = {}                # path: a fault that does not end
        self.requests = []
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    # --- what is there ---

    @staticmethod
    def path(version):
        if "-rc" in version:
            return f"{CANDIDATES}/linux-{version}.tar.gz"
        return f"{MIRROR}/v{version.split('.')[0]}.x/linux-{version}.tar.xz"

    def publish(self, version, content=None, **faults):
        """Its tarball, on the mirror and in the sums but in no list."""
        self.files[self.path(version)] = kernel_tree.release_tarball(version, **faults) if content is None else content
        return self.files[self.path(version)]

    def release(self, version, content=None, moniker="stable", **faults):
        """The same, and listed."""
        self.releases.append((version, moniker, False))
        return self.publish(version, content, **faults)

    def fault(self, path, *faults):
        with self.lock:
            self.faults[path].extend(faults)

    def net(self, **changed):
        """"net" of a request (proto/buildmsg.h)."""
        return {"mirror": self.url + MIRROR, "releases": self.url + LIST, "candidates": self.url + CANDIDATES, "stall_ms": 10000, **changed}

    def asked(self, path):
        """The requests for it so far."""
        with self.lock:
            return [r for r in self.requests if r.path == path]

    # --- what is made up as it is asked for ---

    def content(self, path):
        if path in self.files:
            return self.files[path]
        if path == LIST:
            return json.dumps(self.list()).encode()
        folder, _, name = path.rpartition("/")
        return self.sums_of(folder) if name == "sha256sums.asc" and self.sums else None

    def list(self):
        rows = [{"iseol": eol, "version": version, "moniker": moniker, "source": self.url + self.path(version), "pgp": None,
                 "released": {"timestamp": 1777000000, "isodate": "2026-04-24"}, "gitweb": "https://git.kernel.org/", "changelog": None,
                 "patch": {"full": None, "incremental": None}, "diffview": None}
                for version, moniker, eol in self.releases]
        stable = [version for version, moniker, _ in self.releases if moniker == "stable"]
        return {"latest_stable": {"version": stable[0]} if stable else None, "releases": rows}

    def sums_of(self, folder):
        """Clear-signed by nobody: only those who ask gpgv would notice."""
        lines = [f"{hashlib.sha256(content).hexdigest()}  {path.rpartition('/')[2]}\n"
                 for path, content in sorted(self.files.items()) if path.rpartition("/")[0] == folder]
        return ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + "".join(lines) +
                "-----BEGIN PGP SIGNATURE-----\nComment: none\n\niQ==\n-----END PGP SIGNATURE-----\n").encode() if lines else None
