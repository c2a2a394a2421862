#!/bin/sh
# Stands for systemctl on a machine made of files: starts what the machine's own unit files say, and records every call.
set -u
root=$FIRSTBOOT_ROOT
mkdir -p "$root/run/pids" "$root/run/active" "$root/log"
# One after another, as systemd does it.
exec 9>"$root/run/systemctl.lock"
flock 9
echo "$*" >>"$root/run/calls"
verb=""
now=""
while [ $# -gt 0 ]; do
    case $1 in
    --now) now=1 ;;
    --quiet | --no-block) ;;
    --) ;;
    *.service | *.socket | *.target | *.timer) break ;;
    *) verb=$1 ;;
    esac
    shift
done

# What has ended and was not waited for is no process that runs. Until its last thread has gone, it holds its ports.
is_active() {
    [ -e "$root/run/active/$1" ] || { [ -s "$root/run/pids/$1" ] &&
        grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$(cat "$root/run/pids/$1")"/task/*/status; }
}

start() {
    file=$root/etc/systemd/system/$1
    for dropin in "$file".d/*.conf; do
        [ -e "$dropin" ] || continue
        condition=$(sed -n 's/^ConditionPathExists=//p' "$dropin")
        [ -z "$condition" ] || [ -e "$condition" ] || return 0
    done
    if [ ! -e "$file" ]; then
        [ -e "$root/run/broken/$1" ] && { echo "$1 is broken" >&2; exit 1; }
        touch "$root/run/active/$1"
        return
    fi
    is_active "$1" && return
    condition=$(sed -n 's/^ConditionPathExists=//p' "$file")
    [ -z "$condition" ] || [ -e "$condition" ] || return 0
    line=$(sed -n 's/^ExecStart=//p' "$file")
    if grep -q '^Type=oneshot' "$file"; then
        $line >>"$root/log/$1" 2>&1 9>&- || exit 1
        touch "$root/run/active/$1"
    else
        setsid $line >>"$root/log/$1" 2>&1 </dev/null 9>&- &
        echo $! >"$root/run/pids/$1"
    fi
}

stop() {
    rm -f "$root/run/active/$1"
    if is_active "$1"; then
        kill "$(cat "$root/run/pids/$1")" 2>/dev/null
        # As systemd: it has ended, or is made to, before anything else.
        tries=0
        while is_active "$1" && [ $tries -lt 100 ]; do
            sleep 0.05
            tries=$((tries + 1))
        done
        kill -9 "$(cat "$root/run/pids/$1")" 2>/dev/null
        while is_active "$1" && [ $tries -lt 500 ]; do
            sleep 0.05
            tries=$((tries + 1))
        done
    fi
    rm -f "$root/run/pids/$1"
}

# Only what says how it is told, as nginx: what has no ExecReload= would be started again.
reload() {
    is_active "$1" && [ -s "$root/run/pids/$1" ] || return 0
    line=$(sed -n 's/^ExecReload=//p' "$root/etc/systemd/system/$1")
    [ -z "$line" ] || MAINPID=$(cat "$root/run/pids/$1") sh -c "$line"
}

for unit in "$@"; do
    case $verb in
    enable) [ -z "$now" ] || start "$unit" ;;
    disable) [ -z "$now" ] || stop "$unit" ;;
    start) start "$unit" ;;
    stop) stop "$unit" ;;
    is-active) is_active "$unit" || exit 3 ;;
    try-reload-or-restart) reload "$unit" ;;
    daemon-reload) ;;
    *) echo "no verb '$verb'" >&2; exit 1 ;;
    esac
done
exit 0
