#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NAME INPUT OUTPUT: a text file as a C array of its bytes, without a terminator."""
import sys

name, source, target = sys.argv[1:]
data = open(source, "rb").read()
rows = (", ".join(str(b) for b in data[i : i + 20]) for i in range(0, len(data), 20))
with open(target, "w") as f:
    f.write("static const char %s[] = {\n        %s,\n};\n" % (name, ",\n        ".join(rows)))
