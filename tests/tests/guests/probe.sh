#!/bin/sh
# Tells the host what this machine has become, sets quotas in its first boot, and switches the machine off. Each answer is
# `== BOOT NAME`, lines, and `exit CODE`.
exec > /dev/virtio-ports/probe 2>&1
state=/var/lib/probe
mkdir -p $state
boot=$(($(cat $state/boot 2>/dev/null || echo 0) + 1))

answer() { echo "== $boot $1"; }
# Runs a command and tells its exit code after what it says.
ask() { answer "$1"; shift; "$@" 2>&1; echo "exit $?"; }
# As the ordinary user, on the path: 3 MiB, which are more than any limit here.
write() { setpriv --reuid ops --regid ops --clear-groups dd if=/dev/zero of="$1" bs=64k count=48 conv=fsync; }
create() { setpriv --reuid ops --regid ops --clear-groups sh -c "cd $1 && for n in 1 2 3 4 5 6 7 8 9 10 11 12; do : > f\$n || exit 1; done"; }

# Everything that configures the machine, without what changes by itself from boot to boot.
manifest() {
    find /etc /home /root /var/lib/firstboot /srv/made -xdev \
        ! -path /etc/.updated ! -path /var/lib/firstboot/report.json ! -path /var/lib/firstboot/quota.json \
        \( -type f -printf '%m %u:%g %p\n' -o -type l -printf '%l %p\n' -o -type d -printf '%m %u:%g %p\n' \) | sort -k 3
    find /etc /home /root /var/lib/firstboot /srv/made -xdev -type f \
        ! -path /etc/.updated ! -path /var/lib/firstboot/report.json ! -path /var/lib/firstboot/quota.json -print0 \
        | sort -z | xargs -0 sha256sum
}

quotas_of() { # NAME FOLDER
    place=$2
    mkdir -p $place/user $place/project $place/inodes
    chmod 0777 $place/user $place/project $place/inodes
    ask "$1 set user" firstboot quota set --user ops --block 1MiB $place
    ask "$1 write user" write $place/user/file
    rm -f $place/user/file
    ask "$1 clear user" firstboot quota set --user ops --block none $place
    ask "$1 set group" firstboot quota set --group ops --block 1MiB $place
    ask "$1 write group" write $place/user/file
    rm -f $place/user/file
    ask "$1 clear group" firstboot quota set --group ops --block none $place
    ask "$1 set project" firstboot quota set --project 7 --folder $place/project --block 1MiB $place
    ask "$1 write project" write $place/project/file
    ask "$1 write outside" write $place/user/file
    rm -f $place/project/file $place/user/file
    ask "$1 set inodes" firstboot quota set --project 8 --folder $place/inodes --inode 8 $place
    ask "$1 create inodes" create $place/inodes
    rm -f $place/inodes/f*
    # What is to hold in the second boot.
    ask "$1 set again" firstboot quota set --user ops --block 2MiB $place
}

ask wait firstboot status --wait 300
answer status; firstboot status --json; echo "exit $?"
ask hostname hostname
ask fqdn hostname --fqdn
ask hosts cat /etc/hosts
ask addresses ip -json address
ask routes ip route
ask bond cat /proc/net/bonding/bond0
ask resolver cat /run/systemd/resolve/resolv.conf
ask keys cat /home/ops/.ssh/authorized_keys
ask host-keys sh -c 'for key in /etc/ssh/ssh_host_*_key; do ssh-keygen -l -f $key && ssh-keygen -y -f $key; done'
ask machine-id cat /etc/machine-id
ask size df --output=size -B1 /
ask network-files sh -c 'ls /etc/systemd/network/'
ask failed systemctl --failed --plain --no-legend
ask journal journalctl --boot --output=cat -u firstboot-early.service -u firstboot.service
ask cost systemctl show --property=CPUUsageNSec,MemoryPeak,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic firstboot-early.service firstboot.service
ask limits firstboot quota report /srv/xfs
answer manifest; manifest; echo "exit 0"
# The host wants to know only what a first boot makes.
if [ "$(cat /sys/class/dmi/id/board_serial 2>/dev/null)" = one-boot ]; then
    systemctl poweroff
    exit
fi

if [ $boot = 1 ]; then
    ask "plain refused" firstboot quota set --user ops --block 1MiB /srv/plain
    quotas_of ext4 /var/lib/quota
    quotas_of xfs /srv/xfs
else
    ask "ext4 kept" write /var/lib/quota/user/file
    ask "ext4 report" firstboot quota report /var/lib/quota
    ask "xfs kept" write /srv/xfs/user/file
    ask "xfs report" firstboot quota report /srv/xfs
fi
echo $boot > $state/boot
sync
answer end
echo "exit 0"
systemctl poweroff
