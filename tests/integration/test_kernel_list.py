# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel cache: how what is in it is listed and removed, and which kernel a name means."""

import json
import os
import pathlib
import random
import re
import shutil

import kernel_files as kf
import ktstr_test as kt
from kernel_case import KERNEL, KernelTest


class Listed(KernelTest):
    def test_an_empty_cache(self):
        result = self.daemon.ctl("kernel", "list")
        self.assertEqual((result.status, result.err), (0, f"cache: {self.cache}\n"), result)
        self.assertRegex(result.out, r"\Ano cached kernels\. Run `ktstrctl kernel build` to download and build a kernel[^\n]*kernel import[^\n]*\n\Z")
        result = self.daemon.ctl("kernel", "list", "--json")
        self.assertEqual((result.status, result.err), (0, ""), result)
        listed = json.loads(result.out)
        self.assertRegex(listed.pop("current_ktstr_kconfig_hash"), r"\A[0-9a-f]{8}\Z")
        self.assertEqual(listed, {"root": str(self.cache), "active_prefixes_fetch_error": None, "entries": [], "size_bytes": 0})

    def test_rows_are_newest_first(self):
        releases = ["6.9.1-b", "6.18.2-a", "6.18.10-a", "6.18.10-cloud-a", "6.19.0-rc2-a", "6.19.0-rc10-a", "6.19.0-a", "7.0.0-a"]
        for release in random.Random(4).sample(releases, len(releases)):
            self.take(self.write(release, kf.elf(release)))
        result = self.daemon.ctl("kernel", "list")
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.err, rf"\Acache: {self.cache}\n8 kernels, 0\.00 GiB\n\Z")
        header, *rows = result.out.splitlines()
        self.assertEqual(header, "  " + "KEY".ljust(48) + " " + "VERSION".ljust(12) + " SOURCE   ARCH    BUILT")
        self.assertEqual([row[2:50].rstrip() for row in rows],
                         [f"{r}-img-x86_64" for r in ("7.0.0-a", "6.19.0-a", "6.19.0-rc10-a", "6.19.0-rc2-a", "6.18.10-cloud-a",
                                                      "6.18.10-a", "6.18.2-a", "6.9.1-b")])
        entry = self.entry("6.19.0-rc10-a-img-x86_64")
        self.assertEqual(rows[2], f"  {entry['key']:<48} {'6.19-rc10':<12} {'image':<8} {'x86_64':<7} {entry['built_at']}")

    def test_json(self):
        key = self.take(self.write("vmlinux", kf.elf()))
        result = self.daemon.ctl("kernel", "list", "--json")
        self.assertEqual((result.status, result.err), (0, ""), result)
        listed = json.loads(result.out)
        self.assertEqual((listed["root"], listed["entries"]), (str(self.cache), self.entries()))
        only_listed = {"eol", "size_bytes"}
        self.assertEqual({k: v for k, v in listed["entries"][0].items() if k not in only_listed}, self.entry(key))
        self.assertEqual(json.loads(self.daemon.ctl("kernel", "info", key, "--json").out)["entry"], self.entry(key))
        self.assertEqual([r["entry"] for r in json.loads(self.resolve("--json").out)], [self.entry(key)])

    def test_remove(self):
        keys = [self.take(self.write(r, kf.elf(r))) for r in ("6.18.1-a", "6.18.2-a", "6.18.3-a")]
        result = self.daemon.ctl("kernel", "remove", *keys[:2])
        self.assertEqual((result.status, result.err), (0, ""), result)
        self.assertEqual(self.keys(), keys[2:])
        self.assert_whole()
        for verb in ("remove", "info"):
            result = self.daemon.ctl("kernel", verb, keys[0])
            self.assertEqual((result.status, result.out), (64, ""), result)
            self.assertRegex(result.err, rf"\Aktstrctl: kernel: no kernel '{re.escape(keys[0])}' in [^\n]*kernel list[^\n]*\n\Z")

    def test_keys_that_are_none(self):
        (self.files / "outside").mkdir()
        key = self.take(self.write("vmlinux", kf.elf()))
        for bad in ("..", ".", "", ".locks", "a/b", "../files", "../files/outside", "a b", "a\nb", str(self.files), key + "/", "x" * 300):
            for verb in ("info", "remove"):
                with self.subTest(verb=verb, bad=bad):
                    result = self.daemon.ctl("kernel", verb, bad)
                    self.assertEqual((result.status, result.out), (64, ""), result)
                    self.assertEqual(len(result.err.splitlines()), 1, result)
        self.assertTrue((self.files / "outside").exists())
        self.assertTrue((self.cache / ".locks").exists())
        self.assertEqual(self.keys(), [key])

    def test_what_is_corrupt_is_listed_and_never_chosen(self):
        good = self.take(self.write("good", kf.elf("6.17.1-good")))
        whole = self.take(self.write("vmlinux", kf.elf("6.18.1-bad", config=kf.CONFIG)))
        metadata = json.loads(self.read(whole, "metadata.json"))
        text = json.dumps(metadata)
        cases = {
            "gone": ("missing", lambda p: p.unlink()),
            "folder": ("unreadable", lambda p: (p.unlink(), p.mkdir())),
            "fifo": ("unreadable", lambda p: (p.unlink(), os.mkfifo(p))),
            "large": ("unreadable", lambda p: p.write_text(text + " " * (2 << 20))),
            "text": ("malformed", lambda p: p.write_text("not json")),
            "twice": ("malformed", lambda p: p.write_text(text + text)),
            "array": ("schema_drift", lambda p: p.write_text("[1]")),
            "no-image": ("image_missing", lambda p: (p.parent / "vmlinux").unlink()),
            "short-image": ("image_missing", lambda p: os.truncate(p.parent / "vmlinux", 1000)),
            "no-btf": ("unknown", lambda p: (p.parent / "btf").unlink()),
            "no-config": ("unknown", lambda p: (p.parent / "config").unlink()),
        }
        for i, cut in enumerate((0, 1, 2, len(text) // 3, len(text) // 2, len(text) - 1)):
            cases[f"cut{i}"] = ("truncated", lambda p, cut=cut: p.write_text(text[:cut]))
        for name in metadata.keys() - {"btf_sha256", "config_sha256"}:
            less = {k: v for k, v in metadata.items() if k != name}
            cases[f"lacks-{name}"] = ("schema_drift", lambda p, less=less: p.write_text(json.dumps(less)))
            null = {**metadata, name: None}
            cases[f"null-{name}"] = ("schema_drift", lambda p, null=null: p.write_text(json.dumps(null)))
        for i, other in enumerate(({"image_size": "1"}, {"modules": [None]}, {"modules": ["../../x"]}, {"modules": {}}, {"has_btf": 1},
                                   {"imported_from": [3]}, {"release": []})):
            cases[f"other{i}"] = ("schema_drift", lambda p, other=other: p.write_text(json.dumps({**metadata, **other})))
        cases["negative"] = ("image_missing", lambda p: p.write_text(json.dumps({**metadata, "image_size": -1})))
        for name, (_, spoil) in cases.items():
            shutil.copytree(self.cache / whole, self.cache / f"6.19.1-{name}")
            spoil(self.cache / f"6.19.1-{name}" / "metadata.json")
        self.daemon.ctl("kernel", "remove", whole)

        first, *rest = self.entries()
        self.assertEqual(first["key"], good)
        got = {e["key"].removeprefix("6.19.1-"): e for e in rest}
        self.assertEqual({name: e["error_kind"] for name, e in got.items()}, {name: kind for name, (kind, _) in cases.items()})
        for name, entry in got.items():
            self.assertEqual(set(entry), {"key", "path", "error", "error_kind", "size_bytes"}, name)
        header, row, *rows = self.daemon.ctl("kernel", "list").out.splitlines()
        self.assertIn(good, row)
        self.assertEqual(rows, [f"  {e['key']:<48} (corrupt: {e['error']})" for e in rest])

        self.assertEqual(self.resolve().out.strip(), good)
        self.assertEqual(self.resolve("6.19").status, 64)
        named = self.resolve("6.19.1-text")
        self.assertEqual((named.status, named.out), (64, ""), named)
        for word in ("6.19.1-text", "corrupt", "kernel remove"):
            self.assertIn(word, named.err)
        self.assertEqual(self.daemon.ctl("kernel", "remove", *(e["key"] for e in rest)).status, 0)
        self.assertEqual(self.keys(), [good])
        self.assert_whole()

    def test_an_entry_of_which_nothing_can_be_told_is_put_up_with(self):
        key = self.take(self.write("vmlinux", kf.elf()))
        metadata = self.cache / key / "metadata.json"
        for version in ("", "-", "6-", "6.-rc", "x", "6.18.1-rc", "99999999999999999999.1"):
            metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "version": version}))
            shutil.copytree(self.cache / key, self.cache / f"copy{version}", dirs_exist_ok=True)
            self.assertEqual(self.daemon.ctl("kernel", "list").status, 0)
            self.assertEqual(self.resolve(key).out.strip(), key)

    def test_what_else_lies_in_the_cache(self):
        self.cache.joinpath("README").write_text("hello")
        self.cache.joinpath("link").symlink_to(self.files)
        image = self.write("vmlinux", kf.elf())
        self.cache.joinpath("6.18.1-test-img-x86_64").write_text("a file where an entry should be")
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.out, r"^imported: 6.18.1-test-img-x86_64-[0-9a-f]{8}\n$")
        self.assertEqual(len(self.entries()), 1)

    def test_where_both_keys_are_taken_the_one_to_remove_is_named(self):
        image = self.write("vmlinux", kf.elf())
        first = self.take(image)
        (self.cache / first / "metadata.json").write_text("{")
        second = self.daemon.ctl("kernel", "import", image).out.split()[1]
        self.assertRegex(second, f"^{first}-[0-9a-f]{{8}}$")
        (self.cache / second / "metadata.json").write_text("{")
        result = self.daemon.ctl("kernel", "import", image)
        self.assertEqual(result.status, 64, result)
        self.assertRegex(result.err, rf"\Aktstrctl: kernel: entry {second} .*kernel remove {second}`\n\Z")


