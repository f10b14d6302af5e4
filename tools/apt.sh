# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Sourced by the tools beside it: packages from suites that this machine's apt does not have, without changing its configuration.
#
# A private apt state (sources, lists, archives) under the cache takes the mirror and the keyring from the machine's own sources and only
# adds suites. Everything lands in $KTSTR_DOWNLOADS, outside the build folder; nothing is installed.

cache_home=${XDG_CACHE_HOME:-${HOME:-}/.cache}
case $cache_home in
/.cache) echo "HOME and XDG_CACHE_HOME are unset: set one, downloads are kept there" >&2; exit 1 ;;
esac
KTSTR_CACHE=$cache_home/ktstr
KTSTR_DOWNLOADS=$KTSTR_CACHE/downloads
mkdir -p "$KTSTR_DOWNLOADS"

die() { echo "${0##*/}: $*" >&2; exit 1; }

# One process at a time under this name; released when the shell ends.
lock() { exec 9>"$KTSTR_CACHE/$1.lock"; flock 9; }

# The machine's own Debian mirror. apt knows its origin once its lists were fetched, which setup sees to.
apt_mirror()
{
        apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -v -- '-security/*$' | head -n 1
}

# apt_keyring MIRROR — what the machine's sources have that mirror signed by, as the option of a sources line; empty if they say nothing:
# then apt's trusted keys count, as they do for the machine itself. (apt 2.6 does not fill in $(SIGNED_BY) of indextargets.)
apt_keyring()
{
        local mirror=${1%/} key
        key=$(
                cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v mirror="$mirror" '
                        BEGIN { RS = ""; FS = "\n" }
                        index($0, mirror) { for (i = 1; i <= NF; i++) if (sub(/^Signed-By:[ \t]*/, "", $i)) print $i }'
                cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | grep -F "$mirror" |
                        sed -n 's/^deb .*signed-by=\([^] ]*\).*/\1/p'
        )
        key=$(echo "$key" | grep '^/' | head -n 1)
        [ -n "$key" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
        [ ! -r "$key" ] || echo "[signed-by=$key]"
}

# apt_private SUITE... — afterwards `private_apt COMMAND...` is apt-get (or apt-cache) over these suites.
apt_private()
{
        local mirror keyring suite
        command -v apt-get >/dev/null || die "no apt here; get the packages by hand"
        mirror=$(apt_mirror)
        [ -n "$mirror" ] || die "apt knows no Debian mirror yet; run apt-get update first"
        keyring=$(apt_keyring "$mirror")
        apt_state=$KTSTR_CACHE/apt/$(echo "$*" | tr ' ' '+')
        mkdir -p "$apt_state/lists/partial" "$apt_state/cache/archives/partial"
        for suite in "$@"; do
                echo "deb $keyring $mirror $suite main"
        done >"$apt_state/sources.list"
        # Once a day is enough, and spares the mirror.
        if [ -z "$(find "$apt_state/updated" -mmin -1440 2>/dev/null)" ] ||
           ! cmp -s "$apt_state/sources.list" "$apt_state/updated"; then
                private_apt apt-get -qq update || die "apt-get update failed for: $*"
                cp "$apt_state/sources.list" "$apt_state/updated"
        fi
}

private_apt()
{
        local command=$1
        shift
        "$command" -o "Dir::Etc::SourceList=$apt_state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
                -o "Dir::State::Lists=$apt_state/lists" -o "Dir::Cache=$apt_state/cache" -o APT::Sandbox::User=root "$@"
}

# apt_download PACKAGE... — the newest of each, printed as file paths. apt verifies what it downloads; a file that is there whole is not
# fetched again.
apt_download()
{
        local package uri file
        for package in "$@"; do
                uri=$(private_apt apt-get download --print-uris "$package" 2>/dev/null | head -n 1) ||
                        die "no package $package"
                file=$(echo "$uri" | awk '{print $2}')
                [ -n "$file" ] || die "no package $package in the suites asked for"
                if [ ! -f "$KTSTR_DOWNLOADS/$file" ]; then
                        (
                                temp=$(mktemp -d "$KTSTR_DOWNLOADS/.tmp-XXXXXX")
                                trap 'rm -rf "$temp"' EXIT
                                cd "$temp" && private_apt apt-get -qq download "$package" >&2 && mv -- *.deb "$KTSTR_DOWNLOADS/$file"
                        ) || die "cannot download $package"
                fi
                echo "$KTSTR_DOWNLOADS/$file"
        done
}

# apt_download_closure PACKAGE... — the same with all that they depend on, as if nothing were installed.
apt_download_closure()
{
        local empty=(-o Dir::State::status=/dev/null -o Debug::NoLocking=1 --no-install-recommends -qq -y) uris
        mkdir -p "$KTSTR_DOWNLOADS/partial"
        uris=$(private_apt apt-get "${empty[@]}" --print-uris install "$@") || die "cannot get all of: $*"
        private_apt apt-get "${empty[@]}" -o "Dir::Cache::archives=$KTSTR_DOWNLOADS" --download-only install "$@" >&2 ||
                die "cannot download all of: $*"
        echo "$uris" | awk -v downloads="$KTSTR_DOWNLOADS" '{print downloads "/" $2}'
}

# The codename of this Debian ("bookworm"), empty elsewhere.
debian_codename() { (. /etc/os-release 2>/dev/null; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}"); }
