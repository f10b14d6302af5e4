# SPDX-License-Identifier: LGPL-2.1-or-later
"""What else a kernel comes in than Debian's packages and images: RPMs, modules where they are installed, a whole system, a URL."""

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import time
import unittest
import zlib

import kernel_files as kf
import ktstr_test as kt
from kernel_case import KERNEL, KernelTest

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


class SystemTest(KernelTest):
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


class ModuleFolder(SystemTest):
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

    def test_what_is_installed_brings_them_along_by_itself(self):
        self.folder()
        image = self.write(f"root/boot/vmlinuz-{self.RELEASE}", kf.bzimage(kf.elf(self.RELEASE)))
        config = self.write(f"root/boot/config-{self.RELEASE}", MODULAR)
        key = self.take(image)
        self.assertEqual(self.entry(key)["modules"], LOADED)
        self.assertEqual(self.read(key, "config").decode(), MODULAR)
        config.write_text(kf.CONFIG)
        self.daemon.ctl("kernel", "remove", key)
        self.assertEqual(self.entry(self.take(image))["imported_from"], [str(image), str(config)])

    def test_so_does_one_among_its_modules(self):
        folder = self.folder()
        image = self.write(folder / "vmlinuz", kf.bzimage(kf.elf(self.RELEASE)))
        self.write(folder / "config", MODULAR)
        key = self.take(image)
        self.assertEqual((self.entry(key)["modules"], self.read(key, "config").decode()), (LOADED, MODULAR))

    def test_so_does_a_path_that_the_daemon_opens(self):
        folder = self.folder()
        boot = self.write(f"root/boot/vmlinuz-{self.RELEASE}", kf.bzimage(kf.elf(self.RELEASE)))
        self.write(f"root/boot/config-{self.RELEASE}", MODULAR)
        among = self.write(folder / "vmlinuz", kf.bzimage(kf.elf(self.RELEASE)))
        self.write(folder / "config", MODULAR)
        for image in (boot, among):
            reply = self.daemon.call(KERNEL + "Import", files=[{"name": "x", "path": str(image)}])
            self.assertEqual(reply["parameters"]["entry"]["modules"], LOADED, reply)
            self.daemon.ctl("kernel", "remove", reply["parameters"]["entry"]["key"])


class Installed(SystemTest):
    """import --installed, of a system that stands somewhere else."""

    def install(self, release, config=kf.CONFIG, boot=True, modules=None, image=None):
        image = image or kf.bzimage(kf.elf(release))
        folder = self.folder(modules or {}, release=release)
        self.write(f"root/boot/vmlinuz-{release}" if boot else folder / "vmlinuz", image)
        if config:
            self.write(f"root/boot/config-{release}" if boot else folder / "config", config)

    def import_installed(self, *options):
        return self.daemon.ctl("kernel", "import", "--installed", "--root", self.files / "root", *options)

    def test_every_kernel_with_sched_ext_is_taken(self):
        self.install("6.18.1-a")
        self.install("6.18.10-b", MODULAR, modules=MODULES)
        self.install("6.18.2-fedora", boot=False)
        self.install("6.1.1-old", kf.config(SCHED_CLASS_EXT=None))
        self.install("6.18.3-bare", config=None)
        self.install("6.18.4-broken", image=b"no kernel")
        (self.files / "root/usr").mkdir()
        (self.files / "root/usr/lib").symlink_to("../lib")
        result = self.import_installed()
        self.assertEqual(result.status, 0, result)
        keys = [f"{r}-img-x86_64" for r in ("6.18.1-a", "6.18.2-fedora", "6.18.10-b")]
        self.assertEqual(result.out.splitlines(), [f"imported: {k}" for k in keys])
        skipped = dict(line.removeprefix("skipped: ").split(": ", 1) for line in result.err.splitlines())
        self.assertEqual(list(skipped), ["6.1.1-old", "6.18.3-bare", "6.18.4-broken"])
        self.assertIn("CONFIG_SCHED_CLASS_EXT", skipped["6.1.1-old"])
        self.assertIn("configuration", skipped["6.18.3-bare"])
        self.assertIn("vmlinuz-6.18.4-broken", skipped["6.18.4-broken"])
        self.assertCountEqual(self.keys(), keys)
        self.assertEqual(self.entry(keys[2])["modules"], LOADED)
        self.assertTrue(all(self.entry(k)["has_config"] for k in keys))
        again = self.import_installed("--json")
        self.assertEqual(again.status, 0)
        told = json.loads(again.out)
        self.assertEqual([e["key"] for e in told["imported"]], keys)
        self.assertEqual([s["release"] for s in told["skipped"]], list(skipped))

    def test_where_there_is_none(self):
        (self.files / "root").mkdir()
        result = self.import_installed()
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("no kernel is installed below", result.err)
        self.install("6.1.1-old", kf.config(SCHED_CLASS_EXT=None))
        result = self.import_installed()
        self.assertEqual((result.status, result.out), (1, ""), result)
        self.assertIn("none of the kernels below", result.err.splitlines()[-1])

    def test_usage(self):
        for args in (["import", "--installed", "x"], ["import", "--root", "/x", "y"], ["list", "--installed"], ["list", "--config"]):
            self.assertEqual(self.daemon.ctl("kernel", *args).status, 64, args)


