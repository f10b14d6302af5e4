# SPDX-License-Identifier: LGPL-2.1-or-later
import sys

import varlink

with varlink.Client.new_with_address("unix:" + sys.argv[1]) as client:
    with client.open("io.ktstrd.Job") as job:
        for reply in job.Submit(duration_ms=2000, _more=True):
            event = reply["event"]
            print(event["seq"], event["kind"], event.get("message", ""))
        verdict = event["verdict"]
        print(verdict["verdict"], verdict["reason"])
