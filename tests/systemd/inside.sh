#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The checks themselves, run under systemd by tests/systemd/run. The build is installed, nothing of it runs yet.
set -uo pipefail
export PATH=/usr/local/bin:/usr/local/sbin:$PATH HOME=/root
passed=0 failed=0

check() # NAME COMMAND... — one line, and what was printed if it failed
{
        local name=$1 output
        shift
        if output=$("$@" 2>&1); then
                echo "ok   $name"
                passed=$((passed + 1))
        else
                printf 'FAIL %s\n%s\n' "$name" "$output" | sed '2,$s/^/     /'
                failed=$((failed + 1))
        fi
}

has() { grep -qE -- "$2" <<<"$1" || { echo "no /$2/ in: $1"; return 1; }; }

the_socket_starts_it()
{
        systemctl start ktstrd.socket && ! systemctl -q is-active ktstrd.service || return
        ktstrctl --no-autostart ping && systemctl -q is-active ktstrd.service
}

it_is_the_systems()
{
        has "$(ktstrctl --no-autostart status)" /run/ktstrd/io.ktstrd
}

it_stops_cleanly()
{
        systemctl stop ktstrd.service ktstrd.socket || return
        has "$(systemctl show ktstrd.service -p Result)" 'Result=success$'
}

it_starts_as_a_service()
{
        systemctl start ktstrd && ktstrctl --no-autostart ping
}

check "the socket starts the service" the_socket_starts_it
check "clients find the system's daemon" it_is_the_systems
check "it stops cleanly" it_stops_cleanly
check "systemctl start ktstrd" it_starts_as_a_service

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