class SchedExtTest(KernelTest):
    OPS = ["select_cpu", "enqueue", "dispatch"]
    KFUNCS = ["scx_bpf_dsq_insert", "scx_bpf_kick_cpu"]
    FLAGS = ["SCX_OPS_ENQ_LAST", "SCX_OPS_SWITCH_PARTIAL"]

    def kernel(self, release, kfuncs=KFUNCS, ops=OPS, flags=FLAGS, config=kf.CONFIG, **options):
        return self.write(f"{release}/vmlinux", kf.elf(release, config, **{"btf": kf.btf(kfuncs, ops, flags), **options}))


class Info(SchedExtTest):
    def info(self, key, *options):
        result = self.daemon.ctl("kernel", "info", key, *options)
        self.assertEqual((result.status, result.err), (0, ""), result)
        return result.out

    def test_what_is_in_a_kernel(self):
        key = self.take(self.kernel("6.18.1-a", config=kf.CONFIG + "CONFIG_HZ=1000\nCONFIG_PREEMPT_LAZY=y\nCONFIG_UNTOLD=y\n"))
        text = self.info(key)
        for line in (key, "  release:        6.18.1-a", "  source:         image", f"  from:           {self.files}/6.18.1-a/vmlinux",
                     "    CONFIG_SCHED_CLASS_EXT=y", "    CONFIG_HZ=1000", "    CONFIG_PREEMPT_LAZY=y", "    # CONFIG_DEBUG_INFO_BTF is not set",
                     "  sched_ext:      yes", "    kfuncs: 2", "      scx_bpf_dsq_insert scx_bpf_kick_cpu",
                     "      select_cpu enqueue dispatch", "    scx_ops_flags:", "      SCX_OPS_ENQ_LAST SCX_OPS_SWITCH_PARTIAL",
                     "  boot:           not measured yet"):
            self.assertIn(line, text.splitlines())
        self.assertNotIn("UNTOLD", text)
        told = json.loads(self.info(key, "--json"))
        self.assertEqual(told, self.daemon.call("io.ktstrd.Kernel.Info", key=key)["parameters"])
        self.assertEqual(told["features"]["constants"][1], {"enumeration": "scx_ops_flags", "name": self.FLAGS[1], "value": "0x2"})
        self.assertEqual((told["config_hash"], told["boots"]), (f"{zlib.crc32(told['config'].encode()):08x}", []))
        self.assertEqual(self.info(key, "--config"), self.read(key, "config").decode())

    def test_what_it_lacks_is_said(self):
        bare = self.take(self.write("vmlinux", kf.elf("6.18.2-bare", btf=None)))
        text = self.info(bare)
        for line in ("  configuration:  not known", "  BTF:            none", "  sched_ext:      no"):
            self.assertIn(line, text.splitlines())
        result = self.daemon.ctl("kernel", "info", bare, "--config")
        self.assertEqual((result.status, result.out), (1, ""))
        self.assertIn("is not known", result.err)

    def test_damaged_btf_is_told_beside_the_rest(self):
        key = self.take(self.kernel("6.18.3-damaged", btf=kf.BTF))
        text = self.info(key)
        self.assertRegex(text, r"\n  BTF:            cannot read the BTF in \S+/btf: it is damaged[^\n]*\n")
        self.assertIn("CONFIG_PVH=y", text)
        self.assertNotIn("features", json.loads(self.info(key, "--json")))

    def test_a_corrupt_entry(self):
        key = self.take(self.kernel("6.18.4-corrupt"))
        (self.cache / key / "vmlinux").write_bytes(b"short")
        self.assertRegex(self.info(key), rf"\A{key}\n  corrupt: +its image ")
        shutil.rmtree(self.cache / key)

    def test_how_long_it_boots_is_measured(self):
        key = self.take(self.kernel("6.18.5-boots"))
        for i in range(2):
            result = self.daemon.ctl("submit", "--kernel", key, "--duration", "100ms", "--topology", "1,1,2,1")
            self.assertIn("PASS", result.out + result.err, result)
        # It is written on a thread while the job goes on.
        boots = lambda: json.loads(self.info(key, "--json"))["boots"]
        kt.wait_until(lambda: boots() and boots()[0]["boots"] == 2, "both boots to be noted")
        boot = boots()[0]
        self.assertIn(boot["accel"], ("kvm", "tcg"))
        self.assertEqual(boot["cpus"], 2)
        self.assertLessEqual(boot["best_ms"], boot["last_ms"])
        self.assertRegex(self.info(key), rf"\n  boot:           {boot['accel']}, 2 CPUs: {boot['last_ms']} ms, at best {boot['best_ms']} ms, of 2 boots\n")
        # While the last guest is there it is in use.
        kt.wait_until(lambda: not self.daemon.children(), "the guest to be gone")
        self.assertEqual(self.daemon.ctl("kernel", "remove", key).status, 0)
        self.assertEqual(list((self.cache / ".boot").iterdir()), [])


