# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernels a name means, what they are called, and what a command does with several of them. The kernels are no kernels, the guests are
played by the fake QEMU."""

import json
import os
import signal
import socketserver
import subprocess
import tempfile
import threading
import unittest
import zlib

import kernel_files as kf
import ktstr_test as kt

KERNEL = "io.ktstrd.Kernel."
NOTHING = "nothing that will do is cached"


def todays_hash(profile="default"):
    """Of the kconfig fragment that kernels are built with."""
    return f"{zlib.crc32((kt.SOURCE / 'kconfig' / f'{profile}.config').read_bytes()):08x}"


class ResolveTest(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        self.enterContext(self.daemon)
        self.here = self.daemon.dir / "a/b"
        self.here.mkdir(parents=True)

    def write(self, path, release, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kf.elf(release, **{"config": kf.CONFIG, **options}))
        return path

    def take(self, release, **options):
        """An imported kernel; its key."""
        result = self.daemon.ctl("kernel", "import", self.write(self.daemon.dir / "files" / release, release, **options))
        self.assertEqual(result.status, 0, result)
        return result.out.split()[1]

    def build(self, release, key=None, kconfig=None, **members):
        """A kernel as if it had been built here; its key. Its metadata are written by hand."""
        kconfig = todays_hash() if kconfig is None else kconfig
        imported = self.take(release)
        key = key or f"{release}-tarball-x86_64-kc{kconfig}"
        metadata = json.loads((self.daemon.kernels / imported / "metadata.json").read_text())
        metadata.update({"key": key, "source": "tarball", "profile": "default", "ktstr_kconfig_hash": kconfig or None, **members})
        (self.daemon.kernels / imported).rename(self.daemon.kernels / key)
        (self.daemon.kernels / key / "metadata.json").write_text(json.dumps(metadata))
        return key

    def resolve(self, *specs, cwd=None, **options):
        return self.daemon.ctl("kernel", "resolve", *specs, cwd=cwd or self.here, **options)

    def resolved(self, *specs, **options):
        """[(label, key)] of what these come to."""
        result = self.resolve("--json", *specs, **options)
        self.assertEqual(result.status, 0, result)
        return [(r["label"], r["entry"]["key"]) for r in json.loads(result.out)]

    def keys(self, *specs, **options):
        return [key for _, key in self.resolved(*specs, **options)]

    def default(self):
        """The daemon's own, whatever lies about on the machine of the test."""
        return self.daemon.call(KERNEL + "Resolve")

    def refused(self, result, *words):
        self.assertEqual((result.status, result.out), (64, ""), result)
        self.assertEqual(len(result.err.splitlines()), 1, result)
        for word in words:
            self.assertIn(word, result.err)


