# Read by the scripts beside it, which run as root in namespaces of their own (network, mounts, processes): a small machine
# in the folder $1 with the program $2, the programs of this system, and one virtual cable to a neighbour. Each check
# prints what it shows; the first that fails ends the script.
set -eu
root=$1
program=$2
mount --make-rprivate /
mkdir -p "$root"
mount -t tmpfs tmpfs "$root"
for folder in usr proc sys dev run tmp opt var/lib etc/systemd/network etc/systemd/system/multi-user.target.wants; do
    mkdir -p "$root/$folder"
done
for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
mount --rbind /usr "$root/usr"
mount -t tmpfs tmpfs "$root/usr/local"
mkdir "$root/usr/local/sbin"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
cp "$program" "$root/opt/firstboot"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
cp /etc/passwd /etc/group /etc/nsswitch.conf "$root/etc/"

unshare --net sleep 600 &
neighbour=$!
# It has a network of its own only once `unshare` has come to that.
while [ "$(readlink "/proc/$neighbour/ns/net")" = "$(readlink "/proc/$$/ns/net")" ]; do sleep 0.1; done
ip link add v0 address 52:54:00:00:00:01 type veth peer name p0 address 52:54:00:00:00:02
ip link set p0 netns "$neighbour"
there() { nsenter --target "$neighbour" --net "$@"; }
there ip link set p0 up
there ip addr add 192.0.2.30/24 dev p0
there ip addr add 2001:db8::30/64 dev p0 nodad
ip link set v0 up
sleep 1

net() { chroot "$root" /opt/firstboot net "$@"; }
has() { ip addr show dev v0 | grep -q "$1"; }
has_not() { ! has "$1"; }
are() { test "$(files)" = "$1"; }
# soon COMMAND…: on a machine with other work, what comes by itself takes its time.
soon() { for attempt in $(seq 120); do "$@" && return; sleep 0.5; done; return 1; }
files() { (cd "$root" && find etc var -type f ! -name lock -exec sha256sum {} + | sort -k 2); }
fail() { echo "failed: $1"; ip addr; cat "$root/run/log" || true; exit 1; }
said() { # said WANTED COMMAND…: the command fails and says that
    wanted=$1; shift
    if "$@" > "$root/tmp/said" 2>&1; then fail "'$*' did not fail"; fi
    grep -q "$wanted" "$root/tmp/said" || { cat "$root/tmp/said"; fail "'$*' did not say '$wanted'"; }
}