class Diff(SchedExtTest):
    def diff(self, a, b, *options, **more):
        result = self.daemon.ctl("kernel", "diff", a, b, *options, **more)
        self.assertEqual((result.status, result.err), (0, ""), result)
        return result.out

    def test_what_differs(self):
        a = self.take(self.kernel("6.18.1-a", config=kf.CONFIG + "CONFIG_HZ=250\nCONFIG_ONLY_A=y\n"))
        b = self.take(self.kernel("7.0.0-b", [self.KFUNCS[0], "scx_bpf_new"], self.OPS + ["sub_attach"], self.FLAGS[:1],
                                  config=kf.CONFIG + "CONFIG_HZ=1000\n# CONFIG_ONLY_A is not set\n"))
        expected = f"""--- {a}
+++ {b}
configuration:
-CONFIG_HZ=250
+CONFIG_HZ=1000
-CONFIG_ONLY_A=y
kfuncs:
-scx_bpf_kick_cpu
+scx_bpf_new
sched_ext_ops:
+sub_attach
flags:
-SCX_OPS_SWITCH_PARTIAL
differences: 2 in the configuration, 2 in kfuncs, 1 in sched_ext_ops, 1 in flags
"""
        for names in ((a, b), ("6.18", "7.0.0"), (a, str(self.files / "7.0.0-b/vmlinux"))):
            self.assertEqual(self.diff(*names), expected)
        self.assertEqual(self.diff("6.18", "7.0.0-b/vmlinux", cwd=self.files), expected)
        told = json.loads(self.diff(a, b, "--json"))
        self.assertEqual(told["configuration"], [{"option": "CONFIG_HZ", "a": "250", "b": "1000"}, {"option": "CONFIG_ONLY_A", "a": "y"}])
        self.assertEqual(told["kfuncs"], {"a": ["scx_bpf_kick_cpu"], "b": ["scx_bpf_new"]})
        self.assertEqual(told["notes"], [])

    def test_a_path_is_not_imported(self):
        a, b = self.kernel("6.18.1-a"), self.kernel("6.18.2-b")
        self.assertEqual(self.diff(a, b).splitlines()[-1], "no differences")
        self.assertEqual(self.keys(), [])
        self.assert_whole()

    def test_what_cannot_be_compared_is_said(self):
        a = self.take(self.kernel("6.18.1-a"))
        bare = self.take(self.write("vmlinux", kf.elf("6.18.2-bare", btf=None)))
        damaged = self.take(self.kernel("6.18.3-damaged", btf=kf.BTF))
        lines = self.diff(a, bare).splitlines()
        self.assertEqual(lines[2:4], [f"note: the configuration of {bare} is not known: no options are compared",
                                      f"note: {bare} has no BTF: what its sched_ext can do is not compared"])
        self.assertEqual(lines[4:], ["no differences in what could be compared"])
        self.assertIn("it is damaged", self.diff(damaged, a).splitlines()[2])

    def test_one_that_is_not_there(self):
        a = self.take(self.kernel("6.18.1-a"))
        result = self.daemon.ctl("kernel", "diff", a, "9.9")
        self.assertEqual((result.status, result.out), (64, ""))
        self.assertIn("'9.9'", result.err)
        self.assertEqual(self.daemon.ctl("kernel", "diff", a).status, 64)