class Resolved(KernelTest):
    OLD = "6.12.5-old-img-x86_64"
    BARE = "6.13.1-bare-img-x86_64"

    def fill(self):
        self.take(self.write("old", kf.elf("6.12.5-old", btf=kf.BTF_WITHOUT_SCHED_EXT)))
        self.take(self.write("bare", kf.elf("6.13.1-bare", btf=b"", config=kf.CONFIG)))

    def kernel_of(self, result):
        """Which kernel a job got."""
        return [e["guest"]["kernel"] for e in result.events() if e.get("guest")][-1]

    def assert_refused(self, result, spec):
        """Never another than named; and what is there, what of it will not do, and what to type next."""
        self.assertEqual((result.status, result.out), (64, ""), result)
        self.assertRegex(result.err, r"\Aktstrctl: \w+: [^\n]+\n\Z")
        if spec:
            self.assertIn(f"'{spec}'", result.err)
        self.assertIn(f"{self.OLD} (no sched_ext)", result.err)
        self.assertIn(f"{self.BARE} (no BTF)", result.err)
        self.assertIn("ktstrctl kernel import", result.err)

    def test_what_a_name_means(self):
        self.fill()
        for release in ("6.15.0-rc3-b", "6.16.1-a", "6.18.2-a", "6.18.15-a", "6.18.9-a", "6.180.1-a", "6.19.0-rc3-a", "6.19.0-rc12-a", "6.20-a"):
            self.take(self.write(release, kf.elf(release)))
        for spec, release in (
                (None, "6.180.1-a"), ("6", "6.180.1-a"), ("6.18", "6.18.15-a"), ("6.18.15", "6.18.15-a"), ("6.18.2", "6.18.2-a"),
                ("6.15-rc3", "6.15.0-rc3-b"), ("6.15.0-rc3", "6.15.0-rc3-b"), ("6.19-rc12", "6.19.0-rc12-a"), ("6.20", "6.20-a"),
                ("6.20.0", "6.20-a"), ("6.12", "6.12.5-old"), ("6.13.1", "6.13.1-bare"), ("6.18.9-a", "6.18.9-a"),
                ("6.18.9-a-img-x86_64", "6.18.9-a"), ("6.19.0-rc3-a", "6.19.0-rc3-a")):
            with self.subTest(spec=spec):
                result = self.resolve(*([spec] if spec else []))
                self.assertEqual((result.status, result.out), (0, f"{release}-img-x86_64\n"), result)
                if spec:
                    self.assertEqual(self.resolve(env={"KTSTR_KERNEL": spec}).out, result.out)
        for spec in ("6.17", "6.18.3", "6.1", "6.15", "6.15.0", "6.19", "6.19-rc1", "6.19.1-rc3", "7", "6.18.", "6.18.15.1", "6.18.9-b",
                     "6.18.9-a-deb-x86_64", "nosuchkey", "6.15-rc", "newest"):
            with self.subTest(spec=spec):
                self.assert_refused(self.resolve(spec), spec)
                self.assert_refused(self.resolve(env={"KTSTR_KERNEL": spec}), spec)

    def test_of_one_version_the_one_that_will_do(self):
        self.take(self.write("a", kf.elf("6.18.1-a", btf=kf.BTF_WITHOUT_SCHED_EXT)))
        self.take(self.write("b", kf.elf("6.18.1-b", btf=b"", config=kf.CONFIG)))
        good = self.take(self.write("c", kf.elf("6.18.1-c")))
        self.take(self.write("d", kf.elf("6.18.0-d")))
        for spec in ("6.18.1", "6.18", "6"):
            self.assertEqual(self.resolve(spec).out.strip(), good)

    def test_none_with_sched_ext(self):
        self.fill()
        reply = self.daemon.call(KERNEL + "Resolve")
        self.assertEqual(reply["error"], KERNEL + "NoSuchKernel")
        for words in (f"{self.OLD} (no sched_ext)", f"{self.BARE} (no BTF)", "ktstrctl kernel import"):
            self.assertIn(words, reply["parameters"]["message"])

    def test_an_empty_cache(self):
        # By the wire: the client would go on to the kernels of this machine where none is named.
        for parameters in ({}, {"kernel": "6.18"}):
            reply = self.daemon.call(KERNEL + "Resolve", **parameters)
            self.assertEqual(reply["error"], KERNEL + "NoSuchKernel")
            for word in ("the cache is empty", "ktstrctl kernel import"):
                self.assertIn(word, reply["parameters"]["message"])

    def test_a_job_gets_what_it_named_or_nothing(self):
        self.fill()
        good = self.take(self.write("good", kf.elf("6.18.1-good")))
        job = ["submit", "--json", "--duration", "1s"]
        self.assertEqual(self.kernel_of(self.daemon.ctl(*job)), good)
        self.assertEqual(self.kernel_of(self.daemon.ctl(*job, "--kernel", "6.12")), self.OLD)
        for options in (["--kernel", "6.17"], ["--kernel", "nosuchkey"]):
            result = self.daemon.ctl(*job, *options)
            self.assertEqual(result.status, 64, result)
            reason = result.verdict()["reason"]
            for word in (options[1], f"{self.OLD} (no sched_ext)", f"{self.BARE} (no BTF)", good, "kernel import"):
                self.assertIn(word, reason)

    def test_a_path_is_taken_from_where_the_caller_stands(self):
        image = self.write("here/vmlinuz", kf.bzimage(kf.elf("6.18.7-path")))
        self.write("here/tree/vmlinux", kf.elf("6.18.8-path"))
        for spec, key in (("./vmlinuz", "6.18.7-path-img-x86_64"), ("../here/vmlinuz", "6.18.7-path-img-x86_64"),
                          (str(image), "6.18.7-path-img-x86_64"), ("./tree", "6.18.8-path-tree-x86_64"),
                          ("tree/", "6.18.8-path-tree-x86_64")):
            with self.subTest(spec=spec):
                result = self.resolve(spec, cwd=self.files / "here")
                self.assertEqual((result.status, result.out.strip()), (0, key), result)
                self.assertEqual(self.keys(), [], "resolving writes nothing")
        result = self.daemon.ctl("submit", "--json", "--duration", "1s", "--kernel", "./vmlinuz", cwd=self.files / "here")
        self.assertEqual((result.status, self.kernel_of(result)), (0, "6.18.7-path-img-x86_64"), result)
        self.assertEqual(self.keys(), ["6.18.7-path-img-x86_64"])
        self.assert_whole()

    def test_a_path_that_leads_nowhere(self):
        self.write("notes", "my notes\n")
        for spec, words in (("./missing", "No such file"), ("/nonexistent/vmlinuz", "No such file"), ("./notes", "is no kernel")):
            with self.subTest(spec=spec):
                result = self.resolve(spec, cwd=self.files)
                self.assertEqual((result.status, result.out), (64, ""), result)
                self.assertIn(words, result.err)
                self.assertIn(str(pathlib.Path(self.files, spec)).replace("/./", "/"), result.err.replace("/./", "/"))
                self.assert_whole()


if __name__ == "__main__":
    kt.main()
