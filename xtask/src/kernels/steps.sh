# A queue for each processor and one to answer by; a queue for each; receive offloads that cannot be switched off.
step attach-queues-4 600 /usr/bin/sh /attach.sh "four pairs of queues" 52:54:00:00:00:02
step attach-queues-2 600 /usr/bin/sh /attach.sh "two pairs of queues" 52:54:00:00:00:03
step attach-offloads 600 /usr/bin/sh /attach.sh "receive offloads that cannot be switched off" 52:54:00:00:00:04
step attach-no-native 600 /usr/bin/sh /attach.sh "a driver without native XDP" - dummy doctor=nic.native
step attach-native-wanted 600 /usr/bin/sh /attach.sh "a driver without native XDP, xdp_mode = native" - dummy mode=native "refused=kernel.xdp_mode"
step attach-no-btf 600 /usr/bin/sh /attach.sh "no BTF" 52:54:00:00:00:02 hide=btf doctor=kernel.btf
step attach-no-tracefs 600 /usr/bin/sh /attach.sh "tracefs not mounted" 52:54:00:00:00:02 hide=tracefs
step attach-unplug 600 /usr/bin/sh /attach.sh "a processor goes and comes back" 52:54:00:00:00:03 unplug
# More than a page for a frame.
step attach-mtu 600 /usr/bin/sh /attach.sh "MTU 9000" 52:54:00:00:00:02 mtu=9000 "may-refuse=ip link set dev lb0 mtu"
# As a careful operator sets them.
step attach-restricted 600 /usr/bin/sh /attach.sh "bpf, perf, kernel addresses, ptrace and namespaces restricted" 52:54:00:00:00:02 set=kernel.unprivileged_bpf_disabled=1 set=kernel.perf_event_paranoid=3 set=kernel.kptr_restrict=2 set=kernel.yama.ptrace_scope=3 set=user.max_user_namespaces=0
# Constants blinded.
step attach-hardened 600 /usr/bin/sh /attach.sh "constants blinded" 52:54:00:00:00:02 set=net.core.bpf_jit_harden=2 doctor=kernel.jit_harden
step programs-hardened 900 /levee/lab programs --usual --json
# Interpreted, where the kernel has an interpreter.
step jit-off 600 /usr/bin/sh /attach.sh "JIT off" 52:54:00:00:00:02 jit-off