# A ktstrd-build that downloads from a folder, and does wrong as the last part of the address but one says.
BUILDER = """#!/usr/bin/python3
import json, os, pathlib, shutil, signal, sys, time

command, request = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
assert command == "download", command
assert {"mirror", "releases", "candidates", "stall_ms"} <= set(request["net"]), request
path, (*_, how, name) = pathlib.Path(request["path"]), request["url"].split("/")
part = path.with_name(path.name + ".part")

def say(**answer):
    print(json.dumps(answer), flush=True)

def progress(done, total):
    say(progress={"done": done, "total": total, "unit": "bytes"})

say(stage="download", message=name)
if how == "missing":
    say(error={"name": "io.ktstrd.Kernel.DownloadFailed", "message": request["url"] + " is not there (404)", "details": []})
    sys.exit(1)
elif how in ("hang", "stubborn"):
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    part.write_bytes(b"half")
    progress(12 << 20, 58 << 20)
    while True:
        time.sleep(60)
elif how == "crash":
    print("boom", file=sys.stderr)
    sys.exit(3)
elif how == "whoami":
    say(error={"name": "io.ktstrd.Kernel.DownloadFailed", "message": f"as {os.getuid()} in one of {path.parent.stat().st_uid}", "details": []})
    sys.exit(1)
elif how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "link":
    path.symlink_to("/etc/passwd")
elif how == "hard-link":
    (pathlib.Path(__file__).parent / "another").write_bytes(b"secret")
    os.link(pathlib.Path(__file__).parent / "another", path)
elif how == "chatter":
    print("no JSON\\n[]\\n" + '{"progress": 3, "error": "x"}' + "\\n" + "x" * 200000)
if how not in ("liar", "link", "hard-link"):
    content = (pathlib.Path(__file__).parent / "files" / name).read_bytes()
    resumed = part.exists()
    for done in (0, len(content) // 2, len(content)):
        progress(done, -1 if how == "unknown" else len(content))
    path.write_bytes(content)
    part.unlink(missing_ok=True)
    if resumed:
        (pathlib.Path(__file__).parent / "resumed").touch()
say(file={"path": "/etc/passwd", "size": 1, "sha256": "0" * 64})
"""


