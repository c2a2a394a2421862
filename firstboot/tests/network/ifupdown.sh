# What `net` does where ifupdown is the manager; its programs are those that this system finds by PATH.
. "$(dirname "$0")/machine.sh"
ln -s /lib/systemd/system/networking.service "$root/etc/systemd/system/multi-user.target.wants/"
for name in ifup ifdown ifquery; do cp "$(command -v $name)" "$root/usr/local/sbin/"; done
[ -e "$root/usr/sbin/ifup" ] || enabled="--manager ifupdown"
mkdir -p "$root/run/network" "$root/etc/network/interfaces.d"
for moment in pre-up up down post-down; do mkdir "$root/etc/network/if-$moment.d"; done
cat > "$root/etc/network/interfaces" <<'FILE'
auto lo
iface lo inet loopback

auto v0
iface v0 inet static
    address 192.0.2.5/24
    gateway 192.0.2.1
FILE
chroot "$root" ifup v0
has 192.0.2.5/24 || fail "the address of the main file"
static() { net static --interface v0 ${enabled:-} "$@"; }

static --address 192.0.2.10/24 --address 2001:db8::10/64 --gateway 192.0.2.1 --gateway fe80::1 \
    --route '10.0.0.0/8 via 192.0.2.254 metric 5' --mtu 1400
has 192.0.2.10/24 && has 2001:db8::10/64 || fail "the addresses"
has 192.0.2.5/24 && fail "the address of before stays"
ip route | grep -q "default via 192.0.2.1" || fail "the gateway"
ip route | grep -q "10.0.0.0/8 via 192.0.2.254 dev v0 metric 5" || fail "the route"
ip -6 route | grep -q "default via fe80::1" || fail "the IPv6 gateway"
ip link show v0 | grep -q "mtu 1400" || fail "the MTU"
grep -q "^#firstboot: iface v0 inet static" "$root/etc/network/interfaces" || fail "the main file"
echo "shown: the stanzas of the main file are replaced"

said "192.0.2.30 is in use" static --address 192.0.2.30/24
before=$(files)
static --address 192.0.2.20/24 --try 10
has 192.0.2.20/24 || fail "the address on trial"
soon has 192.0.2.10/24 || fail "the address after the deadline"
soon has_not 192.0.2.20/24 || fail "the address on trial stays"
soon are "$before" || fail "files after the deadline"
echo "shown: without confirmation the deadline restores"
