# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Kernel source trees that are none: a Makefile for the real make that configures and "compiles" as the kernel's does, in well under a second.
What it builds is a fake kernel of kernel_files.
"""

import io
import os
import pathlib
import shutil
import tarfile

import kernel_files as kf

OBJECTS = ["init/main", "kernel/fork", "kernel/sched/core", "kernel/sched/ext", "kernel/sched/fair", "kernel/bpf/verifier", "mm/slub",
           "fs/exec", "lib/string", "drivers/virtio/virtio_pci", "net/socket", "arch/x86/kernel/setup"]

DEFCONFIG = "CONFIG_64BIT=y\nCONFIG_SMP=y\nCONFIG_NET=y\nCONFIG_MODULES=y\n# CONFIG_SCHED_CLASS_EXT is not set\n"
TINYCONFIG = "CONFIG_64BIT=y\n# CONFIG_SMP is not set\n# CONFIG_NET is not set\n"

MAKEFILE = r"""# SPDX-License-Identifier: GPL-2.0
VERSION = @VERSION@
PATCHLEVEL = @PATCHLEVEL@
SUBLEVEL = @SUBLEVEL@
EXTRAVERSION = @EXTRAVERSION@
NAME = Fake Kernel

KERNELVERSION = $(VERSION)$(if $(PATCHLEVEL),.$(PATCHLEVEL)$(if $(SUBLEVEL),.$(SUBLEVEL)))$(EXTRAVERSION)
KCONFIG_CONFIG ?= .config
OBJECTS = @OBJECTS@
MAKEFLAGS += --no-print-directory

all: vmlinux

kernelversion kernelrelease:
	@echo $(KERNELVERSION)

defconfig tinyconfig:
	@sh scripts/step $@
	@echo "*** Default configuration is based on 'x86_64_$@'"
	@cp arch/x86/configs/$@ $(KCONFIG_CONFIG)
	@echo "# configuration written to $(KCONFIG_CONFIG)"

olddefconfig:
	@sh scripts/step $@
	@sh scripts/olddefconfig $(KCONFIG_CONFIG)
	@echo "# configuration written to $(KCONFIG_CONFIG)"

$(OBJECTS): %.o: %.c
	@sh scripts/step $@
	@echo "  CC      $@"
	@sh scripts/compile $<
	@cp $< $@

include/config/kernel.release: FORCE
	@test -f $(KCONFIG_CONFIG) || { echo "***" >&2; echo "*** Configuration file \"$(KCONFIG_CONFIG)\" not found!" >&2; exit 1; }
	@mkdir -p include/config
	@release=$(KERNELVERSION)$$(sh scripts/setlocalversion $(KCONFIG_CONFIG)); \
		test "$$(cat $@ 2>/dev/null)" = "$$release" || echo "$$release" >$@

vmlinux: include/config/kernel.release $(OBJECTS) fake/vmlinux
	@sh scripts/step $@
	@echo "  LD      vmlinux"
	@cp fake/vmlinux $@
	@echo "  BTFIDS  vmlinux"

clean:
	@rm -f $(OBJECTS) vmlinux
	@echo "  CLEAN   ."

mrproper: clean
	@rm -rf include/config .config
	@echo "  MRPROPER ."

FORCE:

.PHONY: FORCE all clean defconfig kernelrelease kernelversion mrproper olddefconfig tinyconfig
"""

# Of each option the last line counts; what an option lacks to be there is in scripts/drops.
OLDDEFCONFIG = r"""config=$1
awk '
        FILENAME == "scripts/drops" { drop["CONFIG_" $1] = 1; next }
        /^CONFIG_[A-Za-z0-9_]+=/ { name = $0; sub(/=.*/, "", name) }
        /^# CONFIG_[A-Za-z0-9_]+ is not set$/ { name = $2 }
        name { if (!(name in line)) order[++n] = name; line[name] = $0; name = "" }
        END {
                print "#\n# Automatically generated file; DO NOT EDIT.\n#"
                for (i = 1; i <= n; i++)
                        if (!(order[i] in drop))
                                print line[order[i]]
        }
' scripts/drops "$config" >"$config.new" && mv "$config.new" "$config"
"""

# git status as the older ones have it: it writes the index anew.
SETLOCALVERSION = r"""grep -qx CONFIG_LOCALVERSION_AUTO=y "$1" || exit 0
head=$(git rev-parse --verify HEAD 2>/dev/null) && [ -z "$(git rev-parse --show-cdup)" ] || exit 0
printf -- -g%.12s "$head"
[ -z "$(git status -uno --porcelain)" ] || printf -- -dirty
"""

STEP = r"""# What is to happen beside a target, before it is made: scripts/hangs and scripts/changes name it.
if grep -qsx "$1" scripts/hangs; then
        echo "  HANG    $1"
        exec sleep 1000
