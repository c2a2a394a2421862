# What `net` does where systemd-networkd is the manager.
. "$(dirname "$0")/machine.sh"
ln -s /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
install -d -o systemd-network -g systemd-network "$root/run/systemd/netif" "$root/run/systemd/netif/links" \
    "$root/run/systemd/netif/leases" "$root/run/systemd/netif/lldp"

# There is no system bus here, so this stands in for networkctl: a fresh networkd takes the files of now.
cat > "$root/usr/local/sbin/networkctl" <<'STUB'
#!/bin/sh
echo "networkctl $*" >> /run/told
if [ -e /run/refuse ]; then echo "this machine refuses" >&2; exit 1; fi
[ "$1" = reconfigure ] && [ ! -e /run/ignore ] || exit 0
if [ -e /run/networkd ]; then kill "$(cat /run/networkd)" 2> /dev/null; sleep 0.5; fi
ip addr flush dev "$2"
/lib/systemd/systemd-networkd > /run/log 2>&1 &
echo $! > /run/networkd
for attempt in $(seq 60); do
    ip -4 addr show dev "$2" | grep -q inet && exit 0
    sleep 0.3
done
STUB
chmod 755 "$root/usr/local/sbin/networkctl"

net static --interface v0 --address 192.0.2.10/24 --gateway 192.0.2.1 --dns 192.0.2.53
has 192.0.2.10/24 || fail "the first address"
ip route | grep -q "default via 192.0.2.1" || fail "the gateway"
grep -q "nameserver 192.0.2.53" "$root/etc/resolv.conf" || fail "resolv.conf"
net show | grep -q "address 192.0.2.10/24" || fail "show"
net show --json | grep -q '"unconfirmed": null' || fail "show --json"
test "$(net static --interface v0 --address 192.0.2.10/24 --gateway 192.0.2.1 --dns 192.0.2.53)" = "nothing to change" || fail "again"
echo "shown: an address is set once"

said "192.0.2.30 is in use on 'v0' by 52:54:00:00:00:02" net static --interface v0 --address 192.0.2.30/24
said "2001:db8::30 is in use on 'v0' by 52:54:00:00:00:02" net static --interface v0 --address 2001:db8::30/64
has 192.0.2.10/24 || fail "an address in use changed something"
echo "shown: an address in use is refused"

before=$(files)
touch "$root/run/refuse"
said "this machine refuses" net static --interface v0 --address 192.0.2.66/24
rm "$root/run/refuse"
net restore > /dev/null
test "$(files)" = "$before" || fail "files after a refusal"
has 192.0.2.10/24 || fail "the address after a refusal"
echo "shown: a machine that refuses keeps what it had"

touch "$root/run/ignore"
said "these addresses are not there: 192.0.2.66/24 on v0" net static --interface v0 --address 192.0.2.66/24
rm "$root/run/ignore"
test "$(files)" = "$before" || fail "files after a manager that did nothing"
echo "shown: what did not come about is undone"

net static --interface v0 --address 192.0.2.20/24 --try 10
has 192.0.2.20/24 || fail "the address on trial"
test -L "$root/etc/systemd/system/sysinit.target.wants/firstboot-network-restore.service" || fail "the early unit"
said "a change of the network is waiting" net static --interface v0 --address 192.0.2.21/24
soon has 192.0.2.10/24 || fail "the address after the deadline"
soon has_not 192.0.2.20/24 || fail "the address on trial stays after the deadline"
soon are "$before" || fail "files after the deadline"
said "no change waits" net confirm
echo "shown: without confirmation the deadline restores"

net static --interface v0 --address 192.0.2.20/24 --try 10
net confirm
sleep 12
has 192.0.2.20/24 || fail "the confirmed address"
test -e "$root/etc/systemd/system/firstboot-network-restore.service" && fail "the early unit stays"
echo "shown: with confirmation it stays"

before=$(files)
net static --interface v0 --address 192.0.2.40/24 --try 60
pkill -9 -f "net restore --of" || fail "there was no keeper of the deadline"
# The next boot: the early unit's own command, before networkd.
unit=$root/etc/systemd/system/firstboot-network-restore.service
chroot "$root" $(sed -n 's/^ExecStart=//p' "$unit")
test "$(files)" = "$before" || fail "files after the next boot"
echo "shown: the next boot restores"
