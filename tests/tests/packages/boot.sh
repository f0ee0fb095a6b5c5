# Starts systemd as process 1 of a machine that is made of namespaces. Arguments: the machine's root file system (it is not
# changed: what is written goes to the second), a directory for what is written.
#
# Runs in new mount, pid, network, uts, ipc and cgroup namespaces. What is not namespaced stays read-only: /proc/sys but for
# /proc/sys/net, which is the network namespace's own.
set -eu
root=$1
written=$2

mount --make-rprivate /
mkdir -p "$written/upper" "$written/work" "$written/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$written/upper,workdir=$written/work" "$written/root"
cd "$written/root"

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
# What systemd mounts on a real machine, and not where it is in a container.
mount -t bpf bpf sys/fs/bpf -o mode=0700
mount -t tracefs tracefs sys/kernel/tracing
mount -t tmpfs tmpfs dev -o mode=755
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs run -o mode=755
mount -t tmpfs tmpfs tmp
# What would touch the kernel of the machine outside.
mkdir -p run/systemd/system
for unit in systemd-sysctl systemd-modules-load systemd-random-seed; do
    ln -s /dev/null "run/systemd/system/$unit.service"
done

mkdir -p outside
pivot_root . outside
umount -l /outside
exec env -i container=levee PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --log-target=journal --show-status=no </dev/null
