# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel cache through the client: what it takes, what it refuses and how, which kernel a name means, and that nothing half-done is
ever left in it."""

import contextlib
import itertools
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import unittest

import kernel_files as kf
import ktstr_test as kt

KERNEL = "io.ktstrd.Kernel."
STAGES = ["unpacking", "decompressing", "looking at it", "taking modules along", "storing"]


def tree_snapshot(path):
    """Everything below it: what it is, and whether it was written anew."""
    return {str(p.relative_to(path)): (p.lstat().st_ino, p.lstat().st_mtime_ns, p.lstat().st_size) for p in sorted(path.rglob("*"))}


class KernelTest(unittest.TestCase):
    def setUp(self):
        self.daemon = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok")
        self.files = self.daemon.dir / "files"
        self.files.mkdir()
        self.enterContext(self.daemon)

    @property
    def cache(self):
        return self.daemon.kernels

    def write(self, name, content):
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def write_all(self, contents):
        return [self.write(f"{name}.deb", content) for name, content in contents.items()]

    def take(self, *paths, says="imported:", **options):
        """Import, and the key that came of it."""
        result = self.daemon.ctl("kernel", "import", *paths, **options)
        self.assertEqual((result.status, result.err), (0, ""), result)
        self.assertTrue(result.out.startswith(says + " "), result)
        self.assert_whole()
        return result.out.removeprefix(says).split()[0]

    def refuse(self, *paths, words=(), status=64, left=None, **options):
        """Import, refused: one line that names the file and has these words, and the cache is as it was."""
        before = self.keys() if left is None else left
        result = self.daemon.ctl("kernel", "import", *paths, **options)
        self.assertEqual((result.status, result.out), (status, ""), result)
        self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]+\n\Z", result)
        self.assertTrue(any(str(p) in result.err for p in paths), result)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, result.err)
        self.assertEqual(self.keys(), before)
        self.assert_whole()
        return result

    def entries(self):
        return self.daemon.call(KERNEL + "List")["parameters"]["entries"]

    def keys(self):
        return [e["key"] for e in self.entries()]

    def entry(self, key):
        return self.daemon.call(KERNEL + "Info", key=key)["parameters"]["entry"]

    def resolve(self, *spec, **options):
        return self.daemon.ctl("kernel", "resolve", *spec, **options)

    def assert_whole(self):
        """Nothing but entries, all of them good, and what begins with a dot."""
        self.assertEqual([e for e in self.entries() if "error" in e], [])
        self.assertEqual({p.name for p in self.cache.iterdir()} - {".locks", ".initramfs", ".boot", ".downloads", ".used"}, set(self.keys()))
        self.assertEqual([p for p in self.cache.rglob("*") if p.name.startswith(".tmp-")], [])
        for key in self.keys():
            self.assertLessEqual({p.name for p in (self.cache / key).iterdir()}, {"metadata.json", "vmlinux", "btf", "config", "modules"})

    def read(self, key, name):
        return (self.cache / key / name).read_bytes()

    # --- a daemon's import, followed step by step ---

    def start_import(self, path, stage=None):
        """A connection whose import of this file has got as far as this stage."""
        wire = self.daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send(KERNEL + "Import", {"files": [{"name": str(path), "path": str(path)}]}, more=True)
        while stage:
            reply = wire.receive()
            self.assertNotIn("error", reply)
            self.assertTrue(reply.get("continues"), f"no stage {stage}: {reply}")
            if reply["parameters"]["stage"] == stage:
                break
        return wire

    def slow_deb(self, release="6.18.1-slow"):
        """A package that takes a while: unpacking to a lot, small itself."""
        image = kf.elf(release, config=kf.CONFIG, padding=96 << 20)
        return self.write(f"{release}.deb", kf.image_deb(release, kf.bzimage(image, "gzip"), kf.CONFIG, ending=".gz"))


class Taken(KernelTest):
    def test_each_compression_becomes_the_same_elf(self):
        content = kf.elf(padding=3 << 20)
        key = self.take(self.write("vmlinux", content))
        self.assertEqual(key, "6.18.1-test-img-x86_64")
        self.assertIn(b"Linux version 6.18.1-test", self.read(key, "vmlinux"))
        for compression in kf.COMPRESSORS:
            with self.subTest(compression=compression):
                image = self.write(f"vmlinuz.{compression}", kf.bzimage(content, compression))
                self.assertEqual(self.take(image, says="already cached:"), key)
                self.daemon.ctl("kernel", "remove", key)
                self.assertEqual(self.take(image), key)

    def test_what_is_known_of_an_image(self):
        key = self.take(self.write("vmlinuz", kf.bzimage(kf.elf(config=kf.CONFIG))))
        entry = self.entry(key)
        self.assertEqual(self.read(key, "btf"), kf.BTF)
        self.assertEqual(self.read(key, "config").decode(), kf.CONFIG)
        self.assertEqual(entry["image_size"], (self.cache / key / "vmlinux").stat().st_size)
        self.assertEqual(entry["image_path"], str(self.cache / key / "vmlinux"))
        self.assertRegex(entry["built_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual({k: entry[k] for k in ("release", "version", "source", "arch", "has_btf", "has_config", "sched_ext", "modules",
                                                "imported_from")},
                         {"release": "6.18.1-test", "version": "6.18.1", "source": "image", "arch": "x86_64", "has_btf": True,
                          "has_config": True, "sched_ext": True, "modules": [], "imported_from": [str(self.files / "vmlinuz")]})

    def test_packages_however_they_are_packed(self):
        for i, ending in enumerate(kf.TAR_ENDINGS):
            with self.subTest(ending=ending):
                release = f"6.18.{i}-cloud-amd64"
                package = self.write("linux-image.deb", kf.image_deb(release, kf.bzimage(kf.elf(release)), kf.CONFIG, ending=ending))
                key = self.take(package)
                self.assertEqual(key, f"{release}-deb-x86_64")
                self.assertEqual(self.read(key, "config").decode(), kf.CONFIG)
                self.assertEqual(self.read(key, "btf"), kf.BTF)
                self.assertEqual(self.entry(key)["source"], "package")
                self.assertFalse((self.cache / key / "modules").exists())

    def test_three_packages_in_any_order(self):
        packages = self.write_all(kf.split_debs("7.3.4-amd64", kf.bzimage(kf.elf("7.3.4-amd64")), kf.CONFIG))
        key = self.take(*packages)
        self.assertEqual(key, "7.3.4-amd64-deb-x86_64")
        self.assertEqual(self.entry(key)["imported_from"], [str(p) for p in packages])
        for order in itertools.permutations(packages):
            self.assertEqual(self.take(*order, says="already cached:"), key)
        self.assertEqual(self.read(key, "config").decode(), kf.CONFIG)

    def test_modules_come_along_in_loading_order(self):
        modules = {"virtio/virtio": kf.module(), "virtio/virtio_ring": kf.module(["virtio"]),
                   "virtio/virtio_pci": kf.module(["virtio_pci_modern_dev", "virtio", "virtio_ring"]),
                   "virtio/virtio_pci_modern_dev": kf.module(["virtio", "built_in"], padding=100_000),
                   "char/virtio_console": kf.module(["virtio", "virtio_ring"]), "net/virtio_net": kf.module(["virtio"])}
        order = ["virtio", "virtio_pci_modern_dev", "virtio_ring", "virtio_pci", "virtio_console"]
        config = kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m")
        for i, ending in enumerate(("", ".xz", ".zst", ".gz")):
            with self.subTest(ending=ending):
                release = f"6.19.{i}-amd64"
                packages = self.write_all(kf.split_debs(release, kf.bzimage(kf.elf(release)), config, modules, ending))
                key = self.take(*packages)
                names = [f"{n:02}-{name}.ko" for n, name in enumerate(order)]
                self.assertEqual(self.entry(key)["modules"], names)
                self.assertEqual(sorted(p.name for p in (self.cache / key / "modules").iterdir()), names)
                self.assertEqual(self.read(key, "modules/01-virtio_pci_modern_dev.ko"), modules["virtio/virtio_pci_modern_dev"])

    def test_only_what_is_a_module_is_taken_along(self):
        release = "6.18.3-amd64"
        modules = {"virtio/virtio": kf.module(), "char/virtio_console": kf.module(["virtio"])}
        package = self.write("image.deb", kf.image_deb(release, kf.bzimage(kf.elf(release)), kf.config(VIRTIO_CONSOLE="m"), modules))
        self.assertEqual(self.entry(self.take(package))["modules"], ["00-virtio.ko", "01-virtio_console.ko"])

    def test_modules_that_need_each_other_come_to_an_end(self):
        release = "6.18.3-amd64"
        modules = {"virtio/virtio_pci": kf.module(["virtio_console", "virtio_pci", "../../virtio_evil"]),
                   "char/virtio_console": kf.module(["virtio_pci"] * 20)}
        package = self.write("image.deb", kf.image_deb(release, kf.bzimage(kf.elf(release)),
                                                       kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m"), modules))
        self.assertEqual(self.entry(self.take(package))["modules"], ["00-virtio_console.ko", "01-virtio_pci.ko"])

    def test_where_the_configuration_comes_from(self):
        other = kf.CONFIG + "CONFIG_BESIDE=y\n"
        for i, (beside, ikconfig, expected) in enumerate((
                ("config-{release}", None, other), (".config", None, other), (None, None, None),
                (".config", kf.CONFIG, kf.CONFIG), ("config-{release}", kf.CONFIG, kf.CONFIG))):
            with self.subTest(beside=beside, ikconfig=bool(ikconfig)):
                release = f"6.18.{i}-x"
                image = self.write(f"{i}/vmlinuz-{release}", kf.bzimage(kf.elf(release, config=ikconfig)))
                if beside:
                    self.write(f"{i}/{beside.format(release=release)}", other)
                key = self.take(image)
                self.assertEqual(self.entry(key)["has_config"], expected is not None)
                if expected:
                    self.assertEqual(self.read(key, "config").decode(), expected)

    def test_a_path_finds_what_is_beside_it_too(self):
        image = self.write("boot/vmlinuz-6.18.1-test", kf.bzimage(kf.elf()))
        self.write("boot/config-6.18.1-test", kf.config(SCHED_CLASS_EXT=None))
        reply = self.daemon.call(KERNEL + "Import", files=[{"name": "it", "path": str(image)}])
        entry = reply["parameters"]["entry"]
        self.assertEqual((entry["has_config"], entry["sched_ext"], entry["imported_from"]), (True, False, ["it"]))

    def test_what_is_beside_a_package_or_a_tree_is_not_its(self):
        self.write("x/.config", kf.config(SCHED_CLASS_EXT=None))
        self.write("x/tree/vmlinux", kf.elf("6.18.2-test"))
        for path in (self.write("x/image.deb", kf.deb({"boot/vmlinuz-6.18.1-test": kf.bzimage(kf.elf())})), self.files / "x/tree"):
            reply = self.daemon.call(KERNEL + "Import", files=[{"name": "it", "path": str(path)}])
            self.assertFalse(reply["parameters"]["entry"]["has_config"])
            self.assertFalse(self.entry(self.take(path, says="already cached:"))["has_config"])

    def test_a_configuration_given_by_name(self):
        image, config = self.write("image", kf.bzimage(kf.elf())), self.write("its-config", kf.CONFIG)
        self.assertTrue(self.entry(self.take(config, image))["has_config"])

    def test_a_built_tree(self):
        self.write("linux/vmlinux", kf.elf("6.18.0-tree"))
        self.write("linux/.config", kf.CONFIG)
        key = self.take(self.files / "linux")
        self.assertEqual((key, self.entry(key)["source"]), ("6.18.0-tree-tree-x86_64", "tree"))
        self.assertEqual(self.read(key, "config").decode(), kf.CONFIG)
        self.assertEqual(self.take("linux", cwd=self.files, says="already cached:"), key)
        self.assertEqual(self.take(".", cwd=self.files / "linux", says="already cached:"), key)

    def test_a_tree_with_nothing_but_a_bzimage(self):
        self.write("linux/arch/x86/boot/bzImage", kf.bzimage(kf.elf("6.18.0-tree")))
        self.assertEqual(self.take(self.files / "linux"), "6.18.0-tree-tree-x86_64")

    def test_debug_sections_are_left_out(self):
        # The table of names is made for a section .BTF; the same bytes as .debug_info are not kept.
        content = kf.elf(btf=b"D" * (1 << 20)).replace(b"\0.BTF\0.shstrtab\0", b"\0.debug_info\0stab\0", 1)
        content = content.replace(b"\0.debug_info\0stab\0", b"\0.debug_x\0stab\0\0", 1)
        key = self.take(self.write("vmlinux", content))
        self.assertNotIn(b"D" * 1000, self.read(key, "vmlinux"))
        self.assertLess(self.entry(key)["image_size"], 100_000)

    def test_the_same_again_writes_nothing(self):
        image = self.write("vmlinuz", kf.bzimage(kf.elf(config=kf.CONFIG)))
        key = self.take(image)
        before = tree_snapshot(self.cache / key)
        self.assertEqual(self.take(image, says="already cached:"), key)
        self.assertEqual(tree_snapshot(self.cache / key), before)
        reply = self.daemon.call(KERNEL + "Import", files=[{"name": "x", "path": str(image)}])
        self.assertIs(reply["parameters"]["existed"], True)

    def test_another_kernel_of_that_name_gets_a_suffix(self):
        first = self.take(self.write("a/vmlinux", kf.elf()))
        before = tree_snapshot(self.cache / first)
        second = self.take(self.write("b/vmlinux", kf.elf(padding=8)))
        third = self.take(self.write("c/vmlinux", kf.elf(padding=16)))
        for key in (second, third):
            self.assertRegex(key, f"^{re.escape(first)}-[0-9a-f]{{8}}$")
        self.assertNotEqual(second, third)
        self.assertEqual(tree_snapshot(self.cache / first), before)
        self.assertEqual(self.take(self.files / "b/vmlinux", says="already cached:"), second)

    def test_with_its_configuration_it_is_another_and_the_last_is_meant(self):
        packages = kf.split_debs("7.3.4-amd64", kf.bzimage(kf.elf("7.3.4-amd64")), kf.CONFIG)
        bare = self.take(*self.write_all({"linux-binary": packages["linux-binary"]}))
        self.assertFalse(self.entry(bare)["has_config"])
        # Its time has a resolution of a second; that of this one is long past.
        metadata = self.cache / bare / "metadata.json"
        metadata.write_text(re.sub(r'"built_at":\s*"[^"]*"', '"built_at":"2020-01-01T00:00:00Z"', metadata.read_text()))
        whole = self.take(*self.write_all(packages))
        self.assertTrue(self.entry(whole)["has_config"])
        self.assertNotEqual(bare, whole)
        for spec in ([], ["7.3"], ["7.3.4-amd64"]):
            self.assertEqual(self.resolve(*spec).out.strip(), whole)
        self.assertEqual(self.resolve(bare).out.strip(), bare)

    def test_without_its_configuration_it_is_the_one_that_is_known_with_it(self):
        packages = kf.split_debs("7.3.4-amd64", kf.bzimage(kf.elf("7.3.4-amd64")), kf.CONFIG)
        whole = self.take(*self.write_all(packages))
        self.assertEqual(self.take(self.files / "linux-binary.deb", says="already cached:"), whole)

    def test_what_it_lacks_is_marked(self):
        old = self.take(self.write("old", kf.elf("6.11.1-x", btf=kf.BTF_WITHOUT_SCHED_EXT)))
        bare = self.take(self.write("bare", kf.elf("6.18.1-x", btf=b"", config=kf.CONFIG)))
        self.assertEqual((self.entry(old)["sched_ext"], self.entry(old)["has_btf"]), (False, True))
        self.assertEqual((self.entry(bare)["sched_ext"], self.entry(bare)["has_btf"]), (True, False))
        self.assertIn("(no sched_ext)", self.daemon.ctl("kernel", "import", self.files / "old").out)
        self.assertIn("(no BTF)", self.daemon.ctl("kernel", "import", self.files / "bare").out)
        listed = self.daemon.ctl("kernel", "list").out
        self.assertRegex(listed, rf"(?m)^  {re.escape(old)} .*Z \(no sched_ext\)$")
        self.assertRegex(listed, rf"(?m)^  {re.escape(bare)} .*Z \(no BTF\)$")
        for key, words in ((old, "no sched_ext"), (bare, "no BTF")):
            result = self.daemon.ctl("submit", "--kernel", key, "--sched", "/bin/ls", "--duration", "1s", "--json")
            self.assertIn(f"kernel {key} has {words}", result.verdict()["reason"], result)
            self.assertIn("--kernel", result.verdict()["reason"])
            self.assertEqual(result.status, 64, result)


class Refused(KernelTest):
    def test_what_is_no_kernel(self):
        aarch64 = kf.elf(machine=kf.AARCH64)
        self.take(self.write("warm-up", kf.elf("6.1.1-x")))
        descriptors = self.daemon.descriptors()
        for name, content, words in (
                ("empty", b"", "is empty"),
                ("notes.txt", b"these are\nmy notes\n", "is no kernel"),
                ("zeros", bytes(100_000), "is no kernel"),
                ("vmlinux.arm", aarch64, "no x86_64 kernel"),
                ("vmlinuz.arm", kf.bzimage(aarch64), "no x86_64 kernel"),
                ("ls", pathlib.Path("/bin/ls").read_bytes(), "no version banner"),
                ("vmlinux.evil", kf.elf(release="6.18.1-../../x"), "cannot be a file name"),
                ("old-protocol", kf.bzimage(kf.elf()).replace(b"HdrS\x0f\x02", b"HdrS\x07\x02"), "boot protocol"),
                ("unknown-compression", self.with_payload(b"PK\x03\x04" * 100), "payload"),
                ("config-6.18", kf.CONFIG.encode(), "no kernel image"),
                ("data.ar", kf.ar({"readme": b"x"}), "no data.tar"),
                ("base.deb", kf.deb({"boot/config-6.18": kf.CONFIG.encode()}), "no kernel image"),
                ("base.deb", kf.deb({"boot/config-6.18": kf.CONFIG.encode()}), "linux-binary-"),
                ("garbage.deb", kf.ar({"debian-binary": b"2.0\n", "data.tar.xz": b"garbage" * 100}), "damaged")):
            with self.subTest(name=name):
                self.refuse(self.write(name, content), words=words)
        kt.wait_until(lambda: self.daemon.descriptors() <= descriptors, "descriptors to be closed")

    def with_payload(self, payload):
        image = bytearray(kf.bzimage(kf.elf()))
        return bytes(image[:5 * 512 + 16]) + payload.ljust(len(image) - 5 * 512 - 16, b"\0")

    def test_files_that_are_none(self):
        os.mkfifo(self.files / "fifo")
        (self.files / "tree").mkdir()
        os.mkfifo(self.files / "tree/vmlinux")
        (self.files / "empty-tree").mkdir()
        for name, words in (("missing", "No such file"), ("fifo", "neither a file nor a folder"), ("tree", "is no file"),
                            ("empty-tree", "build it first")):
            with self.subTest(name=name):
                self.refuse(self.files / name, words=words)
        device = self.refuse("/dev/null", words="neither a file nor a folder")
        self.assertIn("/dev/null", device.err)

    def test_two_kernels_at_once(self):
        a, b = self.write("a", kf.elf("6.18.1-a")), self.write("b", kf.elf("6.18.1-b"))
        self.refuse(a, b, words=[str(a), str(b), "one at a time"])

    def test_usage(self):
        for args, words in (([], "say what"), (["import"], "one to three"), (["import", "a", "b", "c", "d"], "one to three"),
                            (["frobnicate"], "no 'frobnicate'"), (["info"], "one key"), (["list", "x"], "no argument"),
                            (["--frob"], "unknown option")):
            result = self.daemon.ctl("kernel", *args)
            self.assertEqual((result.status, result.out), (64, ""), result)
            self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]+\n\Z")
            self.assertIn(words, result.err)

    def test_what_guests_could_not_be_reached_in(self):
        for i, (image, config, words) in enumerate((
                (kf.elf(), kf.config(VIRTIO_PCI=None), "CONFIG_VIRTIO_PCI off"),
                (kf.elf(), kf.config(VIRTIO_CONSOLE=None), "CONFIG_VIRTIO_CONSOLE off"),
                (kf.elf(pvh=False), kf.CONFIG, "CONFIG_PVH=y"),
                (kf.elf(), kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m"), "linux-modules"),
                (kf.elf(), kf.config(VIRTIO_PCI="m"), "linux-modules"))):
            with self.subTest(words=words):
                self.refuse(self.write(f"{i}.deb", kf.image_deb("6.18.1-test", kf.bzimage(image), config)), words=words)
                self.write(f"tree{i}/vmlinux", image)
                self.write(f"tree{i}/.config", config)
                self.refuse(self.files / f"tree{i}", words="package" if "modules" in words else words)

    def test_a_module_that_is_missing_is_named(self):
        config = kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m")
        package = kf.image_deb("6.18.1-test", kf.bzimage(kf.elf()), config, {"virtio/virtio_pci": kf.module()})
        result = self.daemon.ctl("kernel", "import", self.write("image.deb", package))
        self.assertEqual(result.status, 64, result)
        self.assertRegex(result.err, r"\Aktstrctl: kernel: virtio_console .*linux-modules.*\n\Z")
        self.assert_whole()

    def test_packages_cut_anywhere(self):
        whole = {ending: kf.image_deb("6.18.1-test", kf.bzimage(kf.elf(padding=50_000)), kf.CONFIG, ending=ending)
                 for ending in ("", ".gz", ".xz", ".zst")}
        for ending, content in whole.items():
            data = content.index(b"data.tar")
            cuts = [1, 7, 8, 9, 60, 70, data, data + 10, data + 60, data + 61, data + 100, (data + len(content)) // 2, len(content) - 100,
                    len(content) - 2]
            for cut in cuts:
                with self.subTest(ending=ending, cut=cut, of=len(content)):
                    self.refuse(self.write("image.deb", content[:cut]), words="kernel" if cut < 8 else "fetch it again", left=[])

    def test_packages_with_a_flipped_bit(self):
        rng = random.Random(1)
        for ending in (".xz", ".zst"):
            content = kf.image_deb("6.18.1-test", kf.bzimage(kf.elf(padding=50_000)), kf.CONFIG, ending=ending)
            data = content.index(b"data.tar") + 60
            for at in [data + 3, *rng.sample(range(data + 20, len(content) - 8), 8)]:
                with self.subTest(ending=ending, at=at, of=len(content)):
                    self.refuse(self.write("image.deb", content[:at] + bytes([content[at] ^ 4]) + content[at + 1:]),
                                words="fetch it again", left=[])

    def test_a_module_cut_off_inside_its_package(self):
        cut = kf.deb({"boot/vmlinuz-6.18.1-test": kf.bzimage(kf.elf()),
                      "boot/config-6.18.1-test": kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m").encode(),
                      "lib/modules/6.18.1-test/kernel/drivers/virtio/virtio_pci.ko.xz": kf.COMPRESSORS["xz"](kf.module(padding=9999))[:-40]})
        self.refuse(self.write("image.deb", cut), words="damaged")

    def test_images_cut_anywhere(self):
        for compression in (*kf.COMPRESSORS, None):
            content = kf.elf(padding=20_000)
            content = kf.bzimage(content, compression) if compression else content
            for cut in (4, 100, 0x1fe, 0x202, 0x250, 0x268, 5 * 512, 5 * 512 + 17, len(content) // 2, len(content) - 5, len(content) - 1):
                if cut < len(content):
                    with self.subTest(compression=compression, cut=cut, of=len(content)):
                        self.refuse(self.write("image", content[:cut]), left=[])

    def test_images_with_a_flipped_bit(self):
        # What has a checksum, that is; lz4 and lzma, as kernels use them, have none.
        rng = random.Random(2)
        content = kf.elf(config="".join(rng.choices("abcdef\n", k=20_000)), padding=20_000)
        for compression in ("gzip", "bzip2", "xz", "zstd"):
            image = kf.bzimage(content, compression)
            payload = 5 * 512 + 16
            for at in [payload, *rng.sample(range(payload + 40, len(image) - 12), 8), len(image) - 1]:
                with self.subTest(compression=compression, at=at, of=len(image)):
                    self.refuse(self.write("image", image[:at] + bytes([image[at] ^ 0x10]) + image[at + 1:]), words="again", left=[])

    def test_lz4_and_lzma_with_a_flipped_bit_are_one_thing_or_the_other(self):
        rng = random.Random(3)
        for compression in ("lz4", "lzma"):
            image = kf.bzimage(kf.elf(padding=20_000), compression)
            for at in rng.sample(range(5 * 512 + 16, len(image)), 12):
                result = self.daemon.ctl("kernel", "import", self.write("image", image[:at] + bytes([image[at] ^ 1]) + image[at + 1:]))
                self.assertIn(result.status, (0, 64), result)
                self.assertEqual(len(result.err.splitlines()), 1 if result.status else 0, result)
                self.assert_whole()

    def test_a_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small file system for the cache")
        content = kf.elf(config=kf.CONFIG, padding=6 << 20)
        image = self.write("vmlinuz", kf.bzimage(content))
        package = self.write("linux-image.deb", kf.image_deb("6.18.1-test", kf.bzimage(content, "lz4"), kf.CONFIG))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.cache], capture_output=True, text=True)
        if mounted.returncode:
            self.skipTest(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.cache], check=True)
        # The daemon has the folder below open, so one of its own.
        with self.another_daemon() as self.daemon:
            for size in ("64k", "1m", "5m", "7m", "11m", "12m"):
                subprocess.run(["mount", "-o", f"remount,size={size}", self.cache], check=True)
                for path in (image, package):
                    with self.subTest(size=size, path=path.name):
                        self.refuse(path, status=3, words=["no space left", str(self.cache), "MiB free", "kernel remove"], left=[])
            subprocess.run(["mount", "-o", "remount,size=64m", self.cache], check=True)
            self.take(image)
            self.take(package)

    @contextlib.contextmanager
    def another_daemon(self):
        """On the same cache."""
        other = kt.Daemon("--agent", "/bin/true", "--busybox", "/bin/true", fake="ok", kernels=self.cache)
        first = self.daemon
        with other:
            try:
                yield other
            finally:
                self.daemon = first

    def test_a_cache_that_cannot_be_written(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount")
        mounted = subprocess.run(["mount", "--bind", self.cache, self.cache], capture_output=True, text=True)
        if mounted.returncode:
            self.skipTest(f"nothing can be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.cache], check=True)
        key = self.take(self.write("vmlinux", kf.elf()))
        with self.another_daemon() as self.daemon:
            subprocess.run(["mount", "-o", "remount,bind,ro", self.cache], check=True)
            for args in (["import", self.write("other", kf.elf("6.18.2-x"))], ["remove", key]):
                result = self.daemon.ctl("kernel", *args)
                self.assertEqual(result.status, 3, result)
                self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]*Read-only file system\n\Z")
            self.assertEqual(self.resolve("6.18").out.strip(), key)


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


class AtOnce(KernelTest):
    def test_the_same_kernel_many_times_at_once(self):
        image = self.write("vmlinuz", kf.bzimage(kf.elf(config=kf.CONFIG, padding=1 << 20)))
        clients = [self.daemon.ctl_start("kernel", "import", image) for _ in range(8)]
        outs = [c.communicate(timeout=kt.PATIENCE_S) for c in clients]
        self.assertEqual([c.returncode for c in clients], [0] * 8, outs)
        self.assertEqual(sorted(out for out, _ in outs),
                         ["already cached: 6.18.1-test-img-x86_64\n"] * 7 + ["imported: 6.18.1-test-img-x86_64\n"])
        self.assertEqual(self.keys(), ["6.18.1-test-img-x86_64"])
        self.assert_whole()

    def test_two_daemons_share_a_cache(self):
        image = self.write("vmlinuz", kf.bzimage(kf.elf(padding=1 << 20)))
        others = self.write("other", kf.bzimage(kf.elf(padding=2 << 20)))
        with kt.Daemon(fake="ok", kernels=self.cache) as second:
            clients = [d.ctl_start("kernel", "import", f) for d in (self.daemon, second) for f in (image, others) for _ in range(2)]
            outs = [c.communicate(timeout=kt.PATIENCE_S) for c in clients]
            self.assertEqual([c.returncode for c in clients], [0] * 8, outs)
            self.assertEqual(sum(out.startswith("imported:") for out, _ in outs), 2)
        self.assertEqual(len(self.keys()), 2)
        self.assert_whole()

    def test_a_list_shows_whole_entries_while_they_come_and_go(self):
        image = self.write("vmlinux", kf.elf(config=kf.CONFIG))
        stop, wrong, seen = threading.Event(), [], set()

        def watch():
            with self.daemon.connect() as wire:
                while not stop.is_set():
                    for e in wire.call(KERNEL + "List")["parameters"]["entries"]:
                        seen.add(e["key"])
                        if "error" in e:
                            wrong.append(e)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with self.daemon.connect() as wire:
                for _ in range(150):
                    key = wire.call(KERNEL + "Import", files=[{"name": "x", "path": str(image)}])["parameters"]["entry"]["key"]
                    self.assertEqual(wire.call(KERNEL + "Remove", key=key), {"parameters": {}})
        finally:
            stop.set()
            watcher.join()
        self.assertEqual(wrong, [])
        self.assertEqual(seen, {"6.18.1-test-img-x86_64"})
        self.assert_whole()

    def test_one_in_use_stays(self):
        key = self.take(self.write("vmlinux", kf.elf(config=kf.CONFIG)))
        self.daemon.play("wait_for_cancel")
        with self.daemon.connect() as wire:
            wire.send("io.ktstrd.Job.Submit", {"kernel": key}, more=True)
            while True:
                reply = wire.receive()["parameters"]
                if reply.get("event", {}).get("state") == "running":
                    break
            result = self.daemon.ctl("kernel", "remove", key)
            self.assertEqual((result.status, result.out), (69, ""), result)
            self.assertRegex(result.err, rf"\Aktstrctl: kernel: kernel {re.escape(key)} is in use by a job[^\n]*\n\Z")
            self.assertEqual(self.keys(), [key])
            self.assert_whole()
            self.daemon.call("io.ktstrd.Job.Cancel", job=reply["job"])
            while wire.receive().get("continues"):
                pass
        kt.wait_until(lambda: self.daemon.ctl("kernel", "remove", key).status == 0, "the lease to end")
        self.assertEqual(self.keys(), [])
        self.assertEqual(list((self.cache / ".initramfs").iterdir()), [], "what was made of it goes with it")

    def kill_and_start(self):
        """As after a crash. Returns whether something half-done was there to be swept."""
        self.daemon.kill()
        # A program that it was just starting has the socket until it is one.
        kt.wait_until(lambda: not self.listens(), "the socket to be nobody's")
        left = any(p.name.startswith(".tmp-") for p in self.cache.iterdir())
        self.daemon.start()
        self.assert_whole()
        for key in self.keys():
            self.assertEqual(self.daemon.call(KERNEL + "Remove", key=key), {"parameters": {}})
        return left

    def listens(self):
        with contextlib.suppress(ConnectionRefusedError), self.daemon.connect():
            return True
        return False

    def test_a_daemon_killed_while_it_imports(self):
        package = self.slow_deb()
        for stage in ("unpacking", "decompressing", "looking at it", "storing"):
            with self.subTest(stage=stage):
                # A daemon may be faster than we are; that it always is, is not likely.
                for _ in range(10):
                    self.start_import(package, stage)
                    if self.kill_and_start():
                        break
                else:
                    self.fail("no kill came in the middle")
        self.take(package)

    def test_a_daemon_killed_at_any_moment(self):
        image = self.write("vmlinuz", kf.bzimage(kf.elf(config=kf.CONFIG, padding=4 << 20)))
        rng = random.Random(5)
        for _ in range(12):
            self.start_import(image)
            # The moment is what is random here; nothing is waited for.
            timer = threading.Timer(rng.uniform(0, 0.08), self.daemon.process.kill)
            timer.start()
            timer.join()
            self.kill_and_start()
        self.take(image)

    def test_what_others_are_at_is_not_swept(self):
        wire = self.start_import(self.slow_deb(), "decompressing")
        with kt.Daemon(fake="ok", kernels=self.cache):
            while (reply := wire.receive()).get("continues"):
                pass
        self.assertEqual(reply["parameters"]["entry"]["key"], "6.18.1-slow-deb-x86_64", reply)
        self.assert_whole()

    def test_leftovers_are_swept_at_the_start(self):
        self.daemon.kill()
        for name in (".tmp-abcdef", ".tmp-gone-000000"):
            (self.cache / name / "modules").mkdir(parents=True)
            (self.cache / name / "vmlinux").write_bytes(b"x")
        (self.cache / ".initramfs").mkdir(exist_ok=True)
        (self.cache / ".initramfs/.tmp-abcdef").write_bytes(b"x")
        os.mkfifo(self.cache / ".tmp-fifo")
        self.daemon.start()
        self.assertEqual({p.name for p in self.cache.iterdir()} - {".locks", ".initramfs", ".used"}, {".tmp-fifo"})
        self.assertEqual(list((self.cache / ".initramfs").iterdir()), [])


class Stages(KernelTest):
    def replies(self, wire):
        replies = [wire.receive()]
        while replies[-1].get("continues"):
            replies.append(wire.receive())
        return replies

    def test_are_streamed_before_the_reply(self):
        package = self.write("image.deb", kf.image_deb("6.18.1-test", kf.bzimage(kf.elf()),
                                                       kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m"),
                                                       {"virtio/virtio_pci": kf.module(), "char/virtio_console": kf.module()}))
        for existed in (False, True):
            *stages, last = self.replies(self.start_import(package))
            self.assertEqual([s["parameters"] for s in stages], [{"stage": s} for s in STAGES])
            self.assertEqual((last["parameters"]["existed"], last["parameters"]["entry"]["key"]), (existed, "6.18.1-test-deb-x86_64"))
            self.assertNotIn("stage", last["parameters"])

    def test_come_while_the_work_goes_on(self):
        # A daemon may be faster than we are; that it always is, is not likely.
        for i in range(10):
            wire = self.start_import(self.slow_deb(f"6.18.{i}-slow"), "decompressing")
            under_way = len(self.keys()) == i
            self.assertIn("entry", self.replies(wire)[-1]["parameters"])
            if under_way:
                return
        self.fail("no stage came before the end")

    def test_end_in_an_error_where_there_is_one(self):
        *stages, last = self.replies(self.start_import(self.write("notes", "x" * 100)))
        self.assertEqual([s["parameters"]["stage"] for s in stages], ["decompressing"])
        self.assertEqual(last["error"], KERNEL + "BadKernel")

    def test_are_not_sent_unasked(self):
        image = self.write("vmlinux", kf.elf())
        with self.daemon.connect() as wire:
            wire.send(KERNEL + "Import", {"files": [{"name": "x", "path": str(image)}]})
            self.assertIn("entry", wire.receive()["parameters"])
            self.assertEqual(wire.call("io.ktstrd.Daemon.Ping"), {"parameters": {}})

    def test_a_client_that_leaves_in_the_middle(self):
        package = self.slow_deb()
        self.take(self.write("warm-up", kf.elf("6.1.1-x")))
        before = self.daemon.descriptors()
        for stage in (None, "unpacking", "decompressing", "storing"):
            self.start_import(package, stage).socket.close()
        kt.wait_until(lambda: self.daemon.descriptors() <= before, "descriptors to be closed")
        self.assertEqual(self.keys(), ["6.18.1-slow-deb-x86_64", "6.1.1-x-img-x86_64"])
        self.assert_whole()

    def test_a_daemon_that_is_stopped_in_the_middle_ends_well(self):
        for stage in ("unpacking", "decompressing"):
            self.start_import(self.slow_deb(), stage)
            self.daemon.stop()
            self.daemon.start()
            self.assert_whole()

    def test_are_one_changing_line_on_a_terminal_and_nothing_in_a_log(self):
        package = self.slow_deb()
        ours, theirs = pty.openpty()
        client = subprocess.Popen([kt.KTSTRCTL, "kernel", "import", package], env=self.daemon.client_env(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 4096):
                seen += chunk
        os.close(ours)
        out, _ = client.communicate(timeout=kt.PATIENCE_S)
        self.assertEqual((client.returncode, out), (0, "imported: 6.18.1-slow-deb-x86_64\n"))
        self.assertEqual(seen.decode(), "".join(f"\r\x1b[K{s}…" for s in STAGES if "modules" not in s) + "\r\x1b[K")
        self.take(package, says="already cached:")


@kt.needs_nobody()
class OtherUsers(KernelTest):
    """What a user names is opened with that user's rights, by a daemon that may open anything."""

    def setUp(self):
        super().setUp()
        self.daemon.dir.chmod(0o755)
        self.daemon.socket.chmod(0o666)

    def as_nobody(self, method, parameters, folder=None, times=1):
        """Call as another user; folder is opened by that user and goes along."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                os.setgroups([])
                os.setgid(kt.NOBODY)
                os.setuid(kt.NOBODY)
                for _ in range(times):
                    with kt.Wire(self.daemon.socket) as wire:
                        wire.send(method, parameters, fds=[os.open(folder, os.O_RDONLY)] if folder else ())
                        reply = wire.receive()
                os.write(write, json.dumps(reply).encode())
                status = 0
            os._exit(status)
        os.close(write)
        with os.fdopen(read) as f:
            reply = f.read()
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        return json.loads(reply)

    def secret(self, name, content):
        path = self.write(name, content)
        path.chmod(0o600)
        return path

    def tree(self, **links):
        """A tree of the other user's."""
        folder = self.files / "tree"
        shutil.rmtree(folder, ignore_errors=True)
        self.write("tree/vmlinux", kf.elf("6.18.1-tree"))
        for name, target in links.items():
            link = folder / name.replace("_", ".", 1)
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        for path in (folder, *folder.iterdir()):
            os.chown(path, kt.NOBODY, kt.NOBODY, follow_symlinks=False)
        return folder

    def test_a_tree_of_theirs_is_taken(self):
        reply = self.as_nobody(KERNEL + "Import", {"files": [{"name": "tree", "file_fd": 0}]}, self.tree())
        self.assertEqual(reply["parameters"]["entry"]["key"], "6.18.1-tree-tree-x86_64", reply)

    def test_a_link_in_their_tree_leads_to_nothing_that_is_not_theirs(self):
        secret = self.secret("secret-config", kf.CONFIG + 'CONFIG_SECRET="swordfish"\n')
        for parameters, folder in (({"name": "tree", "file_fd": 0}, True), ({"name": "tree", "path": str(self.files / "tree")}, False)):
            tree = self.tree(_config=secret)
            reply = self.as_nobody(KERNEL + "Import", {"files": [parameters]}, tree if folder else None)
            self.assertFalse(reply["parameters"]["entry"]["has_config"], reply)
        self.assertEqual([p for p in self.cache.rglob("*") if p.is_file() and b"swordfish" in p.read_bytes()], [])

        tree = self.tree(vmlinux=self.secret("secret-kernel", kf.elf("6.18.1-secret")))
        reply = self.as_nobody(KERNEL + "Import", {"files": [{"name": "tree", "file_fd": 0}]}, tree)
        self.assertEqual(reply["error"], KERNEL + "BadKernel")
        self.assertIn("Permission denied", reply["parameters"]["message"])
        self.assertNotIn("6.18.1-secret", json.dumps(self.keys()))

    def test_a_link_among_their_modules_leads_to_nothing_that_is_not_theirs(self):
        secret = self.secret("secret.ko", kf.module() + b"swordfish")
        image = self.write("open/vmlinuz", kf.bzimage(kf.elf(config=kf.config(VIRTIO_PCI="m"))))
        for dep in (True, False):
            folder = self.files / "modules"
            shutil.rmtree(folder, ignore_errors=True)
            link = folder / "kernel/drivers/virtio/virtio_pci.ko"
            link.parent.mkdir(parents=True)
            link.symlink_to(secret)
            if dep:
                self.write("modules/modules.dep", f"kernel/drivers/virtio/virtio_pci.ko: {secret}\n")
            for path in (folder, *folder.rglob("*")):
                os.chown(path, kt.NOBODY, kt.NOBODY, follow_symlinks=False)
            reply = self.as_nobody(KERNEL + "Import", {"files": [{"name": "x", "path": str(image)}, {"name": "m", "file_fd": 0}]}, folder)
            self.assertEqual(reply["error"], KERNEL + "BadKernel", reply)
            self.assertIn("Permission denied", reply["parameters"]["message"])
        self.assertEqual(self.keys(), [])

    def test_what_lies_beside_their_image_is_read_as_they_could(self):
        secret = self.secret("secret-config", kf.CONFIG + 'CONFIG_SECRET="swordfish"\n')
        image = self.write("open/vmlinuz", kf.bzimage(kf.elf()))
        (self.files / "open/config-6.18.1-test").symlink_to(secret)
        reply = self.as_nobody(KERNEL + "Import", {"files": [{"name": "x", "path": str(image)}]})
        self.assertFalse(reply["parameters"]["entry"]["has_config"], reply)

    def test_their_path_can_be_looked_at(self):
        image = self.write("vmlinuz", kf.bzimage(kf.elf()))
        reply = self.as_nobody(KERNEL + "Resolve", {"kernel": str(image)})
        self.assertEqual(reply["parameters"]["entry"]["key"], "6.18.1-test-img-x86_64", reply)
        reply = self.as_nobody(KERNEL + "Resolve", {"kernel": str(self.secret("secret", kf.elf()))})
        self.assertIn("Permission denied", reply["parameters"]["message"])

    def test_a_job_gets_no_kernel_that_they_could_not_open(self):
        secret = self.secret("secret", kf.elf("6.18.1-secret"))
        job = self.as_nobody("io.ktstrd.Job.Submit", {"kernel": str(secret)})["parameters"]["job"]
        show = lambda: self.daemon.call("io.ktstrd.Job.Show", job=job)["parameters"]
        kt.wait_until(lambda: show().get("verdict"), "the verdict")
        self.assertEqual(show()["verdict"]["error"], KERNEL + "NoSuchKernel")
        self.assertIn("Permission denied", show()["verdict"]["reason"])
        self.assertEqual(self.keys(), [])

    def test_a_refusal_leaves_the_daemon_with_its_own_rights(self):
        secret = self.secret("secret", kf.elf())
        for method, parameters in (("Import", {"files": [{"name": "x", "path": str(secret)}]}), ("Resolve", {"kernel": str(secret)})):
            # More often than there are threads to do it.
            reply = self.as_nobody(KERNEL + method, parameters, times=16)
            self.assertIn("Permission denied", reply["parameters"]["message"])
        for i in range(8):
            image = self.secret(f"of-root-{i}", kf.elf(f"6.18.{i}-root"))
            reply = self.daemon.call(KERNEL + "Import", files=[{"name": "x", "path": str(image)}])
            self.assertNotIn("error", reply)
        self.assertEqual(stat.S_IMODE((self.cache / self.keys()[0]).stat().st_mode), 0o755)
        self.assertEqual({p.owner() for p in self.cache.rglob("*")}, {"root"})


if __name__ == "__main__":
    kt.main()