fi
if grep -qs "^$1 " scripts/changes; then
        echo "/* changed while it was built */" >>"$(sed -n "s|^$1 ||p" scripts/changes)"
fi
"""

COMPILE = r"""if grep -qs ERROR "$1"; then
        echo "$1: In function 'fake':" >&2
        echo "$1:3:9: error: 'ERROR' undeclared (first use in this function)" >&2
        echo "    3 |         ERROR;" >&2
        echo "      |         ^~~~~" >&2
        exit 1
fi
if grep -qs WARNING "$1"; then
        echo "$1:3:13: warning: unused variable 'WARNING' [-Wunused-variable]" >&2
fi
exit 0
"""

GITIGNORE = "*.o\n.*\n!.gitignore\n/vmlinux\n/include/config/\n"


def fake_tree(version="6.14.2", *, error=None, warning=None, drops=(), hangs=None, changes=None, objects=None, vmlinux=None):
    """
    The files of a tree, {path: content}. Its faults: `error` and `warning` name the .c file that the compiler complains about, `drops` the
    options (without CONFIG_) that do not survive olddefconfig, `hangs` the target ("olddefconfig", "kernel/sched/ext.o", "vmlinux") that is
    never done, `changes` is (target, path): making the one changes the other.
    """
    numbers, _, extra = version.partition("-")
    parts = (numbers.split(".") + ["0", "0"])[:3]
    objects = OBJECTS if objects is None else objects
    makefile = MAKEFILE
    for name, value in (("VERSION", parts[0]), ("PATCHLEVEL", parts[1]), ("SUBLEVEL", parts[2]), ("EXTRAVERSION", extra and "-" + extra),
                        ("OBJECTS", " ".join(f"{o}.o" for o in objects))):
        makefile = makefile.replace(f"@{name}@", value)
    release = ".".join(parts) + (extra and "-" + extra)
    files = {
        ".gitignore": GITIGNORE,
        "Makefile": makefile,
        "Kconfig": 'mainmenu "Fake"\n',
        "README": "A tree that only looks like a kernel's.\n",
        "arch/x86/configs/defconfig": DEFCONFIG,
        "arch/x86/configs/tinyconfig": TINYCONFIG,
        "scripts/olddefconfig": OLDDEFCONFIG,
        "scripts/setlocalversion": SETLOCALVERSION,
        "scripts/step": STEP,
        "scripts/compile": COMPILE,
        "scripts/drops": "".join(f"{d}\n" for d in drops),
        "fake/vmlinux": kf.elf(release) if vmlinux is None else vmlinux,
    }
    for o in objects:
        word = {error: "ERROR;", warning: "int WARNING;"}.get(f"{o}.c", "return;")
        files[f"{o}.c"] = f"void fake(void)\n{{\n        {word}\n}}\n"
    for path in (error, warning):
        if path and path not in files:
            raise ValueError(f"no such file in the tree: {path}")
    if hangs:
        files["scripts/hangs"] = f"{hangs}\n"
    if changes:
        files["scripts/changes"] = f"{changes[0]} {changes[1]}\n"
    return {path: content if isinstance(content, bytes) else content.encode() for path, content in files.items()}


def write_tree(files, folder):
    """Lay it out in a folder, which is returned."""
    for path, content in files.items():
        to = pathlib.Path(folder, path)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(content)
    return pathlib.Path(folder)


def tarball(files, top="linux", ending=".xz"):
    """The bytes of a tarball with all of it in the folder `top`; ending: one of kernel_files.TAR_ENDINGS."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        folder = tarfile.TarInfo(f"{top}/")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        t.addfile(folder)
        for path, content in files.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size, info.mtime = len(content), 1700000000
            t.addfile(info, io.BytesIO(content))
    compression = kf.TAR_ENDINGS[ending]
    return kf.COMPRESSORS[compression](out.getvalue()) if compression else out.getvalue()


def release_tarball(version, **faults):
    """As kernel.org has it: a release's .tar.xz, a candidate's .tar.gz."""
    return tarball(fake_tree(version, **faults), f"linux-{version}", ".gz" if "-rc" in version else ".xz")


def path_with_tools(folder):
    """
    A PATH with stand-ins, made in folder, for what only real kernels need and this machine lacks: the helper asks for all of it before it
    begins.
    """
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for name in ("bc", "bison", "flex", "pahole", "perl"):
        if not shutil.which(name):
            stand_in = pathlib.Path(folder, name)
            stand_in.write_text("#!/bin/sh\necho v1.30\n")
            stand_in.chmod(0o755)
    return f"{os.environ['PATH']}:{folder}"
