# SPDX-License-Identifier: LGPL-2.1-or-later
"""How sources come here: over real HTTP on loopback with all that goes wrong on the way, from an apt that follows a script, and out of
tarballs that may be anybody's."""

import base64
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import kernel_files as kf
import kernel_server as ks
import kernel_tree
import ktstr_test as kt

DRIVER = kt.BUILD / "tests/lib/fetch-driver"
DOWNLOAD = "io.ktstrd.Kernel.DownloadFailed"
NO_SUCH = "io.ktstrd.Kernel.NoSuchKernel"
BAD = "io.ktstrd.Kernel.BadKernel"
IO = "io.ktstrd.Daemon.InputOutput"
INVALID = "org.varlink.service.InvalidParameter"

# Signed once by a key that nothing else uses: what must be told from a signature that is not good.
SIGNED_CONTENT = b"a release that only its sum is asked of"
KEYRING = base64.b64decode("""
mDMEZ3XXABYJKwYBBAHaRw8BAQdAlUVCMHDjmtjhvktaa0o94nN4nPRQg3/bkDiElFXD3Rm0EWt0
c3RyZCB0ZXN0IHN1aXRliJAEExYIADgWIQQdAplRzlLxnKQ91hVm+yWlx44cFwUCZ3XXAAIbAwUL
CQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBm+yWlx44cF2RLAP4v8vEVT07Z6SkleyXefWbsG+6Q
HGxTold5vsEc4D6bkAEA4rQBsH1AgMgxJrkPmjf0lxK38UrucV+y+ExaWTJuUwI=
""")
SIGNED_SUMS = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{hashlib.sha256(SIGNED_CONTENT).hexdigest()}  linux-6.14.3.tar.xz
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQQdAplRzlLxnKQ91hVm+yWlx44cFwUCZ3XXAAAKCRBm+yWlx44c
F9kfAQCggZy0Oh0reRyzzND7t4MDkLVIWWgs39xh8mB29U0s3gD8D/CrTKEngNuR
Cat/HoKp6yvZ55tgHABQAxDNyQgBIQc=
=juht
-----END PGP SIGNATURE-----
"""
SUMS = f"{ks.MIRROR}/v6.x/sha256sums.asc"


class Answer:
    """What the helper said, and how it ended."""

    def __init__(self, status, out, err):
        self.status, self.err = status, err
        self.lines = [json.loads(line) for line in out.splitlines()]

    def all(self, member):
        return [line[member] for line in self.lines if member in line]

    @property
    def last(self):
        return self.lines[-1]

    def __str__(self):
        return f"status {self.status}\n" + "\n".join(map(json.dumps, self.lines)) + f"\n--- stderr\n{self.err}"


class FetchTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.work = self.dir / "work"
        self.env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}

    def request(self, **members):
        path = self.dir / "request.json"
        path.write_text(json.dumps(members))
        return path

    def start(self, verb, *args, net=None, **members):
        if net is not None:
            members["net"] = net
        return subprocess.Popen([DRIVER, self.request(**members), verb, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.env, text=True)

    def run_driver(self, verb, *args, **members):
        with self.start(verb, *args, **members) as p:
            out, err = p.communicate(timeout=kt.PATIENCE_S)
        return Answer(p.returncode, out, err)

    def succeed(self, verb, *args, **members):
        answer = self.run_driver(verb, *args, **members)
        self.assertEqual((answer.status, answer.err), (0, ""), answer)
        return answer

    def fail_with(self, name, words, verb, *args, **members):
        """It ends with this error, whose line has these words."""
        answer = self.run_driver(verb, *args, **members)
        self.assertEqual((answer.status, answer.err), (1, ""), answer)
        self.assertEqual(answer.last["error"]["name"], name, answer)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, answer.last["error"]["message"], answer)
        return answer


class NetTest(FetchTest):
    def setUp(self):
        super().setUp()
        self.server = self.enterContext(ks.KernelServer())

    def net(self, **changed):
        return self.server.net(**changed)

    def fetch(self, version, **net):
        return self.succeed("fetch", version, self.work, net=self.net(**net))

    def assert_fetched(self, answer, version, content):
        """It is there whole, and nothing half beside it."""
        result = answer.last["result"]
        self.assertEqual(pathlib.Path(result["tarball"]).read_bytes(), content)
        self.assertEqual(result["version"], version)
        self.assertEqual([p.name for p in self.work.iterdir()], [result["name"]])


class Releases(NetTest):
    def resolve(self, spec=None, **net):
        return self.succeed("resolve", *[spec] if spec else [], net=self.net(**net)).last["result"]

    def test_the_list_is_as_the_messages_have_it(self):
        answer = self.succeed("releases", net=self.net())
        self.assertEqual(answer.last["latest_stable"], "7.0.3")
        self.assertEqual([(r["version"], r["moniker"], r["eol"]) for r in answer.last["releases"]], ks.RELEASES)
        self.assertEqual(answer.last["releases"][1]["source"], self.server.url + ks.MIRROR + "/v7.x/linux-7.0.3.tar.xz")

    def test_what_is_named_whole_is_not_asked_for(self):
        for version in ("6.14.2", "6.15-rc3"):
            self.assertEqual(self.resolve(version), version)
        # As kernel.org writes it: what is asked for in two ways is built once.
        for version, name in (("6.14.0", "6.14"), ("06.14.02", "6.14.2"), ("6.15.0-rc3", "6.15-rc3")):
            self.assertEqual(self.resolve(version), name)
        self.assertEqual(self.server.requests, [])

    def test_no_name_is_the_newest_stable_that_has_matured(self):
        # 7.0.3 has three patch releases, 6.19 is at its end.
        self.assertEqual(self.resolve(), "6.18.25")
        self.server.releases.insert(0, ("7.0.8", "stable", False))
        self.assertEqual(self.resolve(), "7.0.8")

    def test_a_prefix_is_its_newest_in_the_list(self):
        for prefix, version in (("6.12", "6.12.84"), ("6", "6.19.14"), ("7.0", "7.0.3"), ("7", "7.0.3"), ("5", "5.10.254")):
            self.assertEqual(self.resolve(prefix), version)

    def test_a_release_without_patches_is_in_the_mainlines_row(self):
        self.server.releases[0] = ("7.1", "mainline", False)
        self.assertEqual(self.resolve("7.1"), "7.1")

    def test_a_series_that_is_over_is_looked_up_in_the_sums(self):
        for version in ("6.13", "6.13.2", "6.13.12", "6.13.9", "6.131.99"):
            self.server.publish(version, b"x")
        self.assertEqual(self.resolve("6.13"), "6.13.12")
        self.assertEqual([r.method for r in self.server.requests], ["GET", "GET"])

    def test_without_sums_the_mirrors_files_are_asked_for(self):
        self.server.sums = False
        for newest in (0, 1, 2, 3, 4, 7, 8, 12):
            with self.subTest(newest):
                self.server.files.clear()
                self.server.publish("6.13", b"x")
                for patch in range(1, newest + 1):
                    self.server.publish(f"6.13.{patch}", b"x")
                self.assertEqual(self.resolve("6.13"), f"6.13.{newest}" if newest else "6.13")
        self.server.publish("4.0", b"x"), self.server.publish("4.1", b"x"), self.server.publish("4.1.1", b"x")
        self.assertEqual(self.resolve("4"), "4.1.1")

    def test_a_mirror_alone_will_do(self):
        self.server.publish("6.12.3", b"x")
        self.server.always[ks.LIST] = ks.Status(403)
        answer = self.succeed("resolve", "6.12", net=self.net())
        self.assertEqual(answer.last["result"], "6.12.3")
        self.assertIn("KernelReleases=", answer.all("warning")[0])

    def test_what_is_not_there_is_said_with_what_is_near(self):
        self.server.publish("6.13.12", b"x")
        for spec, says in (("6.99", "version 6.99 not found. latest 6.x: 6.19.14"), ("9", "version 9 not found. latest stable: 7.0.3"),
                           ("7.1", "version 7.1 not found. latest candidate: 7.1-rc4")):
            answer = self.fail_with(NO_SUCH, [], "resolve", spec, net=self.net())
            self.assertEqual(answer.last["error"]["message"], says)

    def test_what_is_no_version_is_refused(self):
        for spec in ("v6.14", "6.14.2.1", "6.15-rc", "6.", "", "6.14.x", "next-20260429", "6-rc1", "99999999999.1"):
            self.fail_with(NO_SUCH, "is no version", "resolve", spec, net=self.net())

    def test_no_release_may_have_matured(self):
        self.server.releases = [("7.0.3", "stable", False)]
        self.fail_with(NO_SUCH, ["8 patch releases", "latest stable: 7.0.3"], "resolve", net=self.net())

    def test_a_list_that_is_none_is_refused(self):
        for content in (b"{", b"[]", b"{}", b'{"releases": 1}', b'{"releases": [{"version": 1}]}'):
            self.server.files[ks.LIST] = content
            self.fail_with(DOWNLOAD, ["no list of kernel releases", "KernelReleases="], "releases", net=self.net())
        self.server.files[ks.LIST] = b'{"releases": []}' + b" " * (5 << 20)
        self.fail_with(DOWNLOAD, "longer than", "releases", net=self.net())

    def test_rows_that_are_not_understood_are_left_out(self):
        self.server.files[ks.LIST] = json.dumps({"releases": [
            {"version": "6.1.1", "moniker": "stable", "source": "file:///etc/passwd"}, {"version": "../6.1.2", "moniker": "stable"}, 7, None,
            {"version": "6.1.3\n", "moniker": "stable"}, {"moniker": "stable"}, {"version": "6.1.4", "moniker": None}]}).encode()
        answer = self.succeed("releases", net=self.net())
        self.assertEqual(answer.last, {"releases": [{"version": "6.1.1", "moniker": "stable", "eol": False, "source": None}]})


class Download(NetTest):
    """What goes wrong on the way, with one release."""

    def setUp(self):
        super().setUp()
        self.path = self.server.path("6.14.2")
        self.content = self.server.publish("6.14.2", os.urandom(300000))

    def test_it_comes_and_its_sum_is_checked(self):
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual([s for s in answer.all("stage")], ["download", "verify"])
        self.assertEqual(answer.all("progress")[-1], {"done": 300000, "total": 300000, "unit": "bytes"})
        self.assertEqual(answer.all("warning"), [])
        self.assertEqual(answer.all("note"), ["signature not checked: KernelKeyring= is not set"])
        self.assertIsNone(answer.last["result"].get("source_sha256"))

    def test_what_is_here_is_not_asked_for_again(self):
        self.fetch("6.14.2")
        asked = len(self.server.requests)
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual(len(self.server.requests), asked)

    def test_what_came_whole_before_is_still_checked(self):
        self.work.mkdir()
        (self.work / "unchecked-linux-6.14.2.tar.xz").write_bytes(self.content)
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
        self.assertEqual(self.server.asked(self.path), [])

    def test_a_candidate_is_from_elsewhere_and_has_no_sum(self):
        content = self.server.publish("6.15-rc3")
        answer = self.fetch("6.15-rc3")
        self.assert_fetched(answer, "6.15-rc3", content)
        self.assertIn("release candidates have no signed sums", answer.all("note")[0])
        self.assertEqual((answer.all("warning"), self.server.asked(SUMS)), ([], []))

    def test_a_release_without_patches_has_the_short_name(self):
        content = self.server.publish("6.14", b"y" * 1000)
        answer = self.fetch("6.14.0")
        self.assertEqual(answer.last["result"]["name"], "linux-6.14.tar.xz")
        self.assert_fetched(answer, "6.14.0", content)

    def test_redirections_are_followed(self):
        self.server.files["/else/where"] = self.content
        self.server.fault(self.path, ks.Redirect("/hop"))
        self.server.always["/hop"] = ks.Redirect(self.server.url + "/else/where")
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_but_not_without_end(self):
        self.server.always[self.path] = ks.Redirect(self.path)
        self.fail_with(DOWNLOAD, "redirected more than 10 times", "fetch", "6.14.2", self.work, net=self.net())
        self.assertEqual(len(self.server.asked(self.path)), 11)

    def test_nor_to_files(self):
        for to in ("file:///etc/passwd", "ftp://127.0.0.1/x", "scp://127.0.0.1/x"):
            self.server.fault(self.path, ks.Redirect(to))
            self.fail_with(DOWNLOAD, "redirected to where it is not gone", "fetch", "6.14.2", self.work, net=self.net())

    def test_a_stall_is_gone_on_with(self):
        self.server.fault(self.path, ks.Stall(100000), ks.Stall(50000))
        # So much longer than the server may be kept from answering by a busy host, which would be a stall too.
        answer = self.fetch("6.14.2", stall_ms=4000)
        self.assert_fetched(answer, "6.14.2", self.content)
        etag = self.server.etag(self.content)
        self.assertEqual([(r.range, r.if_range) for r in self.server.asked(self.path)],
                         [(None, None), ("bytes=100000-", etag), ("bytes=150000-", etag)])
        self.assertEqual([n.partition(": ")[2] for n in answer.all("note")][:2],
                         ["nothing came for 4 s; going on at byte 100000", "nothing came for 4 s; going on at byte 150000"])

    def test_a_cut_is_gone_on_with(self):
        self.server.fault(self.path, ks.Truncate(100000), ks.Truncate(None), ks.Truncate(1))
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual([r.range for r in self.server.asked(self.path)], [None, "bytes=100000-", "bytes=100000-", "bytes=100001-"])
        self.assertEqual(len(answer.all("note")), 4)

    def test_an_error_on_the_way_is_gone_on_from(self):
        self.server.fault(self.path, ks.Truncate(100000), ks.Status(503))
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_where_there_is_no_going_on_it_begins_anew(self):
        self.server.ranges = False
        self.server.fault(self.path, ks.Truncate(100000))
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_a_date_will_do_where_there_is_no_tag(self):
        for etag in (lambda _: None, lambda _: 'W/"weak"'):
            shutil.rmtree(self.work, ignore_errors=True)
            self.server.etag = etag
            self.server.fault(self.path, ks.Truncate(100000))
            self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
            self.assertEqual(self.server.asked(self.path)[-1].if_range, self.server.modified)

    def test_with_neither_it_begins_anew(self):
        self.server.etag, self.server.modified = lambda _: None, None
        self.server.fault(self.path, ks.Truncate(100000))
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
        self.assertEqual([r.range for r in self.server.asked(self.path)], [None, None])

    def test_another_file_in_its_place_begins_anew(self):
        tags = iter(range(100))
        self.server.etag = lambda _: f'"{next(tags)}"'
        self.server.fault(self.path, ks.Truncate(100000))
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_a_server_that_mixes_two_files_is_found_out(self):
        class Mixed(ks.Fault):
            """It goes on, but with another file."""

            def play(self, handler, content, begin):
                rest = b"z" * (len(content) - begin)
                handler.answer(206, rest, {"ETag": '"other"', "Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"})

        self.server.fault(self.path, ks.Truncate(100000), Mixed())
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual(answer.all("warning"), [])

    def test_it_is_given_up_when_nothing_more_comes(self):
        for fault, why, stall_ms in ((ks.Stall(0), "nothing came for 0.3 s", 300), (ks.Truncate(None), "broke off", 5000)):
            with self.subTest(why):
                self.server.always[self.path] = fault
                answer = self.fail_with(DOWNLOAD, ["linux-6.14.2.tar.xz", why, "given up after 5 attempts"], "fetch", "6.14.2", self.work,
                                        net=self.net(stall_ms=stall_ms))
                self.assertEqual(len(answer.all("note")), 4)

    def test_it_is_given_up_when_the_same_comes_again_and_again(self):
        self.server.ranges = False
        self.server.always[self.path] = ks.Truncate(100000)
        self.fail_with(DOWNLOAD, "given up after 5", "fetch", "6.14.2", self.work, net=self.net(stall_ms=5000))
        self.assertEqual(len(self.server.asked(self.path)), 6)

    def test_an_earlier_time_is_gone_on_with(self):
        """Killed in the middle; and what it left is used by the next."""
        self.server.fault(self.path, ks.Stall(120000))
        part = self.work / "unchecked-linux-6.14.2.tar.xz.part"
        with self.start("fetch", "6.14.2", self.work, net=self.net(stall_ms=60000)) as p:
            kt.wait_until(lambda: part.exists() and part.stat().st_size == 120000, "the first half")
            p.kill()
            p.communicate()
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual(self.server.asked(self.path)[-1].range, "bytes=120000-")
        self.assertIn("120000 bytes of it are here already", answer.all("note"))

    def leave_part(self, content, **meta):
        self.work.mkdir(exist_ok=True)
        part = self.work / "unchecked-linux-6.14.2.tar.xz.part"
        part.write_bytes(content)
        meta = {"url": self.server.url + self.path, "same": self.server.etag(self.content), "total": len(self.content), **meta}
        pathlib.Path(f"{part}.meta").write_text(json.dumps(meta))
        return part

    def test_all_of_it_may_be_there_already(self):
        self.leave_part(self.content)
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
        self.assertEqual([r.range for r in self.server.asked(self.path)], ["bytes=300000-"])

    def test_what_is_longer_than_all_of_it_begins_anew(self):
        self.leave_part(self.content + b"x")
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_what_is_of_another_address_or_of_no_known_file_begins_anew(self):
        for meta in ({"url": "http://other/"}, {"same": None}, {"same": 7}, {"total": "x", "same": '"old"'}):
            with self.subTest(meta):
                self.server.requests.clear()
                self.leave_part(b"old" * 1000, **meta)
                self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
                shutil.rmtree(self.work)
        part = self.leave_part(b"old" * 1000)
        pathlib.Path(f"{part}.meta").write_text('{"url"')
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)

    def test_a_wrong_sum_is_fetched_once_more(self):
        self.server.fault(self.path, ks.Content(b"wrong" * 1000))
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertIn("fetched once more", answer.all("warning")[0])

    def test_and_then_told_with_both_sums(self):
        wrong = b"wrong" * 1000
        self.server.always[self.path] = ks.Content(wrong)
        sums = [hashlib.sha256(c).hexdigest() for c in (wrong, self.content)]
        self.fail_with(DOWNLOAD, [*sums, "linux-6.14.2.tar.xz", "KernelMirror="], "fetch", "6.14.2", self.work, net=self.net())
        self.assertEqual(list(self.work.iterdir()), [])
        self.assertEqual(len(self.server.asked(self.path)), 2)

    def test_where_there_are_no_sums_it_is_said(self):
        self.server.sums = False
        answer = self.fetch("6.14.2")
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertIn("SHA-256 of linux-6.14.2.tar.xz not checked", answer.all("warning")[0])

    def test_so_it_is_where_they_do_not_list_it_yet(self):
        self.server.files[SUMS] = f"{'0' * 64}  linux-6.14.22.tar.xz\n".encode()
        self.assertIn("does not list it yet", self.fetch("6.14.2").all("warning")[0])

    def test_sums_that_cannot_be_had_are_no_sums_that_are_not_there(self):
        self.server.always[SUMS] = ks.Status(500)
        self.fail_with(DOWNLOAD, ["sha256sums.asc", "500"], "fetch", "6.14.2", self.work, net=self.net())
        del self.server.always[SUMS]
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
        self.assertEqual(len(self.server.asked(self.path)), 1)

    def test_what_is_not_there_is_told_with_the_nearest(self):
        self.server.release("6.14.10", b"x")
        for version, says in (("6.14.22", "version 6.14.22 not found. latest 6.14.x: 6.14.10"),
                              ("6.12.99", "version 6.12.99 not found. latest 6.12.x: 6.12.84"),
                              ("7.1-rc9", "version 7.1-rc9 not found. latest 7.1-rc: 7.1-rc4"),
                              ("6.13.3", "version 6.13.3 not found. latest 6.x: 6.19.14"),
                              ("9.1.1", "version 9.1.1 not found. latest stable: 7.0.3")):
            answer = self.fail_with(NO_SUCH, [], "fetch", version, self.work, net=self.net())
            self.assertEqual(answer.last["error"]["message"], says)
        self.assertEqual(list(self.work.iterdir()), [])

    def test_the_nearest_may_be_in_the_sums_or_nowhere(self):
        self.server.releases = []
        self.assertEqual(self.fail_with(NO_SUCH, [], "fetch", "6.14.22", self.work, net=self.net()).last["error"]["message"],
                         "version 6.14.22 not found. latest 6.14.x: 6.14.2")
        self.server.sums = False
        self.server.publish("6.14", b"x"), self.server.publish("6.14.1", b"x")
        self.assertEqual(self.fail_with(NO_SUCH, [], "fetch", "6.14.22", self.work, net=self.net()).last["error"]["message"],
                         "version 6.14.22 not found. latest 6.14.x: 6.14.2")
        self.assertEqual(self.fail_with(NO_SUCH, [], "fetch", "4.1.1", self.work, net=self.net()).last["error"]["message"],
                         "version 4.1.1 not found.")

    def test_a_page_in_its_place_is_refused(self):
        for fault in (ks.Page("Please log in"), ks.Content(b"\n <HTML><head><title>Please log in</title>" + b"x" * 20000),
                      ks.Content(b"\xef\xbb\xbf<!doctype html><title lang=en>Please log in</title>")):
            self.server.fault(self.path, fault)
            answer = self.fail_with(DOWNLOAD, ["HTML page", '"Please log in"', "KernelMirror="], "fetch", "6.14.2", self.work, net=self.net())
            self.assertEqual(list(self.work.iterdir()), [], answer)
        self.server.fault(self.path, ks.Page("long " * 100))
        self.fail_with(DOWNLOAD, 'long ..."', "fetch", "6.14.2", self.work, net=self.net())
        self.server.fault(self.path, ks.Content(b"no title", "text/html"))
        self.fail_with(DOWNLOAD, "an HTML page came instead", "fetch", "6.14.2", self.work, net=self.net())
        self.server.fault(ks.LIST, ks.Page())
        self.fail_with(DOWNLOAD, "KernelReleases=", "releases", net=self.net())

    def test_a_page_in_the_middle_is_refused_and_what_was_there_kept(self):
        self.server.fault(self.path, ks.Truncate(100000), ks.Page())
        self.fail_with(DOWNLOAD, "Please log in", "fetch", "6.14.2", self.work, net=self.net())
        self.assert_fetched(self.fetch("6.14.2"), "6.14.2", self.content)
        self.assertEqual(self.server.asked(self.path)[-1].range, "bytes=100000-")

    def test_nothing_at_all_is_refused(self):
        self.server.files[self.path] = b""
        self.fail_with(DOWNLOAD, "it is empty", "fetch", "6.14.2", self.work, net=self.net())

    def test_errors_are_told_at_once(self):
        for status in (400, 401, 403, 501, 505):
            self.server.requests.clear()
            self.server.fault(self.path, ks.Status(status))
            self.fail_with(DOWNLOAD, [self.path, str(status)], "fetch", "6.14.2", self.work, net=self.net())
            self.assertEqual(len(self.server.requests), 1)

    def test_a_busy_server_is_asked_again(self):
        for status in (429, 500, 502, 503, 504):
            with self.subTest(status=status):
                self.server.requests.clear()
                self.server.fault(self.path, ks.Status(status), ks.Status(status))
                answer = self.fetch("6.14.2", stall_ms=5000)
                self.assertEqual(len(self.server.asked(self.path)), 3)
                notes = [n for n in answer.all("note") if f"the server says {status}" in n]
                self.assertEqual((len(notes), {n.rpartition("; ")[2] for n in notes}), (2, {"beginning again"}), answer)
                (self.work / "linux-6.14.2.tar.xz").unlink()

    def test_but_not_without_end_when_nothing_comes(self):
        self.server.always[self.path] = ks.Status(503)
        self.fail_with(DOWNLOAD, [self.path, "503, busy", "KernelMirror=", "given up after 3 attempts"], "fetch", "6.14.2", self.work,
                       net=self.net())
        self.assertEqual(len(self.server.asked(self.path)), 3)

    def test_a_host_that_is_not_there_is_told_at_once(self):
        for mirror in ("http://127.0.0.1:1/pub", "http://nowhere.invalid"):
            self.fail_with(DOWNLOAD, [mirror, "not reached", "KernelMirror="], "fetch", "6.14.2", self.work, net=self.net(mirror=mirror))

    def test_proxies_of_the_environment_are_used(self):
        self.env["http_proxy"] = self.server.url
        answer = self.fetch("6.14.2", mirror="http://mirror.invalid" + ks.MIRROR)
        self.assert_fetched(answer, "6.14.2", self.content)
        self.assertEqual(self.server.requests[0].path, "http://mirror.invalid" + self.path)

    def test_a_full_disk_is_told(self):
        # A file that cannot grow is as good as a disk that is full.
        limited = subprocess.run(["prlimit", "--fsize=100000", "env", "--ignore-signal=XFSZ", DRIVER, self.request(net=self.net()), "fetch",
                                  "6.14.2", self.work], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env)
        answer = Answer(limited.returncode, limited.stdout, limited.stderr)
        self.assertEqual((answer.status, answer.last["error"]["name"]), (1, IO), answer)
        self.assertIn("File too large", answer.last["error"]["message"])

    def test_a_file_by_its_address(self):
        path = self.dir / "file"
        for _ in range(2):
            # What is there is fetched anew.
            path.write_bytes(b"old")
            answer = self.succeed("download", net=self.net(), url=self.server.url + self.path, path=str(path))
            self.assertEqual(answer.last["file"],
                             {"path": str(path), "size": 300000, "sha256": hashlib.sha256(self.content).hexdigest()})
            self.assertEqual(path.read_bytes(), self.content)
        self.fail_with(DOWNLOAD, "404", "download", net=self.net(), url=self.server.url + "/nothing", path=str(path))
        for url in ("file:///etc/passwd", "ftp://x/y", "https:", "/x", ""):
            self.fail_with(DOWNLOAD, "is no http", "download", net=self.net(), url=url, path=str(path))
        for members in ({"url": "http://x/"}, {"path": "/x"}, {"url": "http://x/", "path": "x"}, {"url": 1, "path": "/x"}):
            self.fail_with(INVALID, "absolute path", "download", net=self.net(), **members)
        self.assertEqual(path.read_bytes(), self.content)

    def test_a_request_without_its_net_is_refused(self):
        for changed in ({"mirror": None}, {"mirror": "file:///x"}, {"releases": 7}, {"candidates": ""}, {"keyring": "relative"},
                        {"stall_ms": 0}, {"stall_ms": "30"}, {"stall_ms": 1e9}):
            self.fail_with(INVALID, next(iter(changed)), "releases", net=self.net(**changed))
        self.fail_with(INVALID, "net", "releases")

    def test_slashes_at_the_end_of_addresses_do_no_harm(self):
        self.fetch("6.14.2", mirror=self.server.url + ks.MIRROR + "//")
        self.assertEqual(self.server.requests[0].path, self.path)


@unittest.skipUnless(shutil.which("gpgv"), "gpgv is not installed")
class Signatures(NetTest):
    def setUp(self):
        super().setUp()
        self.keyring = self.dir / "keyring.gpg"
        self.keyring.write_bytes(KEYRING)
        self.server.publish("6.14.3", SIGNED_CONTENT)
        self.server.files[SUMS] = SIGNED_SUMS.encode()

    def net(self, **changed):
        return super().net(keyring=str(self.keyring), **changed)

    def refused(self, *words, version="6.14.3"):
        answer = self.fail_with(DOWNLOAD, words, "fetch", version, self.work, net=self.net())
        self.assertFalse((self.work / f"linux-{version}.tar.xz").exists(), answer)

    def test_a_good_one_is_good(self):
        answer = self.fetch("6.14.3")
        self.assert_fetched(answer, "6.14.3", SIGNED_CONTENT)
        self.assertEqual((answer.all("warning"), answer.all("note")), ([], []))

    def test_a_changed_text_is_not(self):
        self.server.files[SUMS] = SIGNED_SUMS.replace("6.14.3", "6.14.4").encode()
        self.refused("signature", "not good", "(gpgv: BAD signature from ", '"); another mirror', "KernelKeyring=")

    def test_nor_one_by_another(self):
        self.server.files[SUMS] = self.server.sums_of(f"{ks.MIRROR}/v6.x")
        self.refused("signature", "not good")

    def test_nor_none(self):
        self.server.files[SUMS] = f"{hashlib.sha256(SIGNED_CONTENT).hexdigest()}  linux-6.14.3.tar.xz\n".encode()
        self.refused("signature", "not good")

    def test_what_stands_around_the_signed_text_does_not_count(self):
        content = self.server.publish("6.14.9", b"of somebody else")
        line = f"{hashlib.sha256(content).hexdigest()}  linux-6.14.9.tar.xz\n"
        for sums in (line + SIGNED_SUMS, SIGNED_SUMS + line):
            self.server.files[SUMS] = sums.encode()
            self.refused(version="6.14.9")
        # Without a keyring that is only what the markers say.
        answer = self.succeed("fetch", "6.14.9", self.work, net=self.server.net())
        self.assertIn("does not list it yet", answer.all("warning")[0])

    def test_leaving_the_sums_out_does_not_help(self):
        del self.server.files[SUMS]
        self.server.sums = False
        self.refused("cannot be checked", "KernelKeyring= is set")

    def test_a_keyring_that_is_not_there_is_told(self):
        self.keyring.unlink()
        self.refused(f"cannot read KernelKeyring={self.keyring}: No such file or directory")
        self.keyring.mkdir()
        self.refused(f"cannot read KernelKeyring={self.keyring}: Is a directory")
        self.assertEqual(self.server.requests, [])

    def test_so_is_a_gpgv_that_is_not_there(self):
        self.env["PATH"] = str(self.dir)
        self.refused("gpgv is not here", "KernelKeyring= is set")


class Tarballs(FetchTest):
    def tarball(self, content, name="linux.tar"):
        path = self.dir / name
        path.write_bytes(content)
        return path

    def unpack(self, content):
        return self.succeed("unpack", self.tarball(content), self.work)

    def refuse(self, content, *words, name=BAD):
        answer = self.fail_with(name, words, "unpack", self.tarball(content), self.work)
        self.assertFalse(self.work.exists(), answer)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["linux.tar", "request.json"], answer)
        return answer

    def tar(self, *members, top="linux", base=True):
        """A kernel's tree (or nothing), and these members after it: TarInfo, or path and content."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as t:
            for path, content in (kernel_tree.fake_tree() if base else {}).items():
                info = tarfile.TarInfo(f"{top}/{path}")
                info.size = len(content)
                t.addfile(info, io.BytesIO(content))
            for m in members:
                if isinstance(m, tuple):
                    info = tarfile.TarInfo(m[0])
                    info.size = len(m[1])
                    t.addfile(info, io.BytesIO(m[1]))
                else:
                    t.addfile(m)
        return out.getvalue()

    @staticmethod
    def member(path, kind=tarfile.REGTYPE, to="", mode=0o644):
        info = tarfile.TarInfo(path)
        info.type, info.linkname, info.mode = kind, to, mode
        return info

    def test_each_compression_is_unpacked(self):
        files = kernel_tree.fake_tree()
        for ending in kf.TAR_ENDINGS:
            with self.subTest(ending):
                answer = self.unpack(kernel_tree.tarball(files, "linux-6.14.2", ending))
                there = {str(p.relative_to(self.work)): p.read_bytes() for p in self.work.rglob("*") if p.is_file()}
                self.assertEqual(there, files)
                self.assertEqual(answer.all("stage"), ["unpack"])
                last = answer.all("progress")[-1]
                self.assertEqual((last["done"], last["unit"]), (last["total"], "bytes"))

    def test_what_was_there_is_replaced(self):
        self.work.mkdir()
        (self.work / "old.c").touch()
        half = self.dir / "work.part"
        half.mkdir()
        (half / "half.c").touch()
        self.unpack(kernel_tree.tarball(kernel_tree.fake_tree(), ending=""))
        self.assertTrue((self.work / "Makefile").exists())
        self.assertFalse((self.work / "old.c").exists() or (self.work / "half.c").exists() or half.exists())

    def test_links_and_modes_within_it_are_kept(self):
        self.unpack(self.tar(self.member("linux/scripts/run", mode=0o6755), self.member("linux/a/b", tarfile.SYMTYPE, "../scripts/run"),
                             self.member("linux/hard", tarfile.LNKTYPE, "linux/README"), self.member("linux/up", tarfile.SYMTYPE, "a/.."),
                             self.member("./linux/./", tarfile.DIRTYPE, mode=0o700), self.member("linux/closed", tarfile.DIRTYPE, mode=0)))
        self.assertEqual((self.work / "scripts/run").stat().st_mode & 0o7777, 0o755)
        self.assertEqual(os.readlink(self.work / "a/b"), "../scripts/run")
        self.assertEqual((self.work / "hard").stat().st_ino, (self.work / "README").stat().st_ino)

    def test_it_may_be_made_of_a_folder_in_place(self):
        self.unpack(self.tar(self.member("./", tarfile.DIRTYPE, mode=0o755), top="./linux"))
        self.assertTrue((self.work / "Makefile").exists())

    def test_nothing_leads_out_of_it(self):
        outside = self.dir.parent / f"{self.dir.name}-escaped"
        for member, word in ((("/" + str(outside), b"x"), "leads out"), (("linux/../../" + outside.name, b"x"), "leads out"),
                             (("../" + outside.name, b"x"), "leads out"), (("linux/..", b"x"), "leads out"),
                             (self.member("linux/l", tarfile.SYMTYPE, "/etc/passwd"), "link out"),
                             (self.member("linux/l", tarfile.SYMTYPE, "../x"), "link out"),
                             (self.member("linux/a/l", tarfile.SYMTYPE, "../b/../../x"), "link out"),
                             (self.member("linux/l", tarfile.LNKTYPE, "/etc/passwd"), "link out"),
                             (self.member("linux/l", tarfile.LNKTYPE, "linux/../../x"), "link out"),
                             (self.member("linux/l", tarfile.LNKTYPE, "other/x"), "link out"),
                             (self.member("linux/d", tarfile.CHRTYPE), "neither"), (self.member("linux/d", tarfile.BLKTYPE), "neither"),
                             (self.member("linux/d", tarfile.FIFOTYPE), "neither"), (("other/x", b"x"), "one folder"),
                             (("x", b"x"), "one folder"), (self.member("linux", tarfile.SYMTYPE, "/tmp"), "at its top")):
            with self.subTest(member=member if isinstance(member, tuple) else (member.name, member.type, member.linkname)):
                self.refuse(self.tar(member), word)
                self.assertFalse(outside.exists())

    def test_nothing_is_written_through_a_link(self):
        self.unpack(self.tar(self.member("linux/dir", tarfile.SYMTYPE, "scripts"), ("linux/dir/x", b"x")))
        self.assertFalse((self.work / "scripts/x").exists())

    def test_what_is_no_kernels_source_is_refused(self):
        tree = kernel_tree.fake_tree()
        for missing in ("Makefile", "Kconfig", "scripts"):
            files = {p: c for p, c in tree.items() if p.split("/")[0] != missing}
            self.refuse(kernel_tree.tarball(files, ending=""), "is no kernel source", f"no {missing}")
        self.refuse(self.tar(base=False), "is no kernel source")
        self.refuse(self.tar(("Makefile", b"x"), ("Kconfig", b"x"), base=False), "one folder")
        self.refuse(b"PK\3\4 something else", "no tarball")
        self.refuse(b"", "no")

    def test_each_cut_is_noticed(self):
        files = {**kernel_tree.fake_tree(), "big": os.urandom(40000)}
        for ending in kf.TAR_ENDINGS:
            whole = kernel_tree.tarball(files, ending=ending)
            for at in (1, 20, len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10, len(whole) - 12000):
                with self.subTest(ending=ending, at=at):
                    answer = self.refuse(whole[:at], "linux.tar is")
                    if ending != ".zst" and at > 20:
                        self.assertIn("cut off", answer.last["error"]["message"])

    def test_a_tarball_that_is_not_there_is_told(self):
        self.fail_with(IO, ["gone.tar", "No such file"], "unpack", self.dir / "gone.tar", self.work)


