/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * Between ktstrd and ktstrd-build, the helper that downloads and builds kernels: what it is asked for, and the lines that it
 * answers with. The helper may run as another user and runs what it downloaded, so ktstrd checks all that it says.
 *
 * The request is a JSON object in the file REQUEST of `ktstrd-build build REQUEST`:
 *
 *   source     {"kind": "version", "version": "6.14.2" | "6.15-rc3" | "6.12" | "6" | null}   null: the newest stable of at least 8 patches
 *              {"kind": "tarball", "path": "/…", "name": as its user calls it}
 *              {"kind": "package", "name": "linux-source-6.12"}             of the machine's own apt sources
 *              {"kind": "git", "url": "https://…", "ref": "v6.14"}
 *              {"kind": "tree", "path": "/…"}                               built where it is
 *   profile    "default" | "tiny"
 *   extra_kconfig   text that is merged last, or absent
 *   clean      make mrproper first (bool). A tree that is built where it is keeps its .config: of it `make clean`, and without what
 *              include/config and include/generated had
 *   jobs       make -jN; 0: one a CPU
 *   objects    how many the last build of this profile from nothing made, for the percentage; 0 or absent: not known
 *   work       folder that is the helper's own; what is in it from an earlier time is gone on with
 *   net        as below
 *
 * `ktstrd-build releases REQUEST` prints the list of releases, `ktstrd-build download REQUEST` fetches one file; their requests:
 *
 *   net        {"mirror": "https://cdn.kernel.org/pub/linux/kernel", "releases": "https://www.kernel.org/releases.json",
 *               "candidates": "https://git.kernel.org/torvalds/t", "keyring": "/…" or absent, "stall_ms": 30000}
 *   url, path  (download) what, and where to; PATH.part is gone on with
 *
 * Answers are JSON objects, one a line, on standard output. In the order in which they may come:
 *
 *   {"stage": NAME, "message": TEXT}    another stage begins: one of BUILD_STAGES
 *   {"progress": {"done": N, "total": N or -1, "unit": "bytes" | "objects", "file": PATH or absent}}   of the stage; at most ten a second
 *   {"warning": TEXT}                   one line: of the compiler, or what a person should know
 *   {"note": TEXT}                      one line
 *   {"log": TEXT}                       a piece of the full log: what git, make and the like print, lines whole
 *   {"plan": PLAN}                      what will be built is known. The helper waits for a line on its standard input: "go" or "stop"
 *   and last, one of
 *   {"result": RESULT}                  exit status 0
 *   {"error": {"name": KT_E_*, "message": one line, "details": [lines, the important first]}}            exit status 1
 *
 * PLAN      source "tarball" | "git" | "local"; version (of the tree's Makefile, or known before); name (what is built, for a person);
 *           url, ref, git_hash (git; of a tree git_hash alone, absent when it is none of git); tree_path; source_sha256 (of a tarball that is no
 *           release of kernel.org's); own_config (CRC-32 of the .config that the tree has already, 8 hex digits, or absent);
 *           cacheable (bool) and, when it is not, why (text)
 * RESULT    tree (path of the built tree, which has vmlinux), config (path of its configuration; a .config in the tree is its owner's),
 *           config_hash (CRC-32 of config, 8 hex digits), version, release, cacheable and why once more (a tree may have changed while
 *           it was built), objects (how many were made: few where much was there already)
 *
 * Of the errors, KT_E_BUILD, KT_E_BAD_KERNEL and KT_E_NO_SUCH_KERNEL are about what was asked for: it does not configure or compile, is no
 * kernel, is not there. The others are about the machine and the network.
 * releases  {"releases": [{"version": "6.14.2", "moniker": "stable" | "longterm" | "mainline" | "linux-next", "eol": bool, "source": URL or null}, …],
 *            "latest_stable": "6.14.2"}
 * download  {"file": {"path": PATH, "size": N, "sha256": HEX}}
 */
/* clang-format on */

#define BUILD_PROGRAM "ktstrd-build"

/* No line is longer; a longer piece of log is cut into several. */
#define BUILD_LINE_MAX (64U * 1024U)

/* In the order in which they come; one that has nothing to do is left out. */
#define BUILD_STAGES                                                                                        \
        {                                                                                                   \
                "resolve", "download", "verify", "unpack", "clone", "configure", "compile"                  \
        }
