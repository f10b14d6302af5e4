# SPDX-License-Identifier: LGPL-2.1-or-later
"""What else a kernel comes in than Debian's packages and images: RPMs, modules where they are installed, a whole system, a URL."""

import shutil
import subprocess
import unittest

import kernel_files as kf
import ktstr_test as kt
from test_kernels import KernelTest

MODULAR = kf.config(VIRTIO_PCI="m", VIRTIO_CONSOLE="m")
MODULES = {"virtio/virtio": kf.module(), "virtio/virtio_ring": kf.module(["virtio"]),
           "virtio/virtio_pci": kf.module(["virtio", "virtio_ring"]), "char/virtio_console": kf.module(["virtio", "virtio_ring"])}
LOADED = ["00-virtio.ko", "01-virtio_ring.ko", "02-virtio_pci.ko", "03-virtio_console.ko"]


class Rpm(KernelTest):
    def write_rpms(self, contents):
        return [self.write(f"{name}.x86_64.rpm", content) for name, content in contents.items()]

    @unittest.skipUnless(shutil.which("rpm2cpio") and shutil.which("cpio"), "no rpm2cpio and cpio here to ask")
    def test_the_files_of_these_tests_are_rpms(self):
        core = self.write_rpms(kf.fedora_rpms("6.18.1-1.fc43", b"image", kf.CONFIG))[0]
        # It warns, also by its status, that nobody signed it.
        cpio = subprocess.run(["rpm2cpio", core], capture_output=True).stdout
        listing = subprocess.run(["cpio", "-it"], input=cpio, capture_output=True, check=True).stdout.decode()
        self.assertIn("lib/modules/6.18.1-1.fc43/vmlinuz\n", listing)

    def test_however_they_are_packed(self):
        for i, compression in enumerate(kf.RPM_COMPRESSIONS):
            with self.subTest(compression=compression):
                release = f"6.18.{i}-1.fc43.x86_64"
                core, _ = self.write_rpms(kf.fedora_rpms(release, kf.bzimage(kf.elf(release)), kf.CONFIG, compression=compression))
                key = self.take(core)
                self.assertEqual(key, f"{release}-rpm-x86_64")
                self.assertEqual(self.entry(key)["source"], "package")
                self.assertEqual(self.read(key, "config").decode(), kf.CONFIG)

    def test_fedoras_come_in_two(self):
        release = "6.18.1-1.fc43.x86_64"
        core, modules = self.write_rpms(kf.fedora_rpms(release, kf.bzimage(kf.elf(release)), MODULAR, MODULES))
        self.refuse(core, words=["kernel-modules-core", release])
        self.refuse(modules, words=["no kernel image", "kernel-core"])
        key = self.take(modules, core)
        self.assertEqual(self.entry(key)["modules"], LOADED)
        self.assertEqual(self.read(key, "modules/02-virtio_pci.ko"), MODULES["virtio/virtio_pci"])
        self.assertEqual(self.take(core, modules, says="already cached:"), key)

    def test_suses_come_in_one(self):
        release = "6.18.1-1-default"
        key = self.take(self.write("kernel-default.rpm", kf.suse_rpm(release, kf.bzimage(kf.elf(release)), MODULAR, MODULES)))
        self.assertEqual((key, self.entry(key)["modules"]), (f"{release}-rpm-x86_64", LOADED))

    def test_one_that_is_cut_is_refused(self):
        for compression in kf.RPM_COMPRESSIONS:
            whole = kf.fedora_rpms("6.18.1-test", kf.bzimage(kf.elf(padding=50_000)), kf.CONFIG, compression=compression)["kernel-core"]
            for cut in (8, 95, 97, 120, 300, len(whole) // 2, len(whole) - 100):
                with self.subTest(compression=compression, cut=cut, of=len(whole)):
                    self.refuse(self.write("kernel-core.rpm", whole[:cut]), words="fetch it again")


class ModuleFolder(KernelTest):
    RELEASE = "6.18.1-test"

    def folder(self, modules=None, ending=".ko.xz", dep=True, release=RELEASE):
        """/lib/modules/RELEASE with these modules, as depmod leaves it."""
        folder = self.files / f"root/lib/modules/{release}"
        shutil.rmtree(folder, ignore_errors=True)
        modules = MODULES if modules is None else modules
        pack = kf.COMPRESSORS.get({".ko.xz": "xz", ".ko.zst": "zstd", ".ko.gz": "gzip"}.get(ending), lambda c: c)
        path = lambda name: f"kernel/drivers/{name}{ending}"
        for name, content in modules.items():
            self.write(folder / path(name), pack(content))
        folder.mkdir(parents=True, exist_ok=True)
        if dep:
            needs = ["virtio/virtio_ring", "virtio/virtio"]
            self.write(folder / "modules.dep", "".join(
                f"{path(name)}:{''.join(' ' + path(n) for n in needs if content != MODULES['virtio/virtio'] and n != name)}\n"
                for name, content in modules.items()))
        return folder

    def image(self, config=MODULAR):
        return self.write("vmlinuz", kf.bzimage(kf.elf(self.RELEASE, config=config)))

    def test_modules_are_taken_however_they_are_packed(self):
        image = self.image()
        self.refuse(image, words=["virtio as modules", f"/lib/modules/{self.RELEASE}"])
        for dep in (True, False):
            for ending in (".ko", ".ko.xz", ".ko.zst", ".ko.gz"):
                with self.subTest(ending=ending, dep=dep):
                    key = self.take(image, self.folder(ending=ending, dep=dep))
                    self.assertEqual((key, self.entry(key)["modules"]), (f"{self.RELEASE}-img-x86_64", LOADED))
                    self.assertEqual(self.read(key, "modules/03-virtio_console.ko"), MODULES["char/virtio_console"])
                    self.daemon.ctl("kernel", "remove", key)

    def test_the_folder_alone_has_image_and_configuration(self):
        folder = self.folder()
        self.refuse(folder, words=["no kernel image", "name the image"])
        self.write(folder / "vmlinuz", kf.bzimage(kf.elf(self.RELEASE)))
        self.write(folder / "config", MODULAR)
        key = self.take(folder)
        self.assertEqual((key, self.entry(key)["modules"]), (f"{self.RELEASE}-img-x86_64", LOADED))
        self.assertEqual(self.read(key, "config").decode(), MODULAR)

    def test_a_folder_is_not_needed_where_virtio_is_built_in(self):
        key = self.take(self.image(kf.CONFIG), self.folder())
        self.assertEqual(self.entry(key)["modules"], [])

    def test_what_cannot_be_used_is_refused(self):
        image = self.image()
        folder = self.folder({k: v for k, v in MODULES.items() if "console" not in k})
        refused = self.daemon.ctl("kernel", "import", image, folder)
        self.assertEqual(refused.status, 64)
        self.assertIn("virtio_console is built as a module", refused.err)
        self.refuse(image, self.folder({}), words=["virtio as modules", str(folder)])
        other = {k: v + b"\0vermagic=6.18.2-other SMP \0" for k, v in MODULES.items()}
        self.refuse(image, self.folder(other), words=["those of kernel 6.18.2-other", str(folder)])
        self.refuse(image, self.folder(), self.folder(release="6.18.2-x"), words=["two kernels", "one at a time"])
        damaged = self.folder()
        (damaged / "kernel/drivers/virtio/virtio_pci.ko.xz").write_bytes(b"\xfd7zXZ\0\0\4" + b"x" * 100)
        self.refuse(image, damaged, words=["virtio_pci.ko.xz", "damaged"])
        (damaged / "kernel/drivers/virtio/virtio_pci.ko.xz").unlink()
        self.refuse(image, damaged, words="No such file")


if __name__ == "__main__":
    kt.main()