class Named(ResolveTest):
    def test_case_2_an_inverted_range_is_refused_with_the_one_that_was_meant(self):
        for argv in (["kernel", "resolve", "6.14..6.12"], ["submit", "--kernel", "6.14..6.12"], ["kernel", "list", "--range", "6.14..6.12"],
                     ["shell", "--exec", "true", "--kernel", "6.14..6.12"], ["pool", "prime", "--kernel", "6.14..6.12"]):
            with self.subTest(argv=argv):
                self.refused(self.daemon.ctl(*argv), "inverted kernel range", "6.12..6.14")
        self.refused(self.resolve(env={"KTSTR_KERNEL": "6.14..6.12"}), "KTSTR_KERNEL", "inverted kernel range")
        reply = self.daemon.call(KERNEL + "Resolve", kernel="6.14..6.12")
        self.assertEqual(reply["error"], "org.varlink.service.InvalidParameter")
        self.assertIn("6.12..6.14", reply["parameters"]["message"])

    def test_case_3_labels(self):
        image = self.write(self.here / "Image-1", "6.18.7")
        tree = self.here / "linux.git"
        self.write(tree / "vmlinux", "6.15.0-rc3-00012-gabcdef0-dirty")
        git = self.build("6.15.1", key="for-next-git-abcdef0-x86_64-kc00000000", source="git", git_hash="abcdef0" * 5 + "abcde",
                         git_url="https://git.kernel.org/pub/scm/linux/kernel/git/tj/sched_ext.git", git_ref="for-next")
        local = self.build("6.15.2", key="local-a3f2b19-x86_64-kc00000000", source="local", git_hash="a3f2b1900" * 4 + "aaaa")
        unknown = self.build("6.15.3", key="local-unknown-x86_64-kc00000000", source="local")
        built, imported, candidate = self.build("6.14.2"), self.take("6.16.1-cloud"), self.take("6.15.0-rc3")

        def crc(path):
            return f"{zlib.crc32(str(path.resolve()).encode()):08x}"[:6]

        for spec, label in ((built, "kernel_6_14_2"), ("6.14", "kernel_6_14_2"), (imported, "kernel_6_16_1"),
                            (candidate, "kernel_6_15_rc3"), (git, "kernel_git_tj_sched_ext_for_next"), (local, "kernel_local_a3f2b1"),
                            (unknown, "kernel_local_unknown"), ("./Image-1", f"kernel_path_image_1_{crc(image)}"),
                            ("./linux.git", f"kernel_path_linux_git_{crc(tree)}_dirty")):
            with self.subTest(spec=spec):
                self.assertEqual([label for label, _ in self.resolved(spec)], [label])

    def test_a_version_is_what_was_released_and_not_what_somebody_made_of_it(self):
        variants = [self.build("6.14.2", key="6.14.2-tarball-x86_64-tiny-kc1", kconfig=todays_hash("tiny"), profile="tiny"),
                    self.build("6.14.2", key="6.14.2-tarball-x86_64-kc1-xkc2", extra_kconfig_hash="00000002"),
                    self.build("6.14.2", key="6.14.2-tarball-aaaaaaa-x86_64-kc1", source_sha256="a" * 64),
                    self.build("6.14.2", key="local-a3f2b19-x86_64-kc1", source="local", git_hash="a3f2b19" + "0" * 33)]
        notes = ["in the profile tiny", "with a configuration of its own", "of a source that is no release", "of somebody's tree"]
        # With each alone the version leads to it, and says what it is.
        for key, note in zip(variants, notes):
            others = [k for k in variants if k != key]
            for k in others:
                (self.daemon.kernels / k).rename(self.daemon.dir / k)
            result = self.resolve("6.14")
            self.assertEqual((result.status, result.out), (0, key + "\n"), result)
            self.assertIn(note, self.daemon.ctl("submit", "--json", "--kernel", "6.14", "--duration", "1s").out)
            for k in others:
                (self.daemon.dir / k).rename(self.daemon.kernels / k)
        self.assertEqual(self.keys("6.14", "6.14..6.15"), [variants[2]])
        plain = self.build("6.14.2")
        self.assertEqual(self.keys("6.14", "6.14.2", "6..7"), [plain])
        for key in variants:
            self.assertEqual(self.keys(key), [key])

    def test_somebodys_tree_is_nobodys_default(self):
        tree = self.daemon.dir / "linux"
        self.write(tree / "vmlinux", "6.19.3-mine")
        (tree / ".config").write_text(kf.CONFIG)
        self.assertEqual(self.daemon.ctl("kernel", "import", tree).status, 0)
        own = self.default()["parameters"]["entry"]["key"]
        self.assertEqual(own, "6.19.3-mine-tree-x86_64")
        plain = self.build("6.14.2")
        self.assertEqual(self.default()["parameters"]["entry"]["key"], plain)
        self.assertEqual(self.keys("6"), [plain])
        self.assertEqual(self.keys("6.19"), [own])

    def test_a_path_has_the_key_that_its_job_gets(self):
        keys = []
        for name in ("a", "b"):
            tree = self.daemon.dir / name
            self.write(tree / "vmlinux", "6.19.3-mine", padding=len(keys) + 1)
            (tree / ".config").write_text(kf.CONFIG)
            foreseen = self.keys(str(tree))[0]
            verdict = self.daemon.ctl("submit", "--json", "--duration", "1s", "--kernel", tree).verdict()
            self.assertEqual((verdict["verdict"], verdict["guest"]["kernel"]), ("pass", foreseen), verdict)
            self.assertEqual(self.keys(str(tree)), [foreseen])
            keys.append(foreseen)
        self.assertEqual(len(set(keys)), 2)

    def test_labels_are_unique_in_the_order_in_which_they_are_named(self):
        a, b, c = self.take("6.18.1-a"), self.take("6.18.1-b"), self.take("6.18.1-c")
        self.assertEqual(self.resolved(b, a, c), [("kernel_6_18_1", b), ("kernel_6_18_1_2", a), ("kernel_6_18_1_3", c)])

    def test_what_several_name_is_there_once(self):
        old, new = self.take("6.18.1-a"), self.take("6.19.1-a")
        image = self.write(self.here / "x/vmlinux", "6.18.1-a")
        self.assertEqual(self.keys("6.18", old, "6.18.1", "6.18..6.19", new), [old, new])
        # What lies there is not what is cached, whatever it calls itself.
        self.assertEqual([label[:13] for label, _ in self.resolved("6.18", "x/vmlinux", image)], ["kernel_6_18_1", "kernel_path_v"])

    def test_several_show_their_labels_and_one_its_key_alone(self):
        old, new = self.take("6.9.1-a"), self.take("6.18.10-a")
        self.assertEqual(self.resolve("6.18").out, f"{new}\n")
        self.assertEqual(self.resolve("6.18", "6.9").out, f"kernel_6_18_10  {new}\nkernel_6_9_1    {old}\n")
        self.assertEqual(self.resolve("6.9..6.18").out, f"kernel_6_9_1    {old}\nkernel_6_18_10  {new}\n")
        self.assertEqual(self.resolve(env={"KTSTR_KERNEL": " 6.18\t6.9 "}).out, self.resolve("6.18", "6.9").out)
        self.assertEqual(self.resolve("6.9", env={"KTSTR_KERNEL": "6.18"}).out, f"{old}\n")

    def test_a_range_has_both_ends_and_one_kernel_a_version(self):
        for release in ("6.13.9-a", "6.14.2-a", "6.14.2-cloud", "6.15.0-rc3", "6.16-a", "6.16.5-a", "6.17.1-a"):
            self.take(release)
        self.take("6.15.1-old", config=None, btf=kf.BTF_WITHOUT_SCHED_EXT)
        self.take("6.15.2-bare", btf=b"")
        stale = self.build("6.15.3", kconfig="00000000")
        for spec, releases in (("6.14..6.16", ["6.14.2-cloud", "6.16-a", "6.16.5-a"]), ("6.14..=6.16", ["6.14.2-cloud", "6.16-a", "6.16.5-a"]),
                               ("6.14.2..6.14.2", ["6.14.2-cloud"]), ("6.13..6.14.1", ["6.13.9-a"]), ("6.16.5..7", ["6.16.5-a", "6.17.1-a"]),
                               ("6.15-rc1..6.15", ["6.15.0-rc3"])):
            with self.subTest(spec=spec):
                self.assertEqual(self.keys(spec), [f"{r}-img-x86_64" for r in releases])
        self.refused(self.resolve("6.15..6.15"), "'6.15..6.15'", f"{stale} (stale kconfig)", "6.15.1-old-img-x86_64 (no sched_ext)", "--fetch")
        # One of several that is not there is an error, not a smaller run.
        self.refused(self.resolve("6.14", "6.11"), "no cached kernel matches '6.11'")

    def test_a_git_source_is_what_was_built_of_it_last(self):
        url, sha = "https://h/tj/sched_ext.git", "0123456789" * 4
        common = {"source": "git", "git_url": url, "git_ref": "for-next"}
        self.build("6.16.0", key="old", built_at="2026-01-01T00:00:00Z", git_hash="f" * 40, **common)
        self.build("6.15.0", key="new", built_at="2026-01-02T00:00:00Z", git_hash=sha, **common)
        self.build("6.15.0", key="other", git_hash="e" * 40, source="git", git_url="https://h/x/linux", git_ref="for-next")
        for spec, key in ((f"git+{url}#for-next", "new"), ("git+https://h/tj/sched_ext#branch=for-next", "new"), (f"git+{url}#sha={sha}", "new"),
                          (f"git+{url}#0123456", "new"), (f"git+{url}#{'f' * 40}", "old"), ("git+https://h/x/linux#for-next", "other")):
            with self.subTest(spec=spec):
                self.assertEqual(self.keys(spec), [key])
        for spec in (f"git+{url}#v6.14", "git+https://h/y#for-next"):
            self.refused(self.resolve(spec), f"'{spec}'", "kernel build --git", "--fetch")
        self.refused(self.resolve(f"git+{url}"), "git+URL#REF")

    def test_case_10_what_was_built_with_another_fragment_is_not_discovered(self):
        self.assertEqual(self.default()["error"], KERNEL + "NoSuchKernel")
        stale = self.build("6.19.2", kconfig="deadbeef")
        untracked = self.build("6.19.1", kconfig="")
        message = self.default()["parameters"]["message"]
        for word in (f"{stale} (stale kconfig)", f"{untracked} (untracked kconfig)", "ktstrctl kernel build"):
            self.assertIn(word, message)
        # By its key it is what was meant; so it is by a version that nothing else has, and that is said.
        for spec, key, note in ((stale, stale, ""), (untracked, untracked, ""), ("6.19.2", stale, f"only {stale} is cached, and its kconfig is stale"),
                                ("6.19", stale, "its kconfig is stale"), ("6.19.1", untracked, "its kconfig is untracked")):
            with self.subTest(spec=spec):
                result = self.resolve(spec)
                self.assertEqual((result.status, result.out), (0, f"{key}\n"), result)
                self.assertEqual(result.err.startswith("note: of "), bool(note), result)
                self.assertIn(note, result.err)
        verdict = self.daemon.ctl("submit", "--json", "--duration", "1s", "--kernel", "6.19.2").verdict()
        self.assertTrue(any("its kconfig is stale" in detail for detail in verdict["details"]), verdict)
        # What matches is older, and found; and then the version has something better.
        imported = self.take("6.12.1-a")
        self.assertEqual(self.default()["parameters"]["entry"]["key"], imported)
        built = self.build("6.19.0")
        self.assertEqual(self.default()["parameters"]["entry"]["key"], built)
        self.assertEqual(self.keys("6.19"), [built])
        self.assertEqual(self.keys("6.12..6.19"), [imported, built])
        tiny = self.build("6.19.3", kconfig=todays_hash("tiny"), profile="tiny")
        self.assertEqual(self.default()["parameters"]["entry"]["key"], tiny)

    def test_what_is_missing_is_told_with_what_gets_it(self):
        self.take("6.18.1-a")
        for spec, words in (("6.14", ["kernel build 6.14`", "--fetch", "kernel import", "cached: 6.18.1-a-img-x86_64"]),
                            ("6.14..6.16", ["--fetch", "kernel build 6.16`"]), ("v6.18", ["the version is written 6.18"])):
            with self.subTest(spec=spec):
                self.refused(self.resolve(spec), *words)

    def test_a_job_by_the_wire_has_one_kernel(self):
        self.take("6.18.1-a")
        only = self.daemon.call("io.ktstrd.Job.Submit", kernel="6.17..6.18", duration_ms=1000)
        self.assertEqual(only["parameters"]["event"]["verdict"]["verdict"], "pass")
        self.take("6.18.2-a")
        verdict = self.daemon.call("io.ktstrd.Job.Submit", kernel="6.17..6.18")["parameters"]["event"]["verdict"]
        self.assertEqual((verdict["verdict"], verdict["error"]), ("error", "org.varlink.service.InvalidParameter"))
        self.assertIn("is 2 kernels", verdict["reason"])
        for parameters in ({"kernel": "6.18", "kernels": ["6.18"]}, {"kernel": "./relative"}):
            reply = self.daemon.call(KERNEL + "Resolve", **parameters)
            self.assertEqual(reply["error"], "org.varlink.service.InvalidParameter", reply)


