# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds as jobs: a helper that follows a script, and comes to a kernel or to why there is none."""

import os
import pathlib

import kernel_files
import ktstr_test as kt
from build_case import BUILD, WHOLE, Stream, Case


class Way(Case):
    """From request to kernel."""

    def test_a_build_goes_through_its_stages_into_the_cache(self):
        with self.daemon() as daemon:
            b = self.build(daemon, version="6.14.2")
            verdict = b.outcome
            self.assertEqual(verdict["verdict"], "pass", verdict)
            key = verdict["kernel"]
            self.assertRegex(key, r"^6\.14\.2-tarball-x86_64-kc[0-9a-f]{8}$")
            self.assertEqual(verdict["reason"], f"built: {key}")
            steps = [(e["step"], e["state"]) for e in b.of("step")]
            names = ["resolve", "download", "configure", "compile", "store"]
            self.assertEqual(self.request()["objects"], 0)
            self.assertEqual(steps, [(name, state) for name in names for state in ("begin", "end")])
            self.assertEqual(b.of("step")[0]["message"], "which one is newest")
            self.assertEqual([e["message"] for e in b.of("warning")], ["kernel/foo.c:12: warning: something"])
            self.assertEqual([s["stage"] for s in verdict["build"]["stages"]], names)
            self.assertEqual({k: verdict["build"][k] for k in ("source", "profile", "version", "objects", "cached", "existed")},
                             {"source": "linux-6.14.2.tar.xz", "profile": "default", "version": "6.14.2", "objects": 1234, "cached": True,
                              "existed": False})
            first = b.of("progress")[0]
            self.assertEqual({k: first[k] for k in ("step", "done", "total", "unit", "percent")},
                             {"step": "download", "done": 50, "total": 200, "unit": "bytes", "percent": 25.0})
            log = pathlib.Path(verdict["result_dir"], "build.log").read_text()
            self.assertIn("a line of make\n", log)
            self.assertIn("== warning: kernel/foo.c:12", log)
            self.assertEqual("".join(e["text"] for e in b.of("log")), log)
            entry = daemon.call("io.ktstrd.Kernel.Info", key=key)["parameters"]["entry"]
            self.assertEqual((entry["version"], entry["source"]), ("6.14.2", "tarball"))
            summary = daemon.call("io.ktstrd.Job.Show", job=b.job)["parameters"]["job"]
            self.assertEqual((summary["kind"], summary["build"], summary["kernel"], summary["topology"]),
                             ("build", "linux-6.14.2.tar.xz", key, ""))
            self.wait_gone(daemon)

    def test_what_the_helper_is_asked_for(self):
        with self.daemon("--config", self.config("KernelMirror=http://mirror/linux/", "DownloadStallSec=7s", "BuildCPUQuota=50%")) as daemon:
            self.build(daemon)
            self.build(daemon, version="v6.12", profile="tiny", extra_kconfig="CONFIG_FOO=y\n", clean=True, jobs=3)
            self.build(daemon, git_url="https://git.example/linux.git/", git_ref="v6.14")
            self.build(daemon, package="linux-source-6.12")
            requests = [self.request(n) for n in range(4)]
        self.assertEqual([r["source"] for r in requests],
                         [{"kind": "version"}, {"kind": "version", "version": "6.12"},
                          {"kind": "git", "url": "https://git.example/linux.git", "ref": "v6.14"},
                          {"kind": "package", "name": "linux-source-6.12"}])
        cpus = len(os.sched_getaffinity(0))
        self.assertEqual([(r["profile"], r.get("extra_kconfig"), r["clean"], r["jobs"]) for r in requests[:2]],
                         [("default", None, False, -(-cpus * 50 // 100)), ("tiny", "CONFIG_FOO=y\n", True, 3)])
        self.assertEqual(requests[0]["net"]["mirror"], "http://mirror/linux")
        self.assertEqual(requests[0]["net"]["stall_ms"], 7000)
        self.assertEqual(requests[0]["net"]["releases"], "https://www.kernel.org/releases.json")

    def test_keys(self):
        with self.daemon() as daemon:
            for parameters, pattern in (
                    ({"version": "6.14.2", "profile": "tiny"}, r"6\.14\.2-tarball-x86_64-tiny-kc\w{8}"),
                    ({"version": "6.14.2", "extra_kconfig": "CONFIG_A=y"}, r"6\.14\.2-tarball-x86_64-kc\w{8}-xkc\w{8}"),
                    ({"git_url": "https://x/y", "git_ref": "a/b"}, r"a-b-git-0123456-x86_64-kc\w{8}"),
                    ({"git_url": "https://x/y", "git_ref": "refs/tags/v6.14"}, r"v6\.14-git-0123456-x86_64-kc\w{8}")):
                with self.subTest(parameters=parameters):
                    self.assertRegex(self.build(daemon, **parameters).outcome["kernel"], f"^{pattern}$")

    def test_a_cached_one_is_not_built_again(self):
        with self.daemon() as daemon:
            key = self.build(daemon, version="6.14.2").outcome["kernel"]
            again = self.build(daemon, version="v6.14.2").outcome
            self.assertEqual(self.request()["objects"], 1234) # of the first one, for the percentage of the next
            self.assertEqual((again["verdict"], again["kernel"], again["reason"]), ("pass", key, f"already cached: {key}"))
            self.assertEqual((again["build"]["cached"], again["build"]["existed"]), (True, True))
            self.assertEqual((self.run_dirs()[1] / "told").read_text(), "stop")
            forced = self.build(daemon, version="6.14.2", force=True).outcome
            self.assertEqual((self.run_dirs()[2] / "told").read_text(), "go")
            self.assertEqual((forced["verdict"], forced["kernel"], forced["build"]["existed"]), ("pass", key, False), forced)

    def test_another_source_whose_hash_begins_the_same_is_built(self):
        with self.daemon() as daemon:
            for digit, expected in (("a", "built: "), ("a", "already cached: "), ("b", "built: "), ("b", "already cached: ")):
                self.script('plan {"git_hash": "0123456%s"}\nresult' % (digit * 33))
                self.image.write_bytes(kernel_files.elf("6.14.2", config=kernel_files.CONFIG + f"CONFIG_{digit.upper()}=y\n"))
                verdict = self.build(daemon, git_url="https://example.org/linux.git", git_ref="main").outcome
                self.assertTrue(verdict["reason"].startswith(expected), verdict)

    def test_one_that_may_not_be_cached_is_built_all_the_same(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script('stage configure\nplan {"cacheable": false, "why": "the tree has changes"}\nresult {"cacheable": false, "why": "x"}')
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=f"{tree}/").outcome
            self.assertEqual(verdict["reason"], f"built, not cached: the tree has changes; use --kernel {tree}")
            self.assertEqual(verdict["verdict"], "pass")
            self.assertNotIn("kernel", verdict)
            self.assertEqual((verdict["build"]["cached"], verdict["build"]["tree"], verdict["build"]["why_not_cached"]),
                             (False, str(tree), "the tree has changes"))
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])

    def test_a_tree_that_changed_meanwhile_is_not_cached(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script('plan\nresult {"cacheable": false, "why": "it changed while it was built"}')
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(tree)).outcome
            self.assertEqual(verdict["reason"], f"built, not cached: it changed while it was built; use --kernel {tree}")
            self.assertNotIn("kernel", verdict)

    def test_a_tree_is_cached(self):
        tree = self.folder / "linux"
        tree.mkdir()
        self.script("plan\nresult")
        with self.daemon() as daemon:
            verdict = self.build(daemon, tree=str(tree)).outcome
            self.assertRegex(verdict["kernel"], r"^local-0123456-x86_64-kc\w{8}$")

    def test_a_tarball_comes_by_descriptor(self):
        path = self.folder / "linux-mine.tar"
        path.write_bytes(b"this is no tarball")
        self.script('read\nplan {"source_sha256": "%s"}\nresult' % ("ab" * 32))
        with self.daemon() as daemon, open(path, "rb") as f:
            f.seek(5)
            stream = Stream(daemon, BUILD, fds=[f.fileno()], tarball={"name": "linux-mine.tar", "file_fd": 0})
            verdict = stream.verdict()
            self.assertRegex(verdict["kernel"], r"^6\.14\.2-tarball-abababa-x86_64-kc\w{8}$")
            self.assertEqual((self.run_dirs()[0] / "tarball").read_bytes(), b"this is no tarball")
            self.assertEqual(self.request()["source"]["name"], "linux-mine.tar")
            self.assertNotEqual(self.request()["source"]["path"], str(path))
            self.wait_gone(daemon)

    def test_a_tarball_comes_by_path(self):
        path = self.folder / "linux-mine.tar"
        path.write_bytes(b"neither is this")
        self.script('read\nplan {"source_sha256": "%s"}\nresult' % ("ab" * 32))
        with self.daemon() as daemon:
            self.assertEqual(self.build(daemon, tarball={"name": "mine", "path": str(path)}).outcome["verdict"], "pass")
            self.assertEqual((self.run_dirs()[0] / "tarball").read_bytes(), b"neither is this")
            gone = self.build(daemon, tarball={"name": "mine", "path": "/nonexistent/x.tar"}).outcome
            self.assertEqual(gone["verdict"], "error")
            self.assertIn("/nonexistent/x.tar", gone["reason"])

    def test_bad_requests(self):
        with self.daemon() as daemon:
            for parameters, field in (
                    ({"version": "6.14.2", "package": "x"}, "package"), ({"git_ref": "v6.14"}, "git_ref"), ({"version": "latest"}, "version"),
                    ({"version": "--help"}, "version"), ({"package": "-oDpkg::x"}, "package"), ({"package": "Linux"}, "package"),
                    ({"git_url": "ext::sh -c id"}, "git_url"), ({"git_url": "ext::sh"}, "git_url"), ({"git_url": "--upload-pack=x"}, "git_url"),
                    ({"git_url": "https://x", "git_ref": "-x"}, "git_ref"), ({"tree": "linux"}, "tree"), ({"jobs": -1}, "jobs"),
                    ({"jobs": 4097}, "jobs"), ({"profile": "huge"}, "profile"), ({"extra_kconfig": "#" * (1024 * 1024 + 1)}, "extra_kconfig"),
                    ({"tarball": {"name": "x"}}, "tarball"), ({"tarball": {"name": "x", "path": "y"}}, "tarball"),
                    ({"tarball": {"name": "x", "file_fd": 0}}, "tarball.file_fd")):
                with self.subTest(parameters=str(parameters)[:60]):
                    reply = daemon.call(BUILD, **parameters)
                    self.assertEqual(reply.get("error"), "org.varlink.service.InvalidParameter", reply)
                    self.assertEqual(reply["parameters"].get("parameter"), field, reply)
            self.assertEqual(self.folders(daemon), [])
            self.assertEqual(daemon.jobs(), [])


class Failures(Case):
    """A helper that fails, and one that lies."""

    def test_a_compiler_error_is_the_reason(self):
        self.script("plan\nstage compile\nerror io.ktstrd.Kernel.BuildFailed kernel/sched/ext.c:5: error: 'x' undeclared | "
                    "make[3]: *** [kernel/sched/ext.o] Error 1 | second")
        with self.daemon() as daemon:
            verdict = self.build(daemon).outcome
            self.assertEqual((verdict["verdict"], verdict["reason"]), ("fail", "kernel/sched/ext.c:5: error: 'x' undeclared"))
            self.assertEqual(verdict["details"], ["make[3]: *** [kernel/sched/ext.o] Error 1", "second"])
            self.assertNotIn("error", verdict)
            self.wait_gone(daemon)

    def test_other_errors_are_the_harness(self):
        for name in ("io.ktstrd.Kernel.DownloadFailed", "io.ktstrd.Kernel.NoSuchKernel", "io.ktstrd.Daemon.InputOutput"):
            with self.subTest(name=name), self.daemon() as daemon:
                self.script(f"stage download\nerror {name} no network\n")
                verdict = self.build(daemon).outcome
                self.assertEqual((verdict["verdict"], verdict["error"], verdict["reason"]), ("error", name, "no network"))

    def test_an_error_name_of_its_own_is_not_believed(self):
        self.script("error org.evil.Name it says so")
        with self.daemon() as daemon:
            self.assertEqual(self.build(daemon).outcome["error"], "io.ktstrd.Daemon.Internal")

    def lies(self):
        plan = 'plan\n'
        yield "garbage", "say hello", "makes no sense"
        yield "a number", "say 7", "no object"
        yield "two answers", 'say {"note": "a", "log": "b"}', "two things"
        yield "nothing", "say {}", "says nothing"
        yield "no such stage", 'say {"stage": "dance"}', "no such stage"
        yield "no progress", 'say {"progress": {"done": -1, "total": 1, "unit": "bytes"}}', "done"
        yield "another unit", 'say {"progress": {"done": 1, "total": 1, "unit": "apples"}}', "unit"
        yield "two plans", plan + "plan", "plans twice"
        yield "another source", 'plan {"source": "local"}', "something else"
        yield "a bad hash", 'plan {"source_sha256": "../../x"}', "source_sha256"
        yield "a version that leads out", 'plan {"version": "../x"}', "version"
        yield "no reason", 'plan {"cacheable": false}', "why"
        yield "a result before the plan", "result", "before it was told"
        yield "a tree elsewhere", plan + 'result {"tree": "/etc"}', "where it may not"
        yield "a tree that climbs", plan + 'result {"tree": "/a/../etc"}', "tree"
        yield "a config elsewhere", plan + 'result {"config": "/etc/shadow"}', "where it may not"
        yield "more after the end", plan + "result\nnote hello", "last word"
        yield "an endless line", "flood", "too long"
        yield "a crash", "stage compile\nstderr what went wrong\nsignal 11", "killed by signal 11 (Segmentation fault): what went wrong"
        yield "a status", "stage compile\nexit 3", "status 3 and no result"
        yield "silence", "exit 0", "status 0 and no result"
        yield "a status after its result", plan + "result\nexit 3", "status 3"

    def test_lies(self):
        with self.daemon() as daemon:
            for what, script, text in self.lies():
                with self.subTest(what=what):
                    self.script(script)
                    verdict = self.build(daemon, version="6.14.2").outcome
                    self.assertEqual(verdict["verdict"], "error", verdict)
                    self.assertIn(text, verdict["reason"])
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])
            self.wait_gone(daemon)
            self.assertEqual(daemon.children(), [])

    def test_a_helper_that_is_not_there(self):
        self.helper.unlink()
        with self.daemon() as daemon:
            verdict = self.build(daemon).outcome
            self.assertEqual(verdict["verdict"], "error")
            self.assertIn(f"cannot run {self.helper}", verdict["reason"])

    def test_gigabytes_are_kept_in_bounds(self):
        self.script("log-lines 40000\nspam 5000\nplan\nresult")
        with self.daemon() as daemon:
            job = daemon.call(BUILD, version="6.14.2", detach=True)["parameters"]["job"]
            kt.wait_until(lambda: daemon.jobs()[0]["state"] == "ended", "it has ended")
            # Who comes late sees the last of the progress, and as much of the log as is held.
            late = Stream(daemon, "io.ktstrd.Job.Attach", job=job)
            verdict = late.verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            log = pathlib.Path(verdict["result_dir"], "build.log").read_text()
            self.assertEqual(log.count("drivers/net/file"), 40000)
            self.assertEqual(len(late.of("progress")), 1)
            self.assertGreater(len(late.of("log")), 1000)
            self.assertLess(sum(len(e["text"]) for e in late.of("log")), 4 << 20)
            # A sanitizer keeps what was freed.
            if "libasan" not in pathlib.Path(f"/proc/{daemon.process.pid}/maps").read_text():
                self.assertLess(daemon.call("io.ktstrd.Daemon.Status")["parameters"]["rss_bytes"], 100 << 20)

    def test_many_stages_are_told_and_the_rest_is_in_the_log(self):
        self.script("stage resolve\nstage download\n" * 700 + WHOLE)
        with self.daemon() as daemon:
            stream = self.build(daemon, version="6.14.2")
            self.assertEqual(stream.outcome["verdict"], "pass")
            self.assertEqual(stream.notes().count("further stages, notes and warnings are only in build.log"), 1)

    def test_a_result_that_is_no_kernel(self):
        self.image.write_bytes(b"no ELF at all")
        with self.daemon() as daemon:
            verdict = self.build(daemon, version="6.14.2").outcome
            self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "io.ktstrd.Kernel.BadKernel"))
            self.assertEqual(daemon.call("io.ktstrd.Kernel.List")["parameters"]["entries"], [])
            self.wait_gone(daemon)


