# SPDX-License-Identifier: LGPL-2.1-or-later
"""The outer guest of the KVM tests: QEMU's TCG with an emulated AMD SVM, so that a real KVM runs in it.

Its root is this machine's own, over 9p and read-only, with memory on top; its kernel is a full Debian image package
(the cloud flavour has no 9p). prepare() unpacks the package once into a cache folder; run() starts the guest, hands on
what the command in it prints, and gives the command's exit status.
"""

import lzma
import os
import select
import shutil
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ("kvm-amd", "9p", "9pnet_virtio", "overlay")
MODULES_OR_BUILT_IN = ("virtio_pci", "virtio_console")
CONSOLE_TAIL = 30

# See the README for why there is one CPU, and why it has no XSAVE.
CPU = "max,svm=on,npt=on,xsave=off"

# What saves time while it boots under TCG, as for any guest of ktstrd; and a timer that ticks by itself: see the README for why it may
# not be one that has to be set anew after each of its interrupts.
COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 mitigations=off nokaslr no_timer_check tsc=reliable "
    "cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 nohz=off highres=off"
)


# It stands still when it prints nothing for so long, and for so many times the longest that it took for a line before: a check takes
# half a minute at most, on a busy machine several times as long.
SILENCE_S = 90
SILENCE_TIMES = 4


class Failure(Exception):
    """The harness cannot go on; the text says what to do."""


class StoodStill(Failure):
    """The outer guest stands still, and no check in it has failed: another one may be asked."""


def unpack_package(package, folder):
    """Take the image and all modules out of an image package, into folder."""
    reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    try:
        with tarfile.open(fileobj=reader.stdout, mode="r|") as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if not member.isfile():
                    continue
                if name.startswith("vmlinuz-"):
                    target = os.path.join(folder, "vmlinuz")
                elif ".ko" in name:
                    target = os.path.join(folder, "modules", name)
                else:
                    continue
                with tar.extractfile(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink)
    except tarfile.TarError as error:
        raise Failure(f"{package}: no image package, or a damaged one ({error}); fetch it again") from error
    finally:
        reader.stdout.close()
        reader.wait()
    if reader.returncode != 0:
        raise Failure(f"{package}: dpkg-deb cannot read it; fetch it again")


def prepare(package, cache):
    """The unpacked package's folder, made once."""
    folder = os.path.join(cache, os.path.splitext(os.path.basename(package))[0])
    if os.path.isdir(folder):
        return folder
    partial = f"{folder}.{os.getpid()}"
    os.makedirs(os.path.join(partial, "modules"))
    try:
        unpack_package(package, partial)
        if not os.path.exists(os.path.join(partial, "vmlinuz")):
            raise Failure(f"{package}: no kernel image in it; give a linux-image package")
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def read_module(folder, name):
    """A module's file name and plain bytes; None if the kernel has no such file."""
    for spelling in (name, name.replace("-", "_"), name.replace("_", "-")):
        for suffix, opener in ((".ko", open), (".ko.xz", lzma.open)):
            path = os.path.join(folder, "modules", spelling + suffix)
            if os.path.exists(path):
                with opener(path, "rb") as file:
                    return spelling + ".ko", file.read()
    return None


def load_order(folder, names):
    """{file name: bytes} of the modules and what they depend on, dependencies first."""
    ordered = {}

    def add(name):
        found = read_module(folder, name)
        if found is None and name in MODULES_OR_BUILT_IN:
            return
        if found is None:
            raise Failure(f"{folder}: the kernel has no module {name}; take the full amd64 flavour, not cloud")
        file_name, data = found
        if file_name in ordered:
            return
        depends = data[data.index(b"\0depends=") + len(b"\0depends="):].split(b"\0", 1)[0].decode()
        for dependency in filter(None, depends.split(",")):
            add(dependency)
        ordered[file_name] = data

    for name in names:
        add(name)
    return ordered