class Ranges(ResolveTest):
    def test_what_a_range_means(self):
        for release in ("6.13.9-a", "6.14.2-a", "6.14.2-b", "6.16.5-a", "6.9.1-a"):
            self.take(release)
        result = self.daemon.ctl("kernel", "list", "--range", "6.9..6.16")
        self.assertEqual((result.status, result.out), (0, "6.9.1\n6.13.9\n6.14.2\n6.16.5\n"), result)
        result = self.daemon.ctl("kernel", "list", "--range", "6.14..=6.16", "--json")
        self.assertEqual(json.loads(result.out), {"range": "6.14..=6.16", "start": "6.14", "end": "6.16", "versions": ["6.14.2", "6.16.5"]})
        result = self.daemon.ctl("kernel", "list", "--range", "7..8")
        self.assertEqual((result.status, result.out, result.err),
                         (0, "", "7..8: no version of it is cached; with --fetch kernel.org's releases are looked at too\n"), result)

    def test_what_is_no_range(self):
        self.refused(self.daemon.ctl("kernel", "list", "--range", "6.14"), "'6.14' is no range", "6.14..6.16")
        self.refused(self.daemon.ctl("kernel", "list", "--fetch"), "--range")
        self.refused(self.daemon.ctl("kernel", "list", "6.14..6.16"), "list takes no argument")