class Two(Case):
    """Several at once."""

    def test_the_same_twice_is_built_once(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as daemon:
            first = self.held_build(daemon, force=True)
            second = Stream(daemon, BUILD, version="6.14.2", force=True)
            said = second.until(lambda e: "message" in e)
            self.assertEqual(said["kind"], "queued")
            self.assertIn(f"job {first.job} builds the same already", said["message"])
            self.release("here")
            self.assertEqual(first.verdict()["build"]["existed"], False)
            verdict = second.verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", True), verdict)
            self.assertEqual([(d / "told").read_text() for d in self.run_dirs()], ["go", "stop"])

    def test_places_are_told(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as daemon:
            first = self.held_build(daemon)
            others = [Stream(daemon, BUILD, version=f"6.14.{n}") for n in (3, 4)]
            self.assertEqual([o.next()["position"] for o in others], [1, 2])
            jobs = {j["job"]: j for j in daemon.jobs()}
            self.assertEqual([jobs[o.job]["position"] for o in others], [1, 2])
            self.assertEqual([jobs[o.job]["state"] for o in others], ["queued", "queued"])
            self.release("here")
            for stream in (first, *others):
                self.assertEqual(stream.verdict()["verdict"], "pass")
            self.assertEqual([e["position"] for e in others[1].of("queued")], [2, 1])

    def test_builds_and_tests_do_not_wait_for_each_other(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon("--agent", "/bin/true", "--busybox", "/bin/true") as daemon:
            image = daemon.dir / "vmlinux"
            image.write_bytes(kernel_files.elf(config=kernel_files.CONFIG))
            self.assertEqual(daemon.ctl("kernel", "import", image).status, 0)
            stream = self.held_build(daemon)
            self.assertEqual(daemon.ctl("submit").status, 0)
            self.release("here")
            self.assertEqual(stream.verdict()["verdict"], "pass")

    def test_two_daemons_with_one_cache_build_it_once(self):
        self.script("plan\nhold here\nresult")
        with self.daemon() as one, self.daemon("--cache-dir", one.kernels) as two:
            first = self.held_build(one)
            second = Stream(two, BUILD, version="6.14.2")
            said = second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            self.assertRegex(said["message"], r"^another daemon builds 6\.14\.2-tarball-x86_64-kc\w{8}; waiting for it$")
            self.release("here")
            verdict = first.verdict()
            self.assertEqual(verdict["verdict"], "pass", verdict)
            other = second.verdict()
            self.assertEqual((other["verdict"], other["build"]["existed"], other["kernel"]), ("pass", True, verdict["kernel"]))
            self.assertEqual(sorted((d / "told").read_text() for d in self.run_dirs()), ["go", "stop"])
            self.wait_gone(one)

    def test_one_that_waits_for_another_daemon_is_cancelled(self):
        self.script("plan\nhold here\nresult")
        with self.daemon() as one, self.daemon("--cache-dir", one.kernels) as two:
            first = self.held_build(one)
            second = Stream(two, BUILD, version="6.14.2")
            second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            two.call("io.ktstrd.Job.Cancel", job=second.job)
            self.assertEqual(second.verdict()["verdict"], "cancelled")
            self.release("here")
            self.assertEqual(first.verdict()["verdict"], "pass")

    def test_the_other_daemon_goes_on_when_the_first_is_killed(self):
        self.script("plan\nhold here\nresult")
        one = self.daemon()
        with one, self.daemon("--cache-dir", one.kernels) as two:
            first = self.held_build(one)
            second = Stream(two, BUILD, version="6.14.2")
            second.until(lambda e: e["kind"] == "note" and "another daemon" in e["message"])
            one.kill()
            self.release("here")
            verdict = second.verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", False), verdict)
            # And what the first one has left it finds done.
            one.start()
            verdict = Stream(one, "io.ktstrd.Job.Attach", job=first.job).verdict()
            self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", True), verdict)

    def test_a_daemon_leaves_the_builds_of_a_living_one_alone(self):
        self.script("hold here\n" + WHOLE)
        with self.daemon() as one:
            first = self.held_build(one)
            with self.daemon("--cache-dir", one.kernels) as two:
                self.assertEqual(two.jobs(), [])
            self.release("here")
            self.assertEqual(first.verdict()["verdict"], "pass")

    def test_those_that_a_daemon_found_are_its_own_when_the_other_is_killed(self):
        self.script("hold here\n" + WHOLE)
        one = self.daemon()
        with one:
            first = self.held_build(one)
            with self.daemon("--cache-dir", one.kernels) as two:
                self.assertEqual(two.jobs(), [])
                one.kill()
                self.release("here")
                kt.wait_until(lambda: two.jobs(), "it is taken up")
                verdict = Stream(two, "io.ktstrd.Job.Attach", job=first.job).verdict()
                self.assertEqual((verdict["verdict"], verdict["build"]["existed"]), ("pass", False), verdict)
            one.start()
            self.assertEqual(one.jobs(), [])


if __name__ == "__main__":
    kt.main()
