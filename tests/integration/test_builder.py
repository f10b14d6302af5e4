# SPDX-License-Identifier: LGPL-2.1-or-later
"""The helper that builds, driven as ktstrd drives it: by a request and its lines of JSON, with the real make and the real git, on trees
that only look like kernels."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest
import zlib

import kernel_server as ks
import kernel_tree
import ktstr_test as kt

BUILDER = kt.BUILD / "builder/ktstrd-build"
BUILD_FAILED = "io.ktstrd.Kernel.BuildFailed"
BAD_KERNEL = "io.ktstrd.Kernel.BadKernel"
DOWNLOAD = "io.ktstrd.Kernel.DownloadFailed"
IO = "io.ktstrd.Daemon.InputOutput"
INVALID = "org.varlink.service.InvalidParameter"
EXT = "kernel/sched/ext.c"
LINE_MAX = 64 * 1024  # BUILD_LINE_MAX


def crc(text):
    return f"{zlib.crc32(text):08x}"


class Helper:
    """A ktstrd-build that runs. Its lines are read as they come."""

    def __init__(self, request, env=None, before=()):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(request, self.file)
        self.file.flush()
        self.lines = []
        self.process = subprocess.Popen([*before, BUILDER, "build", self.file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})))

    def read(self):
        """The next answer, None at the end."""
        line = self.process.stdout.readline()
        if not line:
            return None
        if len(line.encode()) > LINE_MAX:
            raise AssertionError(f"a line of {len(line.encode())} bytes, which ktstrd does not take: {line[:200]}")
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def until(self, condition):
        while (line := self.read()) is not None:
            if condition(line):
                return line
        raise AssertionError(f"that never came: {self}")

    def plan(self):
        return self.until(lambda line: "plan" in line)["plan"]

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def logged(self, text):
        return self.until(lambda line: text in line.get("log", ""))

    def end(self):
        """Its exit status, with all that was still to be read."""
        while self.read() is not None:
            pass
        self.process.stdin.close()
        status = self.process.wait(kt.PATIENCE_S)
        self.err = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        self.file.close()
        return status

    def all(self, member):
        return [line[member] for line in self.lines if member in line]

    def log(self):
        return "".join(self.all("log"))

    def __str__(self):
        return "\n".join(map(json.dumps, self.lines))


class Builder(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ktstr-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(self.nothing_runs)
        self.work = self.dir / "work"

    def running(self):
        """The processes that stand somewhere in the test's folder."""
        found = []
        for p in pathlib.Path("/proc").iterdir():
            if p.name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(p / "cwd").startswith(str(self.dir)):
                        found.append((p.name, (p / "cmdline").read_bytes()))
        return found

    def nothing_runs(self):
        self.assertEqual(self.running(), [])

    def request(self, source, **more):
        return {"source": source, "profile": "default", "jobs": 2, "work": str(self.work), **more}

    def start(self, source, env=None, before=(), **more):
        return Helper(self.request(source, **more), env, before)

    def build(self, source, env=None, **more):
        """All the way; the helper, which succeeded."""
        h = self.start(source, env, **more)
        h.the_plan = h.plan()
        h.say("go")
        status = h.end()
        self.assertEqual((status, h.err), (0, ""), str(h))
        self.assertNotIn("error", h.lines[-1])
        h.result = h.lines[-1]["result"]
        return h

    def refused(self, source, name, env=None, go=True, before=(), **more):
        """It does not succeed; the error."""
        h = self.start(source, env, before, **more)
        if go:
            h.plan()
            h.say("go")
        status = h.end()
        self.assertEqual((status, h.err), (1, ""), str(h))
        self.assertEqual(len(h.all("error")), 1, str(h))
        error = h.lines[-1]["error"]
        self.assertEqual(error["name"], name, str(h))
        self.assertNotIn("\n", error["message"])
        return error, h

    def tree(self, name="tree", version="6.14.2", **faults):
        return kernel_tree.write_tree(kernel_tree.fake_tree(version, **faults), self.dir / name)

    def tarball(self, version="6.14.2", name="linux.tar.xz", top="linux-6.14.2", **faults):
        path = self.dir / name
        path.write_bytes(kernel_tree.tarball(kernel_tree.fake_tree(version, **faults), top, "." + name.rpartition(".")[2]))
        return path

    def git(self, *args, cwd):
        env = dict(os.environ, HOME=str(self.dir), GIT_CONFIG_NOSYSTEM="1")
        p = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *map(str, args)], cwd=cwd, env=env, check=True,
                           capture_output=True, text=True)
        return p.stdout.strip()

    def repository(self, name="tree", **faults):
        """A tree with all of it committed; its commit."""
        tree = self.tree(name, **faults)
        self.git("init", "-q", "-b", "master", cwd=tree)
        self.git("add", "-A", cwd=tree)
        self.git("commit", "-q", "-m", "first", cwd=tree)
        return tree, self.git("rev-parse", "HEAD", cwd=tree)


