# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the kernel cache share: a daemon and the files that it is given."""

import unittest

import kernel_files as kf
import ktstr_test as kt

KERNEL = "io.ktstrd.Kernel."


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