class Discovered(ResolveTest):
    """Only where nothing is named, and nothing that will do is cached."""

    def kernel_of(self, result):
        return [e["guest"]["kernel"] for e in result.events() if e.get("guest")][-1]

    def test_trees_here_and_beside(self):
        self.write(self.here.parent / "linux/vmlinux", "6.18.5-beside")
        result = self.resolve()
        self.assertEqual((result.status, result.out), (0, "6.18.5-beside-tree-x86_64\n"), result)
        self.assertIn(f"using ../linux: {NOTHING}\n", result.err)
        (self.here / "linux").mkdir()
        self.assertEqual(self.resolve().out, "6.18.5-beside-tree-x86_64\n", "a tree in which nothing was built is none")
        self.write(self.here / "linux/vmlinux", "6.18.4-here")
        result = self.daemon.ctl("submit", "--json", "--duration", "1s", cwd=self.here)
        self.assertEqual((result.status, self.kernel_of(result)), (0, "6.18.4-here-tree-x86_64"), result)
        self.assertEqual(result.err, f"using ./linux: {NOTHING}\n")
        # It has been taken into the cache, which comes first.
        result = self.daemon.ctl("shell", "--exec", "true", cwd=self.here)
        self.assertEqual((result.status, "using" in result.err), (0, False), result)

    def test_a_tree_that_will_not_do_is_passed_over_and_that_is_said(self):
        self.write(self.here / "linux/vmlinux", "6.11.0-old", config=None, btf=kf.BTF_WITHOUT_SCHED_EXT)
        (self.here.parent / "linux").mkdir()
        (self.here.parent / "linux/vmlinux").write_text("no kernel")
        result = self.resolve()
        self.assertIn("passing over ./linux: it has no sched_ext\n", result.err)
        self.assertIn("passing over ../linux: ", result.err)

    def test_where_there_is_none_at_all_the_job_says_so(self):
        # This machine may have a kernel of its own that will do.
        if self.resolve().status == 0:
            self.skipTest("a kernel with sched_ext is installed here")
        result = self.daemon.ctl("submit", "--json", cwd=self.here)
        self.assertEqual((result.status, result.verdict()["error"]), (64, KERNEL + "NoSuchKernel"), result)
        self.assertEqual(self.daemon.ctl("shell", "--exec", "true", cwd=self.here).status, 64)

    def test_what_is_cached_comes_first(self):
        key = self.take("6.12.1-a")
        self.write(self.here / "linux/vmlinux", "6.18.4-here")
        self.assertEqual((self.resolve().out, self.resolve().err), (f"{key}\n", ""))

    def test_case_12_what_is_named_is_never_replaced(self):
        self.take("6.18.1-a")
        self.write(self.here / "linux/vmlinux", "6.18.4-here")
        for env, argv in (({"KTSTR_KERNEL": "6.14.2"}, []), ({"KTSTR_KERNEL": "6.14.2-tarball-x86_64-kcdeadbeef"}, []),
                          ({"KTSTR_KERNEL": "./nothing"}, []), ({}, ["6.14.2"]), ({"KTSTR_KERNEL": "6.18"}, ["6.14.2"])):
            with self.subTest(env=env, argv=argv):
                self.refused(self.resolve(*argv, env=env))
        result = self.daemon.ctl("submit", "--json", env={"KTSTR_KERNEL": "6.14.2"}, cwd=self.here)
        self.assertEqual((result.status, result.verdict()["error"]), (64, KERNEL + "NoSuchKernel"), result)

    def test_an_environment_that_names_a_path(self):
        image = self.write(self.here / "with a blank/vmlinux", "6.18.4-blank")
        self.assertEqual(self.resolve(env={"KTSTR_KERNEL": str(image)}).out, "6.18.4-blank-img-x86_64\n")
        self.assertEqual(self.resolve("~/vmlinux", env={"HOME": str(image.parent)}).out, "6.18.4-blank-img-x86_64\n")


