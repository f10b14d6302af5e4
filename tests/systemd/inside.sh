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

# --- builds by the real helper, of trees with which make is done in a moment ---

lib=$(cd "$(dirname "$0")/../lib" && pwd)
export PYTHONPATH=$lib PYTHONDONTWRITEBYTECODE=1 KTSTR_TEST_BUILD=$KTSTR_SYSTEMD_BUILD

make_sources()
{
        python3 - <<-END
		import kernel_tree, os, pathlib
		kernel_tree.path_with_tools("/usr/local/stand-ins")
		for path in pathlib.Path("/usr/local/stand-ins").iterdir():
		    path.rename("/usr/local/bin/" + path.name)
		kernel_tree.write_tree(kernel_tree.fake_tree("6.14.3"), "/run/tree")
		pathlib.Path("/run/linux-6.14.2.tar.xz").write_bytes(kernel_tree.release_tarball("6.14.2"))
	END
}

# Asked for by nobody in particular, whom the tree belongs to.
a_tree_is_built_in_place_as_its_owner()
{
        local output
        chown -R nobody:ktstr /run/tree
        output=$(setpriv --reuid=nobody --regid=ktstr --clear-groups ktstrctl --no-autostart kernel build --source /run/tree --json) ||
                { echo "$output"; return 1; }
        has "$output" 'is no git repository' && has "$(stat -c %U /run/tree/vmlinux)" '^nobody$'
}

a_tarball_is_built_by_a_user_of_its_own()
{
        local output
        output=$(ktstrctl --no-autostart kernel build --tarball /run/linux-6.14.2.tar.xz --json) || { echo "$output"; return 1; }
        ! has "$output" 'built as uid' >/dev/null && has "$(ktstrctl --no-autostart kernel list)" '6\.14\.2-tarball-'
}

# --- builds: of what is built a helper that follows a script will do, of where it is built only the real thing ---

plays=/run/tmp/plays

a_helper_that_follows_a_script()
{
        mkdir -p "$plays" /run/systemd/system/ktstrd.service.d && chmod 777 "$plays" && install -m 755 "$lib/fake_build.py" /run/tmp/fake-build || return
        python3 -c 'import kernel_files as k, sys; sys.stdout.buffer.write(k.elf("6.14.2", config=k.CONFIG))' \
                >/run/tmp/image || return
        printf 'stage compile\nhold here\nplan\nresult\n' >"$plays/script"
        cat >/run/systemd/system/ktstrd.service.d/helper.conf <<-END
		[Service]
		ExecStart=
		ExecStart=/usr/local/sbin/ktstrd --builder /run/tmp/fake-build
		Environment=FAKE_BUILD_SCRIPT=$plays FAKE_BUILD_IMAGE=/run/tmp/image
	END
        systemctl daemon-reload && systemctl restart ktstrd
}

# Sets job, scope and pid, of a build that waits in its helper.
begin_a_build()
{
        rm -f "$plays"/*-here
        job=$(ktstrctl --no-autostart kernel build --force --detach 6.14.2) || return
        scope=ktstrd-build-$job.scope
        timeout 30 sh -c 'while [ ! -s "$1" ]; do sleep 0.05; done' - "$plays/held-here" || { echo "the helper does not come"; return 1; }
        pid=$(cat "$plays/held-here")
}

nothing_is_left()
{
        timeout 30 sh -c 'while [ -e "/proc/$1" ] || systemctl -q is-active "$2"; do sleep 0.05; done' - "$pid" "$scope" || {
                echo "$pid or $scope is still there"
                return 1
        }
}

a_build_has_a_scope()
{
        local cap
        begin_a_build || return
        cap=$(awk -v n="$(nproc)" 'BEGIN {printf "CPUQuotaPerSecUSec=%gms|%.6fs|%gs", n * 750, n * 0.75, n * 0.75}')
        has "$(cat "/proc/$pid/cgroup")" "/$scope\$" && has "$(systemctl show "$scope" -p CPUWeight)" '=idle$' &&
                has "$(systemctl show "$scope" -p CPUQuotaPerSecUSec)" "$cap" && has "$(stat -c %U "/proc/$pid")" '^ktstrd-build$' || return
        touch "$plays/release-here"
        has "$(ktstrctl --no-autostart attach "$job")" '^built: 6\.14\.2-tarball' && nothing_is_left
}

root_does_not_speak_with_the_network()
{
        local user
        user=$(id -u ktstrd-build)
        ! ktstrctl --no-autostart kernel import http://127.0.0.1/x || return
        has "$(cat "$plays/user-of-download")" "^$user\$" || return
        ktstrctl --no-autostart kernel list >/dev/null && has "$(cat "$plays/user-of-releases")" "^$user\$"
}

# What a makefile starts may leave the helper's session, but not its scope.
nothing_outlives_a_build()
{
        local saved
        saved=$(cat "$plays/script")
        printf 'stage compile\nplan\nescape\nresult\n' >"$plays/script"
        has "$(ktstrctl --no-autostart kernel build --force 6.14.2)" '6\.14\.2-tarball' || return
        pid=$(cat "$plays/escaped")
        printf '%s\n' "$saved" >"$plays/script"
        timeout 10 sh -c 'while [ -e "/proc/$1" ]; do sleep 0.05; done' - "$pid" || { echo "$pid is still there"; return 1; }
}

a_cancel_leaves_nothing()
{
        begin_a_build && ktstrctl --no-autostart cancel "$job" && nothing_is_left || return
        has "$(ktstrctl --no-autostart jobs)" "^$job +ended .* cancelled"
}

a_restart_goes_on()
{
        local old
        begin_a_build || return
        old=$pid
        systemctl stop ktstrd.service && nothing_is_left && [ ! -e "/proc/$old" ] || return
        touch "$plays/release-here"
        systemctl start ktstrd.service || return
        has "$(ktstrctl --no-autostart attach "$job")" '^built: 6\.14\.2-tarball' && nothing_is_left
}

check "the socket starts the service" the_socket_starts_it
check "clients find the system's daemon" it_is_the_systems
check "it stops cleanly" it_stops_cleanly
check "systemctl start ktstrd" it_starts_as_a_service
check "sources to build" make_sources
check "a tree is built in place, as its owner" a_tree_is_built_in_place_as_its_owner
check "a tarball is built by a user of its own" a_tarball_is_built_by_a_user_of_its_own
check "with a helper that follows a script" a_helper_that_follows_a_script
check "a build has a scope, a cap and a user" a_build_has_a_scope
check "root does not speak with the network" root_does_not_speak_with_the_network
check "nothing outlives a build" nothing_outlives_a_build
check "a cancel leaves nothing in the scope" a_cancel_leaves_nothing
check "a build goes on when the service does" a_restart_goes_on

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
