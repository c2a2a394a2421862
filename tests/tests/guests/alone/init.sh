#!/bin/sh
# What the kernel begins with instead of the image's own initramfs: mounts the root filesystem and goes there. Its programs
# and modules are those of the image.
export PATH=/usr/sbin:/usr/bin
mkdir -p /proc /sys /dev /root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe virtio_pci
modprobe virtio_blk
tries=0
while [ ! -b /dev/vda4 ] && [ $tries -lt 2400 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
# The module for its quotas is on itself, so it is made writable from there.
mount -t ext4 -r /dev/vda4 /root
mount -t tmpfs run /root/run
cat /run.sh > /root/run/run.sh
umount /proc
umount /sys
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
exec run-init /root /bin/sh /run/run.sh