class Cpio:
    """A newc archive, as the kernel reads it."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.inode = 0

    def add(self, name, mode, data=b""):
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self.file.write(header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4))

    def close(self):
        self.add("TRAILER!!!", 0)
        self.file.close()


def build_initramfs(path, folder, busybox):
    cpio = Cpio(path)
    for name in ("bin", "dev", "proc", "sys", "modules", "share", "lower", "writable", "root"):
        cpio.add(name, 0o040755)
    with open(busybox, "rb") as file:
        cpio.add("bin/busybox", 0o100755, file.read())
    for applet in ("sh", "mount", "insmod", "mkdir", "chroot", "cat", "sync", "poweroff", "ip"):
        cpio.add(f"bin/{applet}", 0o120777, b"busybox")
    with open(os.path.join(HERE, "outer_init"), "rb") as file:
        cpio.add("init", 0o100755, file.read())
    modules = load_order(folder, MODULES_OR_BUILT_IN + MODULES)
    for name, data in modules.items():
        cpio.add(f"modules/{name}", 0o100644, data)
    cpio.add("modules/order", 0o100644, "".join(f"{name}\n" for name in modules).encode())
    cpio.close()


def command_line(qemu, folder, scratch, share):
    return [
        # QEMU goes when this script does, however that ends.
        "setpriv", "--pdeathsig", "KILL", "--",
        qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-M", "q35", "-accel", "tcg,thread=single", "-cpu", CPU, "-smp", "1", "-m", "3072",
        "-kernel", os.path.join(folder, "vmlinuz"), "-initrd", os.path.join(scratch, "initramfs"),
        "-append", COMMAND_LINE,
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
        "-serial", f"file:{share}/console",
        # Not "stdio": the end of our stdin would close the port.
        "-chardev", "file,id=output,path=/dev/stdout",
        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=output,name=output,nr=1",
    ]


class Output:
    """What the guest prints, handed on as it comes."""

    def __init__(self, descriptor, deadline, may_be_silent):
        self.descriptor, self.deadline, self.may_be_silent = descriptor, deadline, may_be_silent
        self.longest_s = 0.0
        self.unfinished = b""
        self.failed = False  # a check did

    def silence_s(self):
        return max(SILENCE_S, SILENCE_TIMES * self.longest_s)

    def take(self, data):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        *lines, self.unfinished = (self.unfinished + data).split(b"\n")
        self.failed = self.failed or any(line.startswith(b"FAIL ") for line in lines)

    def pass_on(self):
        """Until QEMU ends. StoodStill when it prints nothing any more and no check has failed, a Failure when one has or the time is over."""
        heard = time.monotonic()
        while True:
            left = self.deadline - time.monotonic()
            silent = float("inf") if self.may_be_silent else heard + self.silence_s() - time.monotonic()
            if left <= 0:
                raise Failure("was stopped: the time for all of it is over")
            if silent <= 0:
                raise (Failure if self.failed else StoodStill)(f"stands still: it has printed nothing for {self.silence_s():.0f} s")
            if not select.select([self.descriptor], [], [], min(left, silent))[0]:
                continue
            data = os.read(self.descriptor, 65536)
            if not data:
                return
            now = time.monotonic()
            self.longest_s, heard = max(self.longest_s, now - heard), now
            self.take(data)


def console_tail(share):
    try:
        with open(os.path.join(share, "console"), errors="replace") as file:
            return "".join(file.readlines()[-CONSOLE_TAIL:])
    except OSError as error:
        return f"no console: {error}\n"


def run(qemu, folder, busybox, scratch, command, deadline, may_be_silent=False):
    """
    Run a shell text in a fresh outer guest, until deadline (of time.monotonic()). Returns its exit status; what it left in /run/share is in
    scratch/share.
    """
    share = os.path.join(scratch, "share")
    os.makedirs(share, exist_ok=True)
    with open(os.path.join(share, "command"), "w") as file:
        file.write(command)
    build_initramfs(os.path.join(scratch, "initramfs"), folder, busybox)
    process = subprocess.Popen(command_line(qemu, folder, scratch, share), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    try:
        Output(process.stdout.fileno(), deadline, may_be_silent).pass_on()
        ended = process.wait()
    except Failure as error:
        raise type(error)(f"the outer guest {error}; the last of its console:\n{console_tail(share)}") from None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    try:
        with open(os.path.join(share, "status")) as file:
            return int(file.read())
    except (OSError, ValueError):
        raise Failure(f"the outer guest ended without a result, its QEMU with status {ended}; "
                      f"the last of its console:\n{console_tail(share)}") from None