def of_tree(path):
    return {"kind": "tree", "path": str(path)}


def of_tarball(path, **more):
    return {"kind": "tarball", "path": str(path), **more}


def of_git(path, ref):
    return {"kind": "git", "url": f"file://{path}", "ref": ref}


class Plans(Builder):
    def test_a_clean_repository_is_named_by_its_commit(self):
        tree, commit = self.repository()
        h = self.start(of_tree(tree))
        self.assertEqual(h.plan(), {"source": "local", "version": "6.14.2", "name": str(tree), "git_hash": commit,
                                    "tree_path": str(tree), "cacheable": True})
        h.say("stop")
        self.assertEqual(h.end(), 0)
        self.assertIn("plan", h.lines[-1])
        self.assertFalse((tree / "vmlinux").exists())

    def test_nobody_there_is_stop(self):
        tree, _ = self.repository()
        h = self.start(of_tree(tree))
        h.plan()
        h.process.stdin.close()
        self.assertEqual(h.end(), 0)
        self.assertIn("plan", h.lines[-1])

    def test_another_word_is_an_error(self):
        h = self.start(of_tree(self.tree()))
        h.plan()
        h.say("yes")
        self.assertEqual(h.end(), 1)
        self.assertEqual(h.lines[-1]["error"]["name"], INVALID)

    def test_its_own_configuration_is_part_of_what_it_is(self):
        tree, _ = self.repository()
        config = b"CONFIG_64BIT=y\n"
        (tree / ".config").write_bytes(config)
        h = self.start(of_tree(tree))
        self.assertEqual(h.plan()["own_config"], crc(config))
        h.say("stop")
        self.assertEqual(h.end(), 0)
        h = self.start(of_tree(tree), profile="tiny")
        self.assertNotIn("own_config", h.plan())
        h.say("stop")
        self.assertEqual(h.end(), 0)

    def test_changes_that_are_not_committed_are_said(self):
        tree, commit = self.repository()
        (tree / EXT).write_text("/* mine */\n")
        h = self.start(of_tree(tree))
        plan = h.plan()
        h.say("stop")
        h.end()
        self.assertEqual(plan["git_hash"], commit)
        self.assertFalse(plan["cacheable"])
        self.assertEqual(plan["why"], f"its tree {tree} has changes that are not committed")

    def test_files_that_git_does_not_know_are_no_changes(self):
        tree, _ = self.repository()
        (tree / "notes.txt").write_text("mine\n")
        h = self.start(of_tree(tree))
        self.assertTrue(h.plan()["cacheable"])
        h.say("stop")
        h.end()

    def test_a_tree_without_git_has_no_commit(self):
        tree = self.tree()
        h = self.start(of_tree(tree))
        plan = h.plan()
        h.say("stop")
        h.end()
        self.assertNotIn("git_hash", plan)
        self.assertEqual((plan["cacheable"], plan["why"]), (False, f"{tree} is no git repository"))

    def test_the_repository_that_a_tree_lies_in_is_not_its_own(self):
        self.git("init", "-q", cwd=self.dir)
        self.git("commit", "-q", "--allow-empty", "-m", "x", cwd=self.dir)
        tree = self.tree()
        h = self.start(of_tree(tree))
        self.assertNotIn("git_hash", h.plan())
        h.say("stop")
        h.end()

    def test_a_tree_of_somebody_else_is_looked_at_too(self):
        if os.getuid() != 0:
            self.skipTest("only root can give files away")
        tree, commit = self.repository()
        for path in [tree, *tree.rglob("*")]:
            os.lchown(path, 65534, 65534)
        h = self.start(of_tree(tree))
        self.assertEqual(h.plan()["git_hash"], commit)
        h.say("stop")
        h.end()

    def test_a_tarball_is_named_by_its_makefile_and_its_hash(self):
        path = self.tarball("6.15-rc3", name="linux-9.9.tar.gz", top="x")
        h = self.start(of_tarball(path, name="linux-9.9.tar.gz"))
        self.assertEqual(h.plan(), {"source": "tarball", "version": "6.15-rc3", "name": "linux-9.9.tar.gz", "cacheable": True,
                                    "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
        h.say("stop")
        h.end()

    def test_git_is_asked_before_anything_is_fetched(self):
        origin, commit = self.repository("origin")
        self.git("tag", "v6.14.2", cwd=origin)
        self.git("tag", "-a", "-m", "x", "annotated", cwd=origin)
        for ref in ("master", "v6.14.2", "annotated", "refs/heads/master", "HEAD", commit):
            h = self.start(of_git(origin, ref))
            plan = h.plan()
            h.say("stop")
            self.assertEqual(h.end(), 0)
            self.assertEqual(plan, {"source": "git", "name": f"file://{origin} {ref}", "url": f"file://{origin}", "ref": ref,
                                    "git_hash": commit, "cacheable": True})
            self.assertFalse((self.work / "source").exists())

    def test_a_tag_comes_before_a_branch_of_its_name_and_no_other_name_is_taken(self):
        origin, commit = self.repository("origin")
        self.git("tag", "same", cwd=origin)
        self.git("checkout", "-q", "-b", "same", cwd=origin)
        self.git("commit", "-q", "--allow-empty", "-m", "second", cwd=origin)
        self.git("update-ref", "refs/heads/deeper/only", "HEAD", cwd=origin)
        h = self.start(of_git(origin, "same"))
        self.assertEqual(h.plan()["git_hash"], commit)
        h.say("stop")
        h.end()
        error, _ = self.refused(of_git(origin, "only"), DOWNLOAD, go=False)
        self.assertIn("has no branch or tag 'only'", error["message"])


class Refusals(Builder):
    def test_what_is_no_kernel(self):
        for break_it, why in ((lambda t: shutil.rmtree(t), "No such file"), (lambda t: (t / "Makefile").unlink(), "there is no Makefile"),
                              (lambda t: (t / "Makefile").write_text("all:\n"), "no VERSION"),
                              (lambda t: (t / "Kconfig").unlink(), "there is no Kconfig")):
            tree = self.tree(f"tree-{why.split()[-1]}")
            break_it(tree)
            error, _ = self.refused(of_tree(tree), BAD_KERNEL, go=False)
            self.assertIn(f"{tree} is no kernel source: ", error["message"])
            self.assertIn(why, error["message"])

    def test_a_path_that_make_cannot_do_with(self):
        error, _ = self.refused(of_tree(self.tree("with blank")), BAD_KERNEL, go=False)
        self.assertIn("blanks and colons", error["message"])

    def test_a_cache_in_a_folder_that_make_cannot_do_with(self):
        for name in ("John Doe", "a:b", "a$b", "a'b", "a;b", "a#b"):
            with self.subTest(name):
                self.work = self.dir / name / "work"
                error, _ = self.refused(of_tree(self.tree(f"tree-{ord(name[1])}")), IO, go=False)
                self.assertIn(f"cannot build in {self.work}: ", error["message"])
                self.assertIn("KTSTR_CACHE_DIR", error["message"])
                self.assertFalse(self.work.exists())

    def test_what_is_no_tarball(self):
        path = self.dir / "linux.tar.xz"
        path.write_bytes(b"not at all")
        error, _ = self.refused(of_tarball(path, name="linux.tar.xz"), BAD_KERNEL, go=False)
        self.assertIn("linux.tar.xz is no kernel source", error["message"])

    def test_a_tarball_that_is_cut_off(self):
        path = self.tarball()
        data = path.read_bytes()
        path.write_bytes(data[:len(data) // 2])
        self.refused(of_tarball(path), BAD_KERNEL, go=False)

    def test_git_s_own_words_for_what_git_cannot_do(self):
        error, _ = self.refused(of_git(self.dir / "nothing", "v1"), DOWNLOAD, go=False)
        self.assertIn("does not appear to be a git repository", error["message"])
        origin, _ = self.repository("origin")
        error, _ = self.refused(of_git(origin, "no-such"), DOWNLOAD, go=False)
        self.assertIn(f"file://{origin} has no branch or tag 'no-such'", error["message"])
        error, _ = self.refused(of_git(origin, "0" * 40), DOWNLOAD)
        self.assertIn("not our ref " + "0" * 40, error["message"])

    def test_no_program_of_a_url_is_run(self):
        trap = self.dir / "trap"
        error, _ = self.refused({"kind": "git", "url": f"ext::touch {trap}".replace(" ", "%20"), "ref": "x"}, DOWNLOAD, go=False)
        self.assertIn("not allowed", error["message"])
        self.assertFalse(trap.exists())

    def test_requests_that_are_none(self):
        error, _ = self.refused({"kind": "tree", "path": "relative"}, INVALID, go=False)
        self.assertEqual(error["message"], "request: source.path must be an absolute path, not 'relative'")
        p = subprocess.run([BUILDER, "build", self.dir / "none"], capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(json.loads(p.stdout)["error"]["name"], IO)
        (self.dir / "text").write_text("{")
        p = subprocess.run([BUILDER, "build", self.dir / "text"], capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual(json.loads(p.stdout)["error"]["name"], INVALID)

    def test_its_own_usage(self):
        run = lambda *args: subprocess.run([BUILDER, *args], capture_output=True, text=True, timeout=kt.PATIENCE_S)
        self.assertEqual([run(*args).returncode for args in ([], ["build"], ["make", "x"], ["--help"], ["--version"])], [64, 64, 64, 0, 0])
        self.assertIn("ktstrd-build build REQUEST", run("--help").stdout)

    def test_missing_programs_are_told_all_at_once(self):
        programs = self.dir / "bin"
        programs.mkdir()
        for path in pathlib.Path("/usr/bin").iterdir():
            if path.name not in ("flex", "bison", "pahole"):
                (programs / path.name).symlink_to(path)
        for name in {"bc", "perl"} - {path.name for path in programs.iterdir()}:
            (programs / name).symlink_to("/bin/true")
        error, _ = self.refused(of_tree(self.tree()), IO, env={"PATH": str(programs)})
        self.assertEqual(error["message"], "not installed, and needed to build this kernel: flex, bison, pahole; "
                                           "apt install flex bison dwarves")


class Builds(Builder):
    def test_a_tree_is_built_where_it_is(self):
        tree, commit = self.repository(warning="mm/slub.c")
        own = b"CONFIG_64BIT=y\nCONFIG_MINE=y\n# CONFIG_PVH is not set\n"
        (tree / ".config").write_bytes(own)
        h = self.build(of_tree(tree), objects=20)
        config = (self.work / "config").read_bytes()
        self.assertEqual(h.result, {"tree": str(tree), "config": str(self.work / "config"), "config_hash": crc(config),
                                    "version": "6.14.2", "release": f"6.14.2-g{commit[:12]}", "cacheable": True,
                                    "objects": 13})
        self.assertEqual((tree / ".config").read_bytes(), own)
        self.assertIn(b"\nCONFIG_MINE=y\n", config)
        self.assertIn(b"\nCONFIG_PVH=y\n", config)
        self.assertNotIn(b"CONFIG_NET=y", config)  # that is defconfig's
        self.assertTrue((tree / "vmlinux").exists())
        self.assertFalse((tree / ".ktstr-compiling").exists())
        stages = h.all("stage")
        self.assertEqual(sorted(set(stages), key=stages.index), ["resolve", "configure", "compile"])
        self.assertEqual(h.all("warning"), ["mm/slub.c:3:13: warning: unused variable 'WARNING' [-Wunused-variable]"])
        self.assertIn("  CC      kernel/sched/ext.o\n", h.log())

    def test_progress_goes_forward_and_ends(self):
        tree = self.tree()
        for objects in (4, 1000):  # fewer than there are, and more
            h = self.build(of_tree(tree), objects=objects, clean=True)
            progress = [p for p in h.all("progress") if p["unit"] == "objects"]
            done = [p["done"] for p in progress]
            self.assertEqual({p["total"] for p in progress}, {objects})
            self.assertEqual(done, sorted(done))
            self.assertEqual(done.count(objects), 1)
            self.assertEqual(done[-1], objects)
            self.assertIn("file", progress[0])

    def test_defconfig_where_there_is_no_configuration(self):
        tree = self.tree()
        self.build(of_tree(tree))
        config = (self.work / "config").read_text()
        self.assertIn("CONFIG_NET=y\n", config)
        self.assertIn("CONFIG_SCHED_CLASS_EXT=y\n", config)
        self.assertEqual(config.count("CONFIG_SCHED_CLASS_EXT"), 1)
        self.assertFalse((tree / ".config").exists())

    def test_two_profiles_of_one_tree(self):
        tree, _ = self.repository()
        (tree / ".config").write_text("CONFIG_64BIT=y\nCONFIG_MINE=y\n")
        default = self.build(of_tree(tree))
        text = (self.work / "config").read_text()
        tiny = self.build(of_tree(tree), profile="tiny", work=str(self.dir / "work2"))
        tiny_text = (self.dir / "work2/config").read_text()
        self.assertIn("CONFIG_MINE=y\n", text)
        self.assertNotIn("CONFIG_MINE=y\n", tiny_text)  # tinyconfig's base, whatever the tree has
        self.assertIn("CONFIG_KERNEL_LZ4=y\n", tiny_text)
        self.assertNotEqual(default.result["config_hash"], tiny.result["config_hash"])
        self.assertNotIn("own_config", tiny.the_plan)

    def test_a_tarball_is_unpacked_and_built(self):
        path = self.tarball()
        h = self.build(of_tarball(path), profile="tiny")
        self.assertEqual(h.result["tree"], str(self.work / "source"))
        self.assertTrue((self.work / "source/vmlinux").exists())
        self.assertIn("unpack", h.all("stage"))
        self.assertTrue(h.result["cacheable"])

    def test_a_commit_is_fetched_without_its_history_and_built(self):
        origin, _ = self.repository("origin")
        self.git("commit", "-q", "--allow-empty", "-m", "second", cwd=origin)
        commit = self.git("rev-parse", "HEAD", cwd=origin)
        h = self.build(of_git(origin, "master"))
        source = self.work / "source"
        self.assertEqual(self.git("rev-parse", "HEAD", cwd=source), commit)
        self.assertEqual(self.git("rev-list", "--count", "HEAD", cwd=source), "1")
        self.assertEqual((h.result["version"], h.result["release"], h.result["cacheable"]), ("6.14.2", f"6.14.2-g{commit[:12]}", True))
        clone = h.lines[h.lines.index(next(line for line in h.lines if line.get("stage") == "clone")):]
        progress = next(line["progress"] for line in clone if "progress" in line)
        self.assertEqual(progress["unit"], "objects")
        self.assertGreater(progress["total"], len(kernel_tree.OBJECTS))

    def test_a_commit_by_its_hash(self):
        origin, first = self.repository("origin")
        self.git("commit", "-q", "--allow-empty", "-m", "second", cwd=origin)
        self.git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=origin)
        self.build(of_git(origin, first))
        self.assertEqual(self.git("rev-parse", "HEAD", cwd=self.work / "source"), first)

    def test_a_branch_that_moves_after_the_plan_is_built_as_planned(self):
        origin, first = self.repository("origin")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=origin)
        h = self.start(of_git(origin, "master"))
        self.assertEqual(h.plan()["git_hash"], first)
        self.git("commit", "-q", "--allow-empty", "-m", "second", cwd=origin)
        h.say("go")
        self.assertEqual(h.end(), 0, str(h))
        self.assertEqual(self.git("rev-parse", "HEAD", cwd=self.work / "source"), first)

    def test_what_is_built_already_is_not_built_again(self):
        tree = self.tree()
        self.assertEqual(self.build(of_tree(tree)).result["objects"], 13)
        before = (tree / "kernel/sched/ext.o").stat().st_mtime_ns
        self.build(of_tree(tree))
        self.assertEqual((tree / "kernel/sched/ext.o").stat().st_mtime_ns, before)

    def test_clean_begins_anew_and_leaves_its_configuration(self):
        tree = self.tree()
        (tree / ".config").write_text("CONFIG_64BIT=y\n")
        self.build(of_tree(tree))
        (tree / "include/config/old").write_text("")
        h = self.build(of_tree(tree), clean=True)
        self.assertEqual(h.result["objects"], 13)
        self.assertFalse((tree / "include/config/old").exists())
        self.assertTrue((tree / ".config").exists())

    def test_the_extra_configuration_comes_last(self):
        tree = self.tree(drops=["GONE"])
        h = self.build(of_tree(tree), extra_kconfig="CONFIG_HZ_1000=n\nCONFIG_HZ_250=y\nCONFIG_GONE=y\nnonsense\n")
        config = (self.work / "config").read_text()
        self.assertIn("CONFIG_HZ_250=y\n", config)
        self.assertNotIn("CONFIG_HZ_1000=y\n", config)
        self.assertEqual(h.all("warning"), ["extra configuration: 'CONFIG_GONE=y' did not survive olddefconfig, it is n",
                                            "extra configuration: 'nonsense' is no line of a configuration"])

    def test_the_callers_environment_is_not_taken(self):
        tree = self.tree()
        with open(tree / "Makefile", "a") as f:
            f.write('$(info ENV=$(CC),$(ARCH),$(KBUILD_BUILD_USER),$(KBUILD_BUILD_HOST),$(KBUILD_BUILD_VERSION),$(KBUILD_BUILD_TIMESTAMP))\n')
        h = self.build(of_tree(tree), env={"CC": "clang", "ARCH": "arm", "MAKEFLAGS": "-n", "KBUILD_BUILD_USER": "me"})
        self.assertIn("ENV=cc,,ktstr,ktstr,1,Thu Jan  1 00:00:00 UTC 1970\n", h.log())


class Failures(Builder):
    def test_a_release_that_is_another_version_is_refused(self):
        with ks.KernelServer() as server:
            server.release("6.14.2", kernel_tree.release_tarball("6.14.3"))
            server.release("6.15-rc2", kernel_tree.release_tarball("6.15-rc1"))
            for version, says, key in (("6.14.2", "6.14.3", "KernelMirror="), ("6.15-rc2", "6.15-rc1", "KernelCandidates=")):
                error, _ = self.refused({"kind": "version", "version": version}, DOWNLOAD, net=server.net())
                self.assertEqual(error["message"], f"{server.url}{server.path(version)}: its Makefile says that it is {says}, and not {version}; "
                                                   f"{key} in ktstrd.conf names another mirror")
                # Nothing of it is gone on with.
                server.release(version)
                h = self.build({"kind": "version", "version": version}, net=server.net())
                self.assertEqual(h.result["version"], version)
                self.assertEqual(len(server.asked(server.path(version))), 2)

    def test_a_compiler_error_is_the_message(self):
        tree = self.tree(error=EXT)
        error, _ = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertEqual(error["message"], f"{EXT}:3:9: error: 'ERROR' undeclared (first use in this function)")
        self.assertEqual(error["details"], [f"{EXT}: In function 'fake':", error["message"], "    3 |         ERROR;",
                                            "      |         ^~~~~"])
        self.assertFalse((tree / ".ktstr-compiling").exists())

    def test_what_is_no_utf_8_is_told_all_the_same(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text(r"""[ $1 != fs/exec.c ] && exit
printf '%s:1:1: warning: na\303\257ve caf\351\n' $1
printf '%s:3:9: error: unknown type name caf\351\n    3 |         caf\351;\n' $1
exit 1
""")
        error, h = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertEqual(error["message"], "fs/exec.c:3:9: error: unknown type name caf\ufffd")
        self.assertEqual(error["details"], [error["message"], "    3 |         caf\ufffd;"])
        self.assertEqual(h.all("warning"), ["fs/exec.c:1:1: warning: na\u00efve caf\ufffd"])
        self.assertIn("caf\ufffd;\n", h.log())

    def test_of_many_long_errors_the_first_are_told(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text(r"""[ $1 != fs/exec.c ] && exit
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '%s:%s:9: error: %05000d\n' $1 $i 0; done
exit 1
""")
        error, h = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertRegex(error["message"], r"^fs/exec\.c:1:9: error: 0{5000}$")
        self.assertEqual(error["details"][0], error["message"])
        self.assertEqual(h.log().count(": error: 0"), 12)

    def test_an_option_that_did_not_survive_is_named(self):
        error, _ = self.refused(of_tree(self.tree(drops=["SCHED_CLASS_EXT"], version="6.6.1")), BUILD_FAILED)
        self.assertEqual(error["message"], "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: kernel 6.6.1 has no sched_ext, "
                                           "which came with 6.12")
        error, _ = self.refused(of_tree(self.tree("new", drops=["SCHED_CLASS_EXT", "BPF_JIT"], version="6.12")), BUILD_FAILED)
        self.assertEqual(error["message"], "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: CONFIG_BPF_JIT, which it needs, is off")
        tree = self.tree("other", drops=["PCI", "VIRTIO_PCI"])
        error, _ = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertEqual(error["message"], "CONFIG_VIRTIO_PCI did not survive olddefconfig: CONFIG_PCI, which it needs, is off")

    def test_the_extra_configuration_is_blamed_for_what_it_did(self):
        error, _ = self.refused(of_tree(self.tree()), BUILD_FAILED, extra_kconfig="# CONFIG_BPF_EVENTS is not set\n")
        self.assertEqual(error["message"], "CONFIG_BPF_EVENTS did not survive olddefconfig: the extra configuration turns it off")

    def test_a_make_that_says_only_that_it_failed(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text("[ $1 != fs/exec.c ] || { echo 'I will not'; exit 3; }\n")
        error, _ = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertRegex(error["message"], r"^making fs/exec\.o failed: Error 3; last it said: I will not$")
        self.assertIn("I will not", error["details"])

    def test_a_rule_that_is_missing(self):
        tree = self.tree()
        (tree / EXT).unlink()
        error, _ = self.refused(of_tree(tree), BUILD_FAILED)
        self.assertIn("No rule to make target 'kernel/sched/ext.c', needed by 'kernel/sched/ext.o'", error["message"])

    def test_a_compiler_that_is_killed_ran_out_of_memory(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text("echo 'gcc: fatal error: Killed signal terminated program cc1'; exit 1\n")
        error, _ = self.refused(of_tree(tree), "io.ktstrd.Daemon.Internal")
        self.assertIn("memory ran out near ", error["message"])

    def test_a_full_disk_is_said(self):
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            self.skipTest("mounting is not permitted here")
        tree = self.tree()
        (tree / "scripts/compile").write_text('head -c 4M /dev/zero >"$1.big"\n')
        disk = self.dir / "disk"
        disk.mkdir()
        small = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=2M none {disk} && cp -r {tree} {disk}/tree && exec "$@"', "sh"]
        error, h = self.refused(of_tree(disk / "tree"), IO, before=small)
        self.assertIn("the disk is full", error["message"])
        self.assertIn("No space left on device", error["message"])
        self.assertRegex(h.all("warning")[0], f"^{disk}/tree has 0.0 GiB free, and building may take 6 GiB$")

    def test_a_tree_that_changes_while_it_is_built_is_not_kept(self):
        tree, _ = self.repository(changes=("vmlinux", EXT))
        h = self.build(of_tree(tree))
        self.assertTrue(h.the_plan["cacheable"])
        self.assertEqual((h.result["cacheable"], h.result["why"]), (False, f"its tree {tree} changed while it was built"))

    def test_a_commit_while_it_is_built_is_a_change(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text('[ "$1" != fs/exec.c ] || git -c user.name=t -c user.email=t@t commit -q --allow-empty -m second\n')
        self.git("init", "-q", cwd=tree)
        self.git("add", "-A", cwd=tree)
        self.git("commit", "-q", "-m", "first", cwd=tree)
        h = self.build(of_tree(tree))
        self.assertEqual((h.result["cacheable"], h.result["why"]), (False, f"its tree {tree} changed while it was built"))

    def test_a_configuration_that_changes_while_it_is_used_is_a_change(self):
        tree, _ = self.repository(changes=("vmlinux", ".config"))
        (tree / ".config").write_text("CONFIG_64BIT=y\n")
        h = self.build(of_tree(tree))
        self.assertEqual((h.the_plan["cacheable"], h.result["cacheable"]), (True, False))
        self.assertIn(f"its tree {tree} changed while it was built: it is not kept", h.all("warning"))

    def test_a_look_at_it_by_its_own_scripts_is_no_change(self):
        tree, commit = self.repository()
        os.utime(tree / EXT, (1000000000, 1000000000))  # the same text: git status looks again
        h = self.build(of_tree(tree))
        self.assertEqual((h.result["release"], h.result["cacheable"]), (f"6.14.2-g{commit[:12]}", True))

    def test_a_dirty_tree_is_built_and_not_kept(self):
        tree, commit = self.repository()
        (tree / EXT).write_text("/* mine */\n")
        h = self.build(of_tree(tree))
        self.assertEqual(h.result["release"], f"6.14.2-g{commit[:12]}-dirty")
        self.assertEqual((h.result["cacheable"], h.result["why"]), (False, f"its tree {tree} has changes that are not committed"))


class Kills(Builder):
    """However it ends, nothing runs afterwards, and another goes on."""

    def hanging(self, source, step, **more):
        h = self.start(source, **more)
        h.plan()
        h.say("go")
        h.logged(f"HANG    {step}")
        return h

    def gone(self, h, sig):
        h.process.send_signal(sig)
        h.end()
        kt.wait_until(lambda: not self.running(), "the end of all that make has started")
        return h.process.returncode

    def test_a_signal_ends_all_of_it_before_it_ends_itself(self):
        tree = self.tree(hangs="kernel/sched/ext.o")
        for sig in (signal.SIGTERM, signal.SIGINT):
            h = self.hanging(of_tree(tree), "kernel/sched/ext.o")
            h.process.send_signal(sig)
            self.assertEqual(h.end(), 128 + sig)
            self.nothing_runs()
            self.assertFalse((tree / ".ktstr-compiling").exists())

    def test_nobody_reading_ends_all_of_it(self):
        tree = self.tree()
        (tree / "scripts/compile").write_text("while echo '  CC      again.o'; do :; done\n")
        h = self.start(of_tree(tree))
        h.plan()
        h.say("go")
        h.logged("again.o")
        h.process.stdout.close()
        h.process.wait(kt.PATIENCE_S)
        kt.wait_until(lambda: not self.running(), "the end of all that make has started")
        h.process.stdin.close()
        h.process.stderr.close()
        h.file.close()

    def test_what_was_killed_is_gone_on_with(self):
        for step in ("defconfig", "olddefconfig", "kernel/sched/ext.o", "vmlinux"):
            with self.subTest(step=step):
                work = str(self.dir / f"work-{step.replace('/', '-')}")
                path = self.tarball(hangs=step)
                h = self.hanging(of_tarball(path), step, work=work)
                self.assertEqual(self.gone(h, signal.SIGKILL), -signal.SIGKILL)
                pathlib.Path(work, "source/scripts/hangs").unlink()
                h = self.build(of_tarball(path), work=work)
                self.assertNotIn("unpack", h.all("stage"))
                self.assertIn(f"going on with the source in {work}/source", h.all("note"))

    def test_killed_before_its_source_was_whole(self):
        path = self.tarball()
        h = self.start(of_tarball(path))
        h.plan()
        h.say("go")
        h.until(lambda line: line.get("stage") == "unpack")
        self.gone(h, signal.SIGKILL)
        # Whichever moment it was: half of it is there, or all of it.
        (self.work / "source").mkdir(exist_ok=True)
        (self.work / "source/Makefile").write_text("half\n")
        (self.work / "source.state").write_text((self.work / "source.state").read_text().replace("whole", "half"))
        h = self.build(of_tarball(path))
        self.assertIn("unpack", h.all("stage"))

    def test_a_fetch_that_was_killed_is_gone_on_with(self):
        origin, commit = self.repository("origin")
        h = self.start(of_git(origin, "master"))
        h.plan()
        h.say("go")
        h.until(lambda line: line.get("stage") == "clone")
        self.gone(h, signal.SIGKILL)
        source = self.work / "source"
        (source / ".git").mkdir(parents=True, exist_ok=True)
        for lock in ("index.lock", "shallow.lock", "config.lock", "HEAD.lock"):
            (source / ".git" / lock).write_text("")
        self.build(of_git(origin, "master"))
        self.assertEqual(self.git("rev-parse", "HEAD", cwd=source), commit)

    def test_another_source_takes_the_place_of_the_first(self):
        self.build(of_tarball(self.tarball("6.14.2")))
        (self.work / "source/left").write_text("")
        h = self.build(of_tarball(self.tarball("6.14.3", name="other.tar.xz")))
        self.assertEqual(h.result["version"], "6.14.3")
        self.assertFalse((self.work / "source/left").exists())

    def test_what_a_killed_make_made_last_is_made_again(self):
        tree = self.tree(hangs="vmlinux")
        # As kbuild does: what made a file is noted beside it.
        (tree / "scripts/compile").write_text('printf "cmd" >"$(dirname $1)/.$(basename ${1%.c}.o.cmd)"\n')
        h = self.hanging(of_tree(tree), "vmlinux")
        # The watcher has no time to see to it when all of it is killed at once.
        (tree / ".ktstr-compiling").rename(tree / "kept")
        self.gone(h, signal.SIGKILL)
        (tree / "kept").rename(tree / ".ktstr-compiling")
        old = tree / "init/main.o"
        os.utime(old, (1, 1))
        os.utime(tree / "init/main.c", (1, 1))
        (tree / "scripts/hangs").unlink()
        before = {o: (tree / f"{o}.o").stat().st_mtime_ns for o in kernel_tree.OBJECTS}
        h = self.build(of_tree(tree))
        again = {o for o in kernel_tree.OBJECTS if (tree / f"{o}.o").stat().st_mtime_ns != before[o]}
        self.assertEqual(again, set(kernel_tree.OBJECTS) - {"init/main"})
        self.assertIn(f"an earlier build in {tree} was killed: what it made last is made again", h.all("note"))

    def test_two_in_one_tree_are_one_after_the_other(self):
        tree = self.tree(hangs="kernel/sched/ext.o")
        first = self.hanging(of_tree(tree), "kernel/sched/ext.o")
        second = self.start(of_tree(tree), work=str(self.dir / "work2"))
        second.until(lambda line: line.get("note") == f"waiting for another build in {tree}")
        (tree / "scripts/hangs").unlink()
        self.gone(first, signal.SIGTERM)
        second.plan()
        second.say("go")
        self.assertEqual(second.end(), 0, str(second))

    def test_its_owners_make_sees_its_own_configuration_again(self):
        tree = self.tree()
        (tree / ".config").write_text("CONFIG_64BIT=y\n")
        (tree / "include/config").mkdir(parents=True)
        (tree / "include/config/auto.conf").write_text("ours\n")
        self.build(of_tree(tree))
        self.assertLess((tree / "include/config/auto.conf").stat().st_mtime, (tree / ".config").stat().st_mtime)

    def test_a_tree_is_built_with_its_owners_compiler_and_flags(self):
        for compiler, llvm in (("CC_IS_GCC", ""), ("CC_IS_CLANG", "1")):
            tree = self.tree()
            (tree / ".config").write_text(f"CONFIG_{compiler}=y\n")
            (tree / "scripts/step").write_text('echo "  ENV     LLVM=[$LLVM] KCFLAGS=[$KCFLAGS]"\n')
            h = self.build(of_tree(tree), work=str(self.dir / compiler))
            said = "".join(line["log"] for line in h.lines if "log" in line)
            self.assertIn(f"LLVM=[{llvm}] KCFLAGS=[]", said)


if __name__ == "__main__":
    kt.main()
