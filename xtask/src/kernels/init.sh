#!/bin/busybox sh
# Process 1 of a guest: mounts what a machine has, loads the modules that nothing asks the kernel for, takes the steps that
# were packed beside it, and powers off. What it says goes to the second serial port; the first is the kernel's.
export PATH=/usr/sbin:/usr/bin:/usr/local/bin HOME=/root LC_ALL=C RUST_BACKTRACE=0
/bin/busybox --install -s /usr/local/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run/netns /var/run /var/log /var/lib /var/tmp
mount -t devpts pts /dev/pts
for place in /tmp /run /dev/shm; do mount -t tmpfs tmpfs "$place"; done
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs security /sys/kernel/security
mount -t tracefs tracing /sys/kernel/tracing
exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw
for module in virtio_pci virtio_net veth; do modprobe "$module"; done
ip link set lo up
hostname guest

now() { cut -d ' ' -f 1 /proc/uptime; }

# step NAME SECONDS COMMAND..: what it wrote, between two lines that xtask looks for.
step() {
    name=$1 limit=$2
    shift 2
    echo "@@ begin $name $(now)"
    timeout -s KILL "$limit" "$@" 2>/tmp/err
    code=$?
    [ "$code" -eq 0 ] || sed 's/^/@! /' /tmp/err
    echo "@@ end $name $code $(now)"
}

echo "@@ booted $(uname -r) $(now)"
. /steps.sh
echo "@@ done"
poweroff -f