class FannedOut(ResolveTest):
    JOB = ["submit", "--duration", "1s"]

    def test_a_job_for_each(self):
        keys = {"kernel_6_17_1": self.take("6.17.1-a"), "kernel_6_18_1": self.take("6.18.1-a"), "kernel_6_19_1": self.take("6.19.1-a")}
        result = self.daemon.ctl(*self.JOB, "--json", "--kernel", "6.19", "--kernel", "6.17..6.18")
        self.assertEqual((result.status, result.err), (0, ""), result)
        events = result.events()
        self.assertEqual({e["label"] for e in events}, set(keys))
        for label, key in keys.items():
            with self.subTest(label=label):
                mine = [e for e in events if e["label"] == label]
                self.assertEqual([e["seq"] for e in mine], sorted(e["seq"] for e in mine))
                self.assertEqual(mine[-1]["verdict"]["verdict"], "pass")
                self.assertEqual(mine[-1]["verdict"]["guest"]["kernel"], key)
        self.assertEqual(len(self.daemon.jobs()), 3)

    def test_what_a_person_sees(self):
        self.take("6.9.1-a"), self.take("6.18.10-a")
        result = self.daemon.ctl(*self.JOB, "-v", "--kernel", "6.9", "--kernel", "6.18")
        self.assertEqual((result.status, result.err), (0, ""), result)
        text, _, table = result.out.rpartition("\n\n")
        self.assertRegex(table, r"\Akernel_6_9_1    PASS          \S.*\nkernel_6_18_10  PASS          \S.*\n\Z")
        for label in ("kernel_6_9_1", "kernel_6_18_10"):
            self.assertRegex(text, rf"(?m)^{label} +\d+\.\d\ds  booting")
            self.assertRegex(text, rf"(?m)^PASS EEVDF on {label}: ")

    def test_a_path_is_taken_in_and_named_by_its_label(self):
        self.take("6.18.1-a")
        self.write(self.here / "linux/vmlinux", "6.19.4-here")
        result = self.daemon.ctl(*self.JOB, "--json", "--kernel", "6.18", "--kernel", "./linux", cwd=self.here)
        self.assertEqual(result.status, 0, result)
        kernels = {e["label"][:11]: e["verdict"]["guest"]["kernel"] for e in result.events() if e.get("verdict")}
        self.assertEqual(kernels, {"kernel_6_18": "6.18.1-a-img-x86_64", "kernel_path": "6.19.4-here-tree-x86_64"})

    def test_the_scheduler_goes_along_with_each(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        result = self.daemon.ctl(*self.JOB, "--sched", "/bin/ls", "--kernel", "6.17..6.18", "--", "-x")
        self.assertEqual(result.status, 0, result)
        handed = [line.split() for line in self.daemon.handed.read_text().splitlines() if line.startswith("file ")]
        for name in ("ls", "libc.so.6"):
            # Path, mode, size and checksum: twice the same, and whole.
            mine = [tuple(words[1:]) for words in handed if words[1].endswith("/" + name)]
            self.assertEqual((len(mine), len(set(mine))), (2, 1), mine)
        self.assertIn("PASS ls on kernel_6_17_1: ", result.out)

    def test_the_worst_counts_and_the_others_go_on(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        bad = self.take("6.12.1-old", config=None, btf=kf.BTF_WITHOUT_SCHED_EXT)
        result = self.daemon.ctl(*self.JOB, "--sched", "/bin/ls", "--kernel", "6.17..6.18", "--kernel", bad)
        self.assertEqual(result.status, 64, result)
        *_, first, second, third = result.out.splitlines()
        self.assertEqual([line.split()[1] for line in (first, second, third)], ["PASS", "PASS", "ERROR"])
        self.assertIn("CONFIG_SCHED_CLASS_EXT", third)
        self.daemon.play("die_after_hello")
        result = self.daemon.ctl(*self.JOB, "--kernel", "6.17..6.18")
        self.assertEqual(result.status, 3, result)

    def test_what_the_daemon_does_not_take_is_told_for_each(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        result = self.daemon.ctl(*self.JOB, "--topology", "abc", "--kernel", "6.17..6.18")
        self.assertEqual(result.status, 64, result)
        self.assertEqual([line.split(": ")[2] for line in sorted(result.err.splitlines())], ["kernel_6_17_1", "kernel_6_18_1"])
        self.assertIn("invalid topology 'abc'", result.out)
        result = self.daemon.ctl(*self.JOB, "--detach", "--topology", "abc", "--kernel", "6.17..6.18")
        self.assertEqual((result.status, result.out), (64, ""), result)

    def test_an_interrupt_cancels_all(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        self.daemon.play("wait_for_cancel")
        client = self.daemon.ctl_start("submit", "--kernel", "6.17..6.18")
        kt.wait_until(lambda: [j["state"] for j in self.daemon.jobs()] == ["running"] * 2, "both to run")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, err), (130, "cancelling all…\n"), out)
        self.assertEqual([line.split()[1] for line in out.splitlines()[-2:]], ["CANCELLED"] * 2, out)
        # On one whose name it does not know yet the client only hangs up.
        kt.wait_until(lambda: [j.get("verdict") for j in self.daemon.jobs()] == ["cancelled"] * 2, "both to be cancelled")

    def test_a_second_interrupt_does_not_wait(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        self.daemon.play("hang_after_hello")
        client = self.daemon.ctl_start("submit", "--kernel", "6.17..6.18")
        kt.wait_until(lambda: [j["state"] for j in self.daemon.jobs()] == ["running"] * 2, "both to run")
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.stderr.readline(), "cancelling all…\n")
        client.send_signal(signal.SIGTERM)
        out, _ = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual(client.returncode, 130, out)

    def test_detached_each_has_its_id_and_label(self):
        self.take("6.17.1-a"), self.take("6.18.1-a")
        result = self.daemon.ctl(*self.JOB, "--detach", "--kernel", "6.17..6.18")
        self.assertEqual((result.status, result.err), (0, ""), result)
        jobs = dict(line.split(" ") for line in result.out.splitlines())
        self.assertEqual(sorted(jobs.values()), ["kernel_6_17_1", "kernel_6_18_1"])
        self.assertEqual(set(jobs), {j["job"] for j in self.daemon.jobs()})
        for job in jobs:
            self.assertEqual(self.daemon.ctl("attach", job).status, 0)
        result = self.daemon.ctl(*self.JOB, "--detach", "--json", "--kernel", "6.17", "--kernel", "6.18")
        self.assertEqual([set(json.loads(line)) for line in result.out.splitlines()], [{"job", "label"}] * 2)
        for line in result.out.splitlines():
            self.daemon.ctl("attach", json.loads(line)["job"])

    def test_more_than_run_at_a_time(self):
        bound = 64
        self.assertIn(f"#define FAN_OUT_MAX {bound}U\n", (kt.SOURCE / "client/fan_out.h").read_text())
        self.take("6.18.1-a")
        entry = self.daemon.kernels / "6.18.1-a-img-x86_64"
        for i in range(bound + 3):
            copy = self.daemon.kernels / f"copy{i}"
            copy.mkdir()
            for file in entry.iterdir():
                if file.is_file() and file.name != "metadata.json":
                    os.link(file, copy / file.name)
            (copy / "metadata.json").write_text((entry / "metadata.json").read_text().replace("6.18.1-a-img-x86_64", copy.name))
        kernels = [option for i in range(bound + 3) for option in ("--kernel", f"copy{i}")]
        result = self.daemon.ctl(*self.JOB, "--json", *kernels)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(len([e for e in result.events() if e.get("verdict")]), bound + 3)

    def test_a_command_of_one_guest_takes_one(self):
        keys = [self.take("6.17.1-a"), self.take("6.18.1-a")]
        for argv in (["shell", "--exec", "true", "--kernel", "6.17..6.18"], ["shell", "--exec", "true", "--kernel", "6.17", "--kernel", "6.18"],
                     ["pool", "prime", "--kernel", "6.17..6.18"]):
            with self.subTest(argv=argv):
                self.refused(self.daemon.ctl(*argv), "one kernel", *keys)
        self.assertEqual(self.daemon.ctl("shell", "--exec", "true", "--kernel", "6.18..7", "--kernel", "6.18").status, 0)


class Fetched(unittest.TestCase):
    """--fetch, against a daemon that is played here: what it is asked for, and in which order. A build takes what it is told into the cache."""

    RELEASED = ["6.14.11", "6.15.9", "6.16.5"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ktstr-test-")
        self.addCleanup(folder.cleanup)
        self.here = folder.name
        self.hanging, self.cancelled = set(), threading.Event()
        self.cached, self.calls, self.verdict = {"6.15.9"}, [], {
            "verdict": "pass", "reason": "built: KEY", "details": [], "kernel": "KEY", "elapsed_ms": 1,
            "build": {"source": "6.14.11", "profile": "default", "stages": [], "cached": True, "existed": False}}
        server = socketserver.ThreadingUnixStreamServer(f"{self.here}/s", self.handler())
        server.daemon_threads = True
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def handler(self):
        test = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                buffer = b""
                while data := self.request.recv(65536):
                    *messages, buffer = (buffer + data).split(b"\0")
                    for message in map(json.loads, messages):
                        test.calls.append((message["method"].rpartition(".")[2], message["parameters"]))
                        for reply in getattr(test, test.calls[-1][0])(**message["parameters"]):
                            self.request.sendall(json.dumps(reply).encode() + b"\0")

        return Handler

    def Resolve(self, kernel=None, kernels=None):
        names = kernels or ([kernel] if kernel else [])
        found = [v for name in names or [max(self.cached, default="")] for v in (sorted(self.cached) if ".." in name else [name])]
        missing = [v for v in found if v not in self.cached]
        if missing:
            yield {"error": KERNEL + "NoSuchKernel", "parameters": {"message": f"no {missing[0]}"}}
        else:
            resolved = [{"spec": v, "label": f"kernel_{v}", "entry": {"key": v}} for v in found]
            yield {"parameters": {"entry": resolved[0]["entry"], "resolved": resolved}}

    def Versions(self, range, fetch=False):
        yield {"parameters": {"range": range, "start": "", "end": "", "versions": sorted({*self.cached, *(self.RELEASED if fetch else [])})}}

    def Build(self, version=None, git_url=None, git_ref=None):
        if version in self.hanging:
            yield {"continues": True, "parameters": {"job": "j", "event": {"kind": "step", "message": "compiling"}}}
            self.cancelled.wait(kt.PATIENCE_S)
            yield {"parameters": {"job": "j", "event": {"kind": "verdict", "verdict": {**self.verdict, "verdict": "cancelled"}}}}
            return
        self.cached.add(version or f"git+{git_url}#{git_ref}" if version or git_url else "6.16.5")
        if git_ref:
            self.cached.update(f"git+{git_url}#{form}" for form in (git_ref.replace("refs/tags/", "tag="), git_ref.replace("refs/heads/", "branch=")))
        yield {"continues": True, "parameters": {"job": "j", "event": {"kind": "step", "message": "compiling"}}}
        yield {"parameters": {"job": "j", "event": {"kind": "verdict", "verdict": self.verdict}}}

    def Cancel(self, job):
        self.cancelled.set()
        yield {"parameters": {}}

    def start(self, *argv):
        env = {k: v for k, v in os.environ.items() if k != "KTSTR_KERNEL"}
        return subprocess.Popen([kt.KTSTRCTL, "kernel", "resolve", *argv], env=dict(env, KTSTRD_SOCKET=f"{self.here}/s"), cwd=self.here,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def resolve(self, *argv):
        p = self.start(*argv)
        out, err = p.communicate(timeout=kt.PATIENCE_S)
        return kt.Result(argv, p.returncode, out, err)

    def builds(self):
        return [parameters for name, parameters in self.calls if name == "Build"]

    def test_a_version_is_built_only_where_it_is_missing_and_only_when_asked(self):
        self.assertEqual(self.resolve("6.14.11").status, 64)
        self.assertEqual(self.builds(), [])
        result = self.resolve("--fetch", "6.15.9", "6.14.11")
        self.assertEqual((result.status, self.builds()), (0, [{"version": "6.14.11"}]), result)
        self.assertEqual(result.out, "kernel_6.15.9   6.15.9\nkernel_6.14.11  6.14.11\n")
        self.assertRegex(result.err, r"\Abuilding 6\.14\.11: it is not cached\n *[0-9.]+s  compiling\nbuilt: KEY \(.*\)\n\Z")

    def test_of_a_range_what_is_released_and_missing_one_after_the_other(self):
        result = self.resolve("--fetch", "6.14..6.16")
        self.assertEqual((result.status, self.builds()), (0, [{"version": "6.14.11"}, {"version": "6.16.5"}]), result)
        self.assertEqual([line.split()[1] for line in result.out.splitlines()], self.RELEASED)

    def test_a_git_source_says_what_its_ref_is(self):
        self.resolve("--fetch", "git+https://h/r#tag=v6.14")
        self.resolve("--fetch", "git+https://h/r#branch=x")
        self.resolve("--fetch", "git+https://h/r#x")
        self.assertEqual([b["git_ref"] for b in self.builds()], ["refs/tags/v6.14", "refs/heads/x", "x"])
        self.assertEqual({b["git_url"] for b in self.builds()}, {"https://h/r"})

    def test_a_ref_that_may_have_moved_is_asked_for_each_time(self):
        for ref in ("branch=x", "tag=v6.14", "tag=0123456", "x"):
            self.calls.clear()
            for n in (1, 2):
                result = self.resolve("--fetch", f"git+https://h/r#{ref}")
                self.assertEqual((result.status, len(self.builds())), (0, n), result)
        self.assertIn("building git+https://h/r#x: unless the commit that it is now is cached\n", result.err)
        sha = "0123456789" * 4
        for ref in (sha, f"sha={sha}", "0123456"):
            self.calls.clear()
            self.cached = {f"git+https://h/r#{ref}"}
            result = self.resolve("--fetch", f"git+https://h/r#{ref}")
            self.assertEqual((result.status, self.builds(), result.err), (0, [], ""), result)

    def test_a_repository_in_a_folder_is_found_by_the_daemon_too(self):
        folder = os.path.realpath(os.path.join(self.here, "linux"))
        os.mkdir(folder)
        for spec in ("git+linux#x", "git+./linux#x", f"git+{folder}#branch=x"):
            self.resolve("--fetch", spec)
            self.cached.clear()
        self.assertEqual([b["git_url"] for b in self.builds()], [folder] * 3)
        self.resolve("--fetch", "git+git@host:linux#x")
        self.assertEqual(self.builds()[-1]["git_url"], "git@host:linux")

    def test_the_newest_where_nothing_is_named_and_nothing_cached(self):
        result = self.resolve("--fetch")
        self.assertEqual((result.status, result.out, self.builds()), (0, "6.15.9\n", []), result)
        self.cached.clear()
        result = self.resolve("--fetch")
        self.assertEqual((result.status, result.out, self.builds()), (0, "6.16.5\n", [{}]), result)

    def test_a_key_and_a_path_cannot_be_got(self):
        for spec in ("6.14.2-tarball-x86_64-kcdeadbeef", "./nothing"):
            self.assertEqual(self.resolve("--fetch", spec).status, 64)
        self.assertEqual(self.builds(), [])

    def test_an_interrupt_ends_the_second_build_too(self):
        self.hanging = {"6.16.5"}
        client = self.start("--fetch", "6.14.11", "6.16.5")
        kt.wait_until(lambda: len(self.builds()) == 2, "the second build")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, out), (130, ""), err)

    def test_what_does_not_compile_is_not_gone_on_with(self):
        for verdict, status in (("fail", 3), ("error", 3), ("cancelled", 130)):
            with self.subTest(verdict=verdict):
                self.calls.clear()
                self.verdict = {"verdict": verdict, "reason": "no luck", "details": ["a.c:1: error: no"]}
                self.cached = {"6.15.9"}
                result = self.resolve("--fetch", "6.14..6.16")
                self.assertEqual((result.status, result.out, len(self.builds())), (status, "", 1), result)
                self.assertRegex(result.err, r"6\.14\.11: no luck \([^\n]*\n *note: *a\.c:1: error: no\n")


if __name__ == "__main__":
    kt.main()