class Url(KernelTest):
    def setUp(self):
        super().setUp()
        self.daemon.stop()
        builder = self.daemon.dir / "builder"
        builder.write_text(BUILDER)
        builder.chmod(0o755)
        self.daemon.options += ["--builder", builder]
        self.daemon.start()

    def downloads(self):
        folder = self.cache / ".downloads"
        return sorted(p.name for p in folder.rglob("*") if p.is_file()) if folder.exists() else []

    def refuse_url(self, url, words, status=64):
        result = self.daemon.ctl("kernel", "import", url)
        self.assertEqual((result.status, result.out), (status, ""), result)
        self.assertRegex(result.err, r"\Aktstrctl: kernel: [^\n]+\n\Z")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, result.err)
        self.assertEqual(self.keys(), [])

    def stages(self, wire):
        stages = []
        while (reply := wire.receive()).get("continues"):
            stages.append(reply["parameters"]["stage"])
        return stages, reply

    def start(self, url):
        wire = self.daemon.connect()
        self.addCleanup(wire.socket.close)
        wire.send(KERNEL + "Import", {"files": [{"name": url, "url": url}]}, more=True)
        return wire

    def hang(self, url):
        """An import whose download has got as far as its part."""
        wire = self.start(url)
        while ": 12 of 58 MiB" not in wire.receive()["parameters"]["stage"]:
            pass
        return wire

    def test_one_is_imported_as_its_file_is(self):
        image = kf.bzimage(kf.elf("6.18.1-web", config=kf.CONFIG))
        self.write("vmlinuz", image)
        for how in ("ok", "unknown", "chatter"):
            url = f"http://test/{how}/vmlinuz"
            key = self.take(url, says="imported:" if how == "ok" else "already cached:")
            self.assertEqual(self.entry(key)["imported_from"], ["http://test/ok/vmlinuz"])
            self.assertEqual(self.downloads(), [])

    def test_several_together_and_with_files(self):
        release = "7.3.4-amd64"
        debs = kf.split_debs(release, kf.bzimage(kf.elf(release)), kf.CONFIG)
        here = self.write("linux-base.deb", debs["linux-base"])
        for name in ("linux-binary", "linux-modules"):
            self.write(f"{name}.deb", debs[name])
        key = self.take("https://test/ok/linux-binary.deb", here, "https://test/ok/linux-modules.deb?x=y/../linux-modules.deb")
        self.assertEqual(key, f"{release}-deb-x86_64")
        self.assertEqual(self.downloads(), [])

    def test_progress_is_told_as_stages(self):
        image = kf.elf("6.18.1-web", padding=20 << 20)
        self.write("vmlinux", image)
        stages, last = self.stages(self.start("http://test/ok/vmlinux"))
        size = len(image) >> 20
        self.assertEqual(stages, [f"downloading vmlinux{s}" for s in ("", f": 0 of {size} MiB", f": {size // 2} of {size} MiB",
                                                                      f": {size} of {size} MiB")] +
                         ["decompressing", "looking at it", "storing"])
        self.assertEqual(last["parameters"]["entry"]["key"], "6.18.1-web-img-x86_64")

    def test_what_fails_is_said(self):
        for how, words in (("missing", "http://test/missing/x is not there (404)"), ("crash", ["ended with 3", "boom"]),
                           ("killed", "signal 9"), ("liar", "left no file"), ("link", "left no file")):
            with self.subTest(how=how):
                self.refuse_url(f"http://test/{how}/x", words, status=3)
                self.assertEqual(self.downloads(), [])
        self.write("page.html", "<html>not a kernel</html>")
        self.refuse_url("http://test/ok/page.html", "http://test/ok/page.html")
        self.assertEqual(self.downloads(), [])

    def test_addresses_that_are_none(self):
        for url, words in (("http://", "no http"), ("https:///x", "no http"), ("http://a b/x", "no blanks"),
                           ("http://user:word@test/x", "password"), ("http://test/" + "x" * 5000, "at most 4096")):
            self.refuse_url(url, words)
        for file in ({"name": "x", "url": "file:///etc/passwd"}, {"name": "x", "url": "ftp://test/x"},
                     {"name": "x", "url": "http://test/x", "path": "/x"}, {"name": "x"}):
            reply = self.daemon.call(KERNEL + "Import", files=[file])
            self.assertEqual(reply["error"], "org.varlink.service.InvalidParameter", reply)

    def test_a_client_that_leaves_ends_it_and_the_part_stays(self):
        for how in ("hang", "stubborn"):
            with self.subTest(how=how):
                wire = self.hang(f"http://test/{how}/vmlinux")
                self.assertEqual(len(self.daemon.children()), 1)
                wire.socket.close()
                kt.wait_until(lambda: not self.daemon.children(), "the helper to be gone")
        self.assertEqual([n for n in self.downloads() if n.endswith(".part")], ["of-vmlinux.part"] * 2)
        self.assertEqual(self.keys(), [])

    def test_a_part_is_gone_on_with(self):
        self.hang("http://test/hang/vmlinux").socket.close()
        kt.wait_until(lambda: not self.daemon.children(), "the helper to be gone")
        # The same address, which does not hang any more.
        builder = self.daemon.dir / "builder"
        builder.write_text(BUILDER.replace('how in ("hang", ', 'how in ('))
        self.write("vmlinux", kf.elf("6.18.1-web"))
        self.take("http://test/hang/vmlinux")
        self.assertTrue((self.daemon.dir / "resumed").exists())
        self.assertEqual(self.downloads(), [])

    def test_two_of_one_address_do_not_meet(self):
        first, second = self.hang("http://test/hang/x"), self.hang("http://test/hang/x")
        self.assertEqual(self.downloads(), ["of-x.part"] * 2)
        first.socket.close()
        second.socket.close()
        kt.wait_until(lambda: not self.daemon.children(), "the helpers to be gone")

    def test_a_daemon_that_is_stopped_takes_it_along(self):
        self.hang("http://test/hang/x")
        self.daemon.stop()
        self.daemon.start()

    def test_parts_that_nobody_came_back_for_are_swept(self):
        self.hang("http://test/hang/old").socket.close()
        self.hang("http://test/hang/new").socket.close()
        kt.wait_until(lambda: not self.daemon.children(), "the helpers to be gone")
        self.daemon.stop()
        week_ago = time.time() - 7 * 24 * 3600 - 60
        old = next((self.cache / ".downloads").rglob("of-old.part"))
        for path in (*old.parent.iterdir(), old.parent):
            os.utime(path, (week_ago, week_ago))
        self.daemon.start()
        self.assertEqual(self.downloads(), ["of-new.part"])

    def test_another_files_name_is_not_opened(self):
        self.refuse_url("http://test/hard-link/x", "cannot open what was downloaded", status=3)

    @kt.needs_nobody()
    def test_root_downloads_for_somebody_as_somebody(self):
        with contextlib.suppress(KeyError):
            pwd.getpwnam("ktstrd-build")
            self.skipTest("there is a user ktstrd-build here")
        for path in (self.daemon.dir, self.daemon.socket):
            path.chmod(0o777)
        for uid in (0, kt.NOBODY):
            url = "http://test/whoami/x"
            os.seteuid(uid)
            try:
                reply = self.daemon.call(KERNEL + "Import", files=[{"name": url, "url": url}])
            finally:
                os.seteuid(0)
            self.assertEqual(reply["parameters"]["message"], f"as {uid} in one of {uid}")

    def test_without_a_helper(self):
        (self.daemon.dir / "builder").unlink()
        self.refuse_url("http://test/ok/x", "builder", status=3)


if __name__ == "__main__":
    kt.main()
