# SPDX-License-Identifier: LGPL-2.1-or-later
"""The topology that was asked for, read back inside the guest."""

import unittest

import ktstr_test as kt

LOOK = r"""
echo online $(cat /sys/devices/system/cpu/online)
for n in /sys/devices/system/node/node*; do echo node $(cat $n/cpulist) distance $(cat $n/distance); done
for c in /sys/devices/system/cpu/cpu[0-9]*; do cat $c/cache/index3/shared_cpu_list; done | sort -u | while read l; do echo llc $l; done
for c in /sys/devices/system/cpu/cpu[0-9]*; do cat $c/topology/thread_siblings_list; done | sort -u | while read l; do echo core $l; done
"""


class Topology(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = kt.GuestDaemon()
        cls.enterClassContext(cls.daemon)

    def look(self, topology):
        result = self.daemon.ctl("shell", "--topology", topology, "--exec", LOOK)
        self.assertEqual(result.status, 0, result)
        seen = {"node": [], "llc": [], "core": []}
        for line in result.out.splitlines():
            kind, _, rest = line.partition(" ")
            if kind in seen:
                seen[kind].append(rest)
        return seen

    def test_nodes_llcs_and_threads(self):
        self.assertEqual(self.look("2n4l1c2t"), {
            "node": ["0-3 distance 10 20", "4-7 distance 20 10"],
            "llc": ["0-1", "2-3", "4-5", "6-7"],
            "core": ["0-1", "2-3", "4-5", "6-7"],
        })

    def test_llcs_of_several_cores(self):
        self.assertEqual(self.look("1,2,2,1"), {
            "node": ["0-3 distance 10"],
            "llc": ["0-1", "2-3"],
            "core": ["0", "1", "2", "3"],
        })

    def test_the_smallest(self):
        self.assertEqual(self.look("1n1l1c1t"), {"node": ["0 distance 10"], "llc": ["0"], "core": ["0"]})

    def test_memory_is_what_was_asked_for(self):
        result = self.daemon.ctl("shell", "--memory", "512M", "--exec", "cat /proc/meminfo")
        total_kib = int(result.out.split()[1])
        # Less the mailbox, the kernel and its tables.
        self.assertTrue(400 * 1024 < total_kib < 512 * 1024, result.out)


if __name__ == "__main__":
    kt.main()
