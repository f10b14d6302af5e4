# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Kernels that are no kernels: the smallest files that import takes for one, so that everything around a kernel can be tried without one. They
do not boot.
"""

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import tarfile

BTF = b"\x9f\xeb\0sched_ext_ops\0"
BTF_WITHOUT_SCHED_EXT = b"\x9f\xeb\0task_struct\0"
AARCH64 = 183

CONFIG = """CONFIG_SCHED_CLASS_EXT=y
CONFIG_PVH=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_CONSOLE=y
CONFIG_DEVMEM=y
"""


def config(**changed):
    """CONFIG with some options otherwise: y, m, or None for one that is not set."""
    lines = []
    for line in CONFIG.splitlines():
        name, value = line.removeprefix("CONFIG_").split("=")
        value = changed.pop(name, value)
        lines.append(f"CONFIG_{name}={value}" if value else f"# CONFIG_{name} is not set")
    if changed:
        raise ValueError(f"no such options: {changed}")
    return "\n".join(lines) + "\n"


def btf(kfuncs=(), ops=(), flags=()):
    """Real BTF (Documentation/bpf/btf.rst) with these functions, members of struct sched_ext_ops, and scx_ops_flags."""
    strings, types = bytearray(b"\0"), []

    def text(name):
        at = len(strings)
        strings.extend(name.encode() + b"\0")
        return at

    def add(name, kind, size_or_type, vlen=0, rest=b""):
        types.append(struct.pack("<III", text(name) if name else 0, kind << 24 | vlen, size_or_type) + rest)
        return len(types)

    u64 = add("u64", 1, 8, rest=struct.pack("<I", 64))
    proto = add(None, 13, 0)
    for name in kfuncs:
        add("bpf_kfunc", 17, add(name, 12, proto), rest=struct.pack("<i", -1))
    add("sched_ext_ops", 4, 8 * len(ops), len(ops), b"".join(struct.pack("<III", text(name), u64, 64 * i) for i, name in enumerate(ops)))
    add("scx_ops_flags", 19, 8, len(flags), b"".join(struct.pack("<III", text(name), 1 << i, 0) for i, name in enumerate(flags)))
    body = b"".join(types)
    return struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(body), len(body), len(strings)) + body + bytes(strings)


def elf(release="6.18.1-test", config=None, btf=BTF, pvh=True, machine=62, padding=0):
    """An x86_64 ELF with the banner, the PVH note, .BTF, and the configuration in it if it is given."""
    text = f"Linux version {release} (nobody) #1\0".encode() + b"\x90" * padding
    if config:
        text += b"IKCFG_ST" + gzip.compress(config.encode()) + b"IKCFG_ED"
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x1000000) if pvh else b""
    names = b"\0.text\0.notes\0.BTF\0.shstrtab\0"
    parts = [(1, 1, text), (7, 7, note)] + ([(14, 1, btf)] if btf else []) + [(19, 3, names)]
    offset = 64 + 2 * 56
    sections, body = [struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)], b""
    places = []
    for name, kind, content in parts:
        places.append(offset + len(body))
        sections.append(struct.pack("<IIQQQQIIQQ", name, kind, 2, 0x1000000, places[-1], len(content), 0, 0, 8, 0))
        body += content + b"\0" * (-len(content) % 8)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + b"\0" * 9, 2, machine, 1, 0x1000000, 64, offset + len(body),
                         0, 64, 56, 2, 64, len(sections), len(sections) - 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, places[0], 0x1000000, 0x1000000, len(text), len(text), 8)
    notes = struct.pack("<IIQQQQQQ", 4, 4, places[1], 0x1000000, 0x1000000, len(note), len(note), 4)
    return header + load + notes + body + b"".join(sections)


def lz4_legacy(content):
    """lz4's legacy frame, as kernels have it, of literals alone."""
    out = b"\x02\x21\x4c\x18"
    for at in range(0, len(content), 1 << 20):
        chunk = content[at:at + (1 << 20)]
        more = len(chunk) - 15
        block = b"\xf0" + b"\xff" * (more // 255) + bytes([more % 255]) + chunk if more >= 0 else bytes([len(chunk) << 4]) + chunk
        out += struct.pack("<I", len(block)) + block
    return out


COMPRESSORS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda c: lzma.compress(c, lzma.FORMAT_XZ, check=lzma.CHECK_CRC32,
                                  filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1}]),
    "lzma": lambda c: lzma.compress(c, lzma.FORMAT_ALONE),
    "zstd": lambda c: subprocess.run(["zstd", "-q", "-c"], input=c, stdout=subprocess.PIPE, check=True).stdout,
    "lz4": lz4_legacy,
}


