# The first process of a machine that has nothing but firstboot: runs both its parts, tells the host what has come of it,
# and switches the machine off. The answers have the form of the probe's, whose functions these are.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -o remount,rw /
modprobe virtio_console
while ! port=$(ls /dev | grep vport); do sleep 0.05; done
exec > "/dev/$port" 2>&1
boot=1
eval "$(sed -n '/^answer()/p; /^ask()/p; /^manifest()/,/^}/p' /usr/local/sbin/probe)"
# As systemd does before anything else: a name that was given is not given again.
[ ! -s /etc/hostname ] || hostname -F /etc/hostname
answer begin; echo "exit 0"
ask early firstboot run --stage early
# Debian's units make this key between the two; a short one takes less time, and firstboot leaves it alone as well.
# ssh-keygen does not sync, so a cut may leave one that is empty.
if [ ! -s /etc/ssh/ssh_host_rsa_key ]; then
    rm -f /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub
    ssh-keygen -q -t rsa -b 1024 -N '' -f /etc/ssh/ssh_host_rsa_key
    sync
fi
ask final firstboot run --stage final
answer status; firstboot status --json; echo "exit $?"
ask hostname hostname
ask keys cat /home/ops/.ssh/authorized_keys
ask size df --output=size -B1 /
ask host-keys sh -c 'for key in /etc/ssh/ssh_host_*_key; do ssh-keygen -y -f $key; done'
answer manifest; manifest; echo "exit 0"
answer end; echo "exit 0"
sync
echo o > /proc/sysrq-trigger
sleep 60