class Packages(FetchTest):
    """apt by a script in PATH: what a real one says, recorded."""

    def setUp(self):
        super().setUp()
        self.bin = self.dir / "bin"
        self.bin.mkdir()
        self.env["PATH"] = f"{self.bin}:/usr/bin:/bin"
        self.source = kernel_tree.tarball(kernel_tree.fake_tree("6.12.117"), "linux-source-6.12")
        self.file = "linux-source-6.12_6.12.117-1~deb12u1_all.deb"
        self.provide(kf.deb({"usr/share/doc/x": b"x", "usr/src/linux-source-6.12.tar.xz": self.source}))

    def script(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def provide(self, deb, hash_text=None):
        (self.dir / "deb").write_bytes(deb)
        self.sha256 = hashlib.sha256(deb).hexdigest()
        uri = "http://mirror.example/debian/pool/" + self.file.replace("~", "%7e")
        self.script("apt-get", f"""
echo "$@" >>{self.dir}/asked
case "$*" in
*--print-uris*linux-source-6.12*) echo "'{uri}' {self.file} {len(deb)} {hash_text or 'SHA256:' + self.sha256}" ;;
*--print-uris*broken*) echo "E: Could not open lock file" >&2; exit 100 ;;
*--print-uris*) echo "E: Unable to locate package $4" >&2; exit 100 ;;
*) echo "dlstatus:1:0.0000:Retrieving file 1 of 1"; echo "dlstatus:1:50.5:Retrieving file 1 of 1"; echo "dlstatus:x"
   cp {self.dir}/deb ./{self.file} ;;
esac
""")
        self.script("apt-cache", f"""
case "$1" in
pkgnames) echo linux-source-6.1; echo linux-source-6.12 ;;
show) [ "$3" = linux-source-6.12=6.12.117-1~deb12u1 ] && printf 'Package: x\\nSHA512: 00\\nSHA256: {self.sha256}\\n' ;;
esac
""")

    def asked(self):
        return (self.dir / "asked").read_text().splitlines()

    def test_it_is_found_in_the_lists(self):
        result = self.succeed("package-find", "linux-source-6.12").last["result"]
        self.assertEqual(result, {"version": "6.12.117", "name": "linux-source-6.12 6.12.117-1~deb12u1", "source_sha256": self.sha256})

    def test_its_tarball_is_taken_out(self):
        answer = self.succeed("package-fetch", "linux-source-6.12", self.work)
        result = answer.last["result"]
        self.assertEqual(pathlib.Path(result["tarball"]).read_bytes(), self.source)
        self.assertEqual((result["version"], result["source_sha256"]), ("6.12.117", self.sha256))
        self.assertEqual(answer.all("stage"), ["resolve", "download", "verify", "unpack"])
        self.assertEqual([p.name for p in self.work.iterdir()], [pathlib.Path(result["tarball"]).name])
        # The very version that was found, even when the lists change meanwhile.
        self.assertTrue(self.asked()[-1].endswith("download linux-source-6.12=6.12.117-1~deb12u1"), self.asked())
        again = self.succeed("package-fetch", "linux-source-6.12", self.work)
        self.assertEqual(again.last, answer.last)
        self.assertEqual(len(self.asked()), 3)
        self.succeed("unpack", result["tarball"], self.dir / "tree")

    def test_a_version_or_suite_may_be_named(self):
        for name in ("linux-source-6.12=6.12.117-1~deb12u1", "linux-source-6.12/bookworm-backports"):
            result = self.succeed("package-find", name).last["result"]
            self.assertEqual(result["name"], "linux-source-6.12 6.12.117-1~deb12u1")
            self.assertTrue(self.asked()[-1].endswith(name))

    def test_a_stronger_hash_in_the_lists_does_no_harm(self):
        self.provide((self.dir / "deb").read_bytes(), "SHA512:" + "0" * 128)
        self.assertEqual(self.succeed("package-find", "linux-source-6.12").last["result"]["source_sha256"], self.sha256)

    def test_what_apt_does_not_know_is_told_with_what_it_knows(self):
        answer = self.fail_with(NO_SUCH, [], "package-find", "linux-source-9")
        self.assertEqual(answer.last["error"]["message"], "apt knows no package linux-source-9; it knows linux-source-6.1, linux-source-6.12")
        self.script("apt-cache", "exit 0\n")
        self.fail_with(NO_SUCH, "apt-get update", "package-find", "linux-source-9")

    def test_apts_own_trouble_is_told(self):
        self.fail_with(DOWNLOAD, "E: Could not open lock file", "package-find", "broken")

    def test_names_are_names(self):
        for name in ("-o", "--help", "", "a", "A", "linux source", "x;y", "../x", "xx=", "xx/", "xx=-$", "x\ny"):
            self.fail_with(NO_SUCH, "is no name of a package", "package-find", name)
        self.assertFalse((self.dir / "asked").exists())

    def test_where_there_is_no_apt_it_is_said(self):
        self.env["PATH"] = str(self.dir / "nothing")
        self.fail_with(DOWNLOAD, ["apt-get is not here", "--tarball"], "package-find", "linux-source-6.12")

    def test_a_file_that_is_not_the_lists_is_refused(self):
        (self.dir / "deb").write_bytes(kf.deb({"usr/src/linux-source-6.12.tar.xz": b"other"}))
        self.fail_with(DOWNLOAD, ["SHA-256", self.sha256], "package-fetch", "linux-source-6.12", self.work)
        self.assertEqual(list(self.work.iterdir()), [])

    def test_a_package_without_a_source_is_refused(self):
        for files in ({"usr/share/doc/x": b"x"}, {"usr/src/linux-headers.tar.xz": b"x"}, {"srv/linux-source-1.tar.xz": b"x"}):
            self.provide(kf.deb(files))
            self.fail_with(BAD, ["no usr/src/linux-source", self.file], "package-fetch", "linux-source-6.12", self.work)

    def test_a_damaged_package_is_told(self):
        whole = kf.deb({"usr/src/linux-source-6.12.tar.xz": os.urandom(50000)})
        for deb in (whole[:-10000], whole[:200], b"!<arch>\n", b"x"):
            self.provide(deb)
            self.fail_with(BAD, self.file, "package-fetch", "linux-source-6.12", self.work)
            self.assertEqual([p.name for p in self.work.iterdir()], [self.file])


if __name__ == "__main__":
    kt.main()