def bzimage(content, compression="zstd"):
    """A bzImage around it: the boot protocol's header names the payload (Documentation/arch/x86/boot.rst)."""
    payload = COMPRESSORS[compression](content)
    # gzip's own last bytes are the size.
    if compression != "gzip":
        payload += struct.pack("<I", len(content))
    setup_sectors = 4
    head = bytearray((setup_sectors + 1) * 512)
    head[0x1f1] = setup_sectors
    head[0x1fe:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = struct.pack("<H", 0x20f)
    head[0x248:0x250] = struct.pack("<II", 16, len(payload))
    return bytes(head) + b"\0" * 16 + payload


def module(depends=(), padding=0):
    """A module as far as anybody here looks at it: what it depends on."""
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(depends).encode() + b"\0intree=Y\0" + b"\x90" * padding


TAR_ENDINGS = {"": None, ".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "lzma", ".zst": "zstd"}


def _pack(content, ending):
    compression = TAR_ENDINGS[ending]
    return COMPRESSORS[compression](content) if compression else content


def ar(members):
    """An ar archive of these members ({name: content}), as Debian packages are."""
    out = b"!<arch>\n"
    for name, content in members.items():
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(content)) + content
        out += b"\n" if len(content) % 2 else b""
    return out


def deb(files, ending=".xz"):
    """A Debian package with these files ({path: content}), its tar files packed as the ending says."""
    def tar(members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as t:
            for path, content in members.items():
                info = tarfile.TarInfo("./" + path)
                info.size = len(content)
                t.addfile(info, io.BytesIO(content))
        return _pack(out.getvalue(), ending)

    return ar({"debian-binary": b"2.0\n", f"control.tar{ending}": tar({"control": b"Package: x\n"}),
               f"data.tar{ending}": tar(files)})


def image_deb(release, image, config=None, modules=None, module_ending="", ending=".xz"):
    """linux-image-* as it is up to 6.18: everything in one. modules: {"char/virtio_console": content}."""
    files = {f"boot/vmlinuz-{release}": image, f"boot/System.map-{release}": b"ffffffff81000000 T _text\n"}
    if config:
        files[f"boot/config-{release}"] = config.encode()
    for name, content in (modules or {}).items():
        files[f"lib/modules/{release}/kernel/drivers/{name}.ko{module_ending}"] = _pack(content, module_ending)
    return deb(files, ending)


def cpio(files):
    """A cpio archive as RPMs have it (newc), of these files."""
    out = b""
    for i, (path, content) in enumerate([*files.items(), ("TRAILER!!!", b"")]):
        name = (path if path == "TRAILER!!!" else "./" + path).encode() + b"\0"
        last = path == "TRAILER!!!"
        fields = (0 if last else i + 1, 0 if last else 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return out


def _rpm_header(tags):
    """A header structure of these tags ({number: text or number}), numbers first."""
    index, data = b"", b""
    for tag, value in tags.items():
        index += struct.pack(">IIII", tag, 4 if isinstance(value, int) else 6, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", len(tags), len(data)) + index + data


RPM_COMPRESSIONS = ("xz", "zstd", "gzip", "bzip2", "none")


def rpm(files, compression="xz"):
    """An RPM with these files ({path: content}): lead, signature, header, payload."""
    lead = struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"kernel-core-6.18.1-1", 1, 5)
    header = _rpm_header({1000: "kernel-core", 1001: "6.18.1", 1002: "1", 1022: "x86_64", 1124: "cpio", 1125: compression, 1126: "2"})
    payload = cpio(files)
    if compression != "none":
        payload = COMPRESSORS[compression](payload)
    signature = _rpm_header({1000: len(header) + len(payload)})
    return lead + signature + b"\0" * (-len(signature) % 8) + header + payload


def fedora_rpms(release, image, config, modules=None, compression="zstd", module_ending=".xz"):
    """kernel-core and kernel-modules-core."""
    folder = f"lib/modules/{release}"
    return {
        "kernel-core": rpm({f"{folder}/vmlinuz": image, f"{folder}/config": config.encode(), f"{folder}/System.map": b"x"}, compression),
        "kernel-modules-core": rpm({f"{folder}/kernel/drivers/{name}.ko{module_ending}": _pack(content, module_ending)
                                    for name, content in (modules or {"net/virtio_net": module()}).items()}, compression),
    }


def suse_rpm(release, image, config, modules=None):
    """kernel-default: all in one, below /usr."""
    folder = f"usr/lib/modules/{release}"
    files = {f"{folder}/vmlinuz": image, f"{folder}/config": config.encode(), f"{folder}/System.map": b"x"}
    for name, content in (modules or {}).items():
        files[f"{folder}/kernel/drivers/{name}.ko.zst"] = _pack(content, ".zst")
    return rpm(files, "zstd")


def split_debs(release, image, config, modules=None, module_ending=".xz"):
    """linux-binary-*, linux-base-* and linux-modules-*, as they are from 6.19 on."""
    folder = f"usr/lib/modules/{release}"
    return {
        "linux-binary": deb({f"{folder}/vmlinuz": image}),
        "linux-base": deb({f"{folder}/config": config.encode(), f"{folder}/System.map": b"x"}),
        "linux-modules": deb({f"{folder}/kernel/drivers/{name}.ko{module_ending}": _pack(content, module_ending)
                              for name, content in (modules or {"net/virtio_net": module()}).items()}),
    }
