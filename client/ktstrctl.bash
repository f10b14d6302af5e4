# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for ktstrctl

_ktstrctl_from_daemon() # verb... — words that only a running daemon knows; none is started for it
{
        "${COMP_WORDS[0]}" --no-autostart "$@" --json 2>/dev/null | sed -n "s/^ *\"$_ktstrctl_field\": *\"\\([^\"]*\\)\".*/\\1/p"
}

_ktstrctl()
{
        local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i _ktstrctl_field
        local global='--socket --no-autostart --json --help'
        local request='--kernel --fetch --topology --memory --accel --timeout --priority'

        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --socket) ((i++)) ;;
                -*) ;;
                *) verb=${COMP_WORDS[i]}; break ;;
                esac
        done
        case $prev in
        --socket | --output | --junit | -i | --include-files) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --sched) COMPREPLY=($(compgen -c -f -- "$cur")); return ;;
        --scenario) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" scenarios 2>/dev/null | cut -d' ' -f1)" -- "$cur")); return ;;
        -C) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --filter | --budget | --repeat | --seed | --cpu-cap) return ;;
        --accel) COMPREPLY=($(compgen -W 'auto kvm tcg' -- "$cur")); return ;;
        --priority) COMPREPLY=($(compgen -W 'low normal high' -- "$cur")); return ;;
        --kernel)
                _ktstrctl_field=key
                COMPREPLY=($(compgen -f -W "$(_ktstrctl_from_daemon kernel list)" -- "$cur"))
                return
                ;;
        esac
        case $verb in
        '') COMPREPLY=($(compgen -W "test show-thresholds scenarios submit shell jobs attach cancel kernel pool doctor status metrics drain completions help $global --version" -- "$cur")) ;;
        test) COMPREPLY=($(compgen -f -W "-C --filter --list --ignored --kernel --fetch --gauntlet --budget --force --repeat --jobs --fail-fast --no-auto-repro --duration --seed --no-perf-mode --perf-mode --cpu-cap --accel --timeout --priority --json --tap --junit -v --socket --no-autostart --help" -- "$cur")) ;;
        show-thresholds) COMPREPLY=($(compgen -f -W "-C $global" -- "$cur")) ;;
        submit) COMPREPLY=($(compgen -W "--sched --scenario --duration --workers --seed --check --watchdog-timeout --trace --perf-mode --cpu-cap --detach -v $request $global" -- "$cur")) ;;
        shell) COMPREPLY=($(compgen -W "--exec -i $request $global" -- "$cur")) ;;
        attach | cancel)
                _ktstrctl_field=job
                COMPREPLY=($(compgen -W "$(_ktstrctl_from_daemon jobs) $global" -- "$cur"))
                ;;
        kernel)
                case $prev in
                kernel) COMPREPLY=($(compgen -W 'build import list info resolve diff remove clean' -- "$cur")) ;;
                import) COMPREPLY=($(compgen -f -W '--installed --root' -- "$cur")) ;;
                --installed) COMPREPLY=($(compgen -W '--root' -- "$cur")) ;;
                --root | --source) COMPREPLY=($(compgen -d -- "$cur")) ;;
                --tarball | --extra-kconfig) COMPREPLY=($(compgen -f -- "$cur")) ;;
                --git | --ref | --package | --jobs) ;;
                info)
                        _ktstrctl_field=key
                        COMPREPLY=($(compgen -W "--config $(_ktstrctl_from_daemon kernel list)" -- "$cur"))
                        ;;
                build) COMPREPLY=($(compgen -W "--source --git --tarball --package --tiny --force --clean --extra-kconfig --jobs --detach -v $global" -- "$cur")) ;;
                clean | --corrupt-only)
                        COMPREPLY=($(compgen -W "--keep --corrupt-only --force $global" -- "$cur"))
                        ;;
                *)
                        case " ${COMP_WORDS[*]:i+1:COMP_CWORD-i-1} " in
                        *' build '*)
                                COMPREPLY=($(compgen -W "--source --git --ref --tarball --package --tiny --force --clean --extra-kconfig --jobs --detach -v $global" -- "$cur"))
                                return
                                ;;
                        esac
                        _ktstrctl_field=key
                        COMPREPLY=($(compgen -f -W "$(_ktstrctl_from_daemon kernel list) --range --fetch $global" -- "$cur"))
                        ;;
                esac
                ;;
        pool)
                local own=
                case " ${COMP_WORDS[*]:i+1:COMP_CWORD-i-1} " in
                *' list '*) COMPREPLY=($(compgen -W "$global" -- "$cur")); return ;;
                *' prime '*) own='--idle --kernel --topology --memory --accel' ;;
                *' drop '*) own=--templates ;;
                *) COMPREPLY=($(compgen -W "list prime drop $global" -- "$cur")); return ;;
                esac
                _ktstrctl_field=shape
                COMPREPLY=($(compgen -W "$(_ktstrctl_from_daemon pool list) $own $global" -- "$cur"))
                ;;
        metrics) COMPREPLY=($(compgen -W "--output $global" -- "$cur")) ;;
        completions) COMPREPLY=($(compgen -W 'bash' -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "$global" -- "$cur")) ;;
        esac
}

complete -o filenames -F _ktstrctl ktstrctl
