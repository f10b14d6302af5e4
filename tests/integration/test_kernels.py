# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel cache through the client: what it takes, what it refuses and how, and that nothing half-done is ever left in it."""

import contextlib
import itertools
import os
import pathlib
import pty
import random
import re
import subprocess

import kernel_files as kf
import ktstr_test as kt
from kernel_case import KERNEL, tree_snapshot, KernelTest

STAGES = ["unpacking", "decompressing", "looking at it", "taking modules along", "storing"]


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
        for i in range(30):
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
        # All come to their end, with nobody there to be told.
        kt.wait_until(lambda: self.keys() == ["6.18.1-slow-deb-x86_64", "6.1.1-x-img-x86_64"] and
                      not [p for p in self.cache.iterdir() if p.name.startswith(".tmp-")], "the kernel to be there, and nothing half")
        kt.wait_until(lambda: self.daemon.descriptors() <= before, "descriptors to be closed")
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


if __name__ == "__main__":
    kt.main()
