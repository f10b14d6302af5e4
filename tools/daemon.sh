# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by the tools beside it: a private daemon of a build for as long as the script runs.

# start_daemon BUILD [OPTION]... — ktstrd on a socket of its own; KTSTRD_SOCKET names it. It is gone, with its runtime files, when the
# script ends.
start_daemon()
{
        local build=$1 problem
        shift
        daemon_dir=$(mktemp -d "${TMPDIR:-/tmp}/ktstr-XXXXXX")
        daemon_pid=
        trap stop_daemon EXIT
        export KTSTRD_SOCKET=$daemon_dir/io.ktstrd
        mkfifo "$daemon_dir/ready"
        "$build/daemon/ktstrd" --socket "$KTSTRD_SOCKET" --run-dir "$daemon_dir/run" --ready-fd 3 "$@" \
                3>"$daemon_dir/ready" 2>"$daemon_dir/log" 9>&- &
        daemon_pid=$!
        IFS= read -r problem <"$daemon_dir/ready" || problem="it ended at once"
        [ -z "$problem" ] && return
        cat "$daemon_dir/log" >&2
        echo "${0##*/}: ktstrd does not start: $problem" >&2
        exit 1
}

stop_daemon()
{
        if [ -n "$daemon_pid" ]; then
                kill "$daemon_pid" 2>/dev/null || true
                wait "$daemon_pid" 2>/dev/null || true
        fi
        daemon_pid=
        rm -rf "$daemon_dir"
}
