# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernels of several at once, and of users that may not open what the daemon may."""

import contextlib
import json
import os
import random
import re
import shutil
import stat
import threading

import kernel_files as kf
import ktstr_test as kt
from kernel_case import KERNEL, KernelTest


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
                for _ in range(30):
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
