# attach.sh CASE MAC [OPTION..]: the agent on a virtio-net interface, and real TCP connections by cookie and by challenge from the
# interface 52:54:00:00:00:01, which is on the same bridge. Prints rows "@row CASE: WHAT". Runs in a guest only.
# Options:
#   mtu=N             of both interfaces
#   hide=WHAT         tracefs or btf is not there
#   set=KEY=VALUE     a sysctl, which has to take it
#   lockdown=WHAT     what must be in force
#   jit-off           net.core.bpf_jit_enable=0, where the kernel has an interpreter
#   dummy             an interface whose driver has no native XDP, and no customers
#   mode=MODE         kernel.xdp_mode
#   unplug            the second processor goes and comes back, while a blocked source sends and customers connect
#   doctor=ID         a finding that `agent doctor` must have
#   refused=WORDS     the agent must not start, and say so with these words
#   may-refuse=WORDS  the same, or else customers must be served
set -u
grep -q levee.guest /proc/cmdline || { echo "only in a guest of cargo xtask test --kernels"; exit 2; }
case_name=$1 mac=$2
shift 2
mtu=1500 hide='' dummy='' jit_off='' lockdown='' mode=auto finding='' refused='' must='' unplug=''
for option in "$@"; do
    case $option in
    mtu=*) mtu=${option#*=} ;;
    hide=*) hide=${option#*=} ;;
    set=*) sysctl -w "${option#*=}" >/dev/null || exit 1 ;;
    lockdown=*) lockdown=${option#*=} ;;
    jit-off) jit_off=yes ;;
    dummy) dummy=yes ;;
    unplug) unplug=yes ;;
    mode=*) mode=${option#*=} ;;
    doctor=*) finding=${option#*=} ;;
    refused=*) refused=${option#*=} must=yes ;;
    may-refuse=*) refused=${option#*=} ;;
    *) echo "unknown option $option" >&2; exit 2 ;;
    esac
done
home=/tmp/attach
rm -rf "$home"; mkdir -p "$home/bpf" "$home/www"
mount -t bpf bpf "$home/bpf"

by_mac() { for path in /sys/class/net/*; do [ "$(cat "$path/address")" = "$1" ] && basename "$path"; done; }
row() { echo "@row $case_name: $1"; }
fail() {
    row "FAILED: $1"
    { echo "$1"; tail -20 "$home/log"; ip -n lb address; ip -n customers neighbour; } 1>&2
    exit 1
}
# until_done SECONDS COMMAND..
until_done() {
    left=$(($1 * 2)); shift
    while ! "$@" >/dev/null 2>&1; do left=$((left - 1)); [ $left -gt 0 ] || return 1; sleep 0.5; done
}
# Inside the load balancer's namespace /sys is a new one, with nothing mounted in it: what the case leaves is.
inside() {
    ip netns exec lb /usr/bin/sh -c '
        [ "$0" = tracefs ] || mount -t tracefs tracing /sys/kernel/tracing
        [ "$0" != btf ] || mount -t tmpfs none /sys/kernel/btf
        exec "$@"' "${hide:-nothing}" "$@"
}
ask() { inside /levee/agent --config "$home/agent.toml" "$@"; }
get() { ip netns exec customers curl -s -m 20 "$@" 2>>"$home/log" | grep -q served; }

if [ -n "$lockdown" ] && ! grep -qF "[$lockdown]" /sys/kernel/security/lockdown; then
    row "FAILED: lockdown is $(cat /sys/kernel/security/lockdown 2>&1)"
    exit 1
fi
if [ -n "$jit_off" ]; then
    if ! sysctl -w net.core.bpf_jit_enable=0 >"$home/log" 2>&1; then
        row "the kernel has no interpreter: $(tail -1 "$home/log")"
        exit 0
    fi
    finding=kernel.jit refused=net.core.bpf_jit_enable must=yes
fi
lb0=$(by_mac "$mac") outside=$(by_mac 52:54:00:00:00:01)
ip netns add lb; ip netns add customers
clean_up() {
    for process in ${agent:-} ${server:-}; do kill "$process"; wait "$process"; done
    ask detach
    # Interfaces of a namespace that goes come back, under the names they have.
    [ -n "$dummy" ] || ip -n lb link set lb0 netns 1 name "$lb0"
    ip -n customers link set out0 netns 1 name "$outside"
    ip netns delete lb; ip netns delete customers
    umount "$home/bpf"
}
trap 'clean_up >/dev/null 2>&1' EXIT
if [ -n "$dummy" ]; then ip -n lb link add lb0 type dummy; else ip link set "$lb0" netns lb name lb0; fi
ip link set "$outside" netns customers name out0
ip -n lb link set lb0 mtu "$mtu"; ip -n customers link set out0 mtu "$mtu"
ip -n lb link set lo up
ip -n lb address add 198.51.100.10/24 dev lb0; ip -n lb address add 198.51.100.11/24 dev lb0
ip -n customers address add 198.51.100.1/24 dev out0
ip -n lb link set lb0 up; ip -n customers link set out0 up
for key in tcp_syncookies tcp_timestamps; do ip netns exec lb sh -c "echo 2 > /proc/sys/net/ipv4/$key"; done
echo served > "$home/www/index.html"
ip netns exec lb busybox httpd -f -p 80 -h "$home/www" 2>>"$home/log" & server=$!
cat > "$home/agent.toml" <<END
mode = "enforce"
interfaces = ["lb0"]
protect = ["198.51.100.10", "198.51.100.11"]
[control]
socket = "$home/socket"
[state]
directory = "$home/state"
[kernel]
bpffs = "$home/bpf"
xdp_mode = "$mode"
[[address]]
address = "198.51.100.11"
verify = "challenge"
END
if [ -z "$dummy" ]; then
    until_done 30 get http://198.51.100.10/ || fail "no connection even without the agent"
fi
if [ -n "$finding" ]; then
    # Other namespaces than the first do not show the settings of the JIT, and `inside` mounts no securityfs.
    case $finding in
    kernel.jit* | permissions.*) /levee/agent --config "$home/agent.toml" --json doctor >"$home/doctor" 2>"$home/log" ;;
    *) ask --json doctor >"$home/doctor" 2>"$home/log" ;;
    esac
    sed -n "/\"id\": \"$finding\"/,/\"unseen\"/p" "$home/doctor" >"$home/finding"
    field() { sed -n "s/^ *\"$1\": \"\(.*\)\",*\$/\1/p" "$home/finding"; }
    way_out=$(field advice) command=$(sed -n '/"commands": \[$/{n;s/^ *"\(.*\)",*$/\1/p}' "$home/finding")
    case $(field severity) in '' | ok) fail "agent doctor does not find $finding: $(cat "$home/finding")" ;; esac
    row "doctor's $(field severity) $finding: $(field seen)${way_out:+; $way_out}${command:+; $command}"
fi
inside /levee/agent --config "$home/agent.toml" run >"$home/log" 2>&1 & agent=$!
started() { ! kill -0 "$agent" || ask --json status; }
until_done 180 started
if [ -n "$refused" ] && ! kill -0 "$agent" 2>/dev/null; then
    why=$(grep -F "$refused" "$home/log" | head -1)
    [ -n "$why" ] || fail "it does not say \"$refused\""
    row "refused: ${why#error: }"
    exit 0
fi
[ -z "$must" ] || fail "the agent starts"
kill -0 "$agent" 2>/dev/null || fail "the agent does not start"
ask --json status >"$home/status" || fail "the agent does not answer"
attached=$(grep -o '"mode": *"[a-z]*"' "$home/status" | tail -1 | cut -d '"' -f 4)
row "attached: $attached"
# The guest has no certificates, which is none of the kernel's.
grep ' WARN ' "$home/log" | grep -v agent::feeds | sed 's/^[^ ]* *WARN [a-z_:]* *//' |
    while read -r line; do row "the agent says: $line"; done
sed -n '/"warnings": \[$/,/\]/s/^ *"\(.*\)",*$/\1/p' "$home/status" | grep -v '^warnings"' | grep -vi certificate |
    while read -r line; do row "agent status: $line"; done
[ -z "$dummy" ] || exit 0
# serve PREFIX ADDRESS: sets served. Sources that are new, so that each has to prove itself.
serve() {
    served=0
    for customer in 1 2 3 4 5 6 7 8; do
        ip -n customers address add "$1$customer/32" dev out0 2>/dev/null
        get --interface "$1$customer" "http://$2/" && served=$((served + 1))
    done
}
counted() { ask --json stats | sed -n "s/^ *\"$1\": \([0-9]*\),*$/\1/p" | head -1; }
# The agent reads its counters twice a second.
is_counted() { [ "$(counted "$1")" -ge 8 ]; }
for way in cookie:198.51.100.10 challenge:198.51.100.11; do
    name=${way%%:*} address=${way#*:}
    ask rung "$address" verify >/dev/null || fail "no rung for $address"
    reason=cookie_ack prefix=198.51.100.10; [ "$name" = cookie ] || reason=challenge_passed prefix=198.51.100.20
    serve "$prefix" "$address"
    [ "$served" -eq 8 ] || fail "by $name, $served of 8 customers were served"
    until_done 20 is_counted "$reason" || fail "$reason was counted $(counted "$reason") times"
    row "by $name: 8 of 8 customers served"
done
if [ -n "$unplug" ]; then
    cpu=/sys/devices/system/cpu/cpu1/online blocked=198.51.100.99
    ip -n customers address add "$blocked/32" dev out0
    ip netns exec customers ping -c 3 -I "$blocked" 198.51.100.10 >/dev/null 2>&1 || fail "who is not blocked yet is not answered"
    ask block-ip "$blocked" >/dev/null || fail "the source cannot be blocked"
    ip netns exec customers ping -i 0.01 -I "$blocked" 198.51.100.10 >"$home/ping" 2>&1 & pinging=$!
    echo 0 >"$cpu" || { kill "$pinging"; row "the kernel does not let a processor go"; exit 0; }
    serve 198.51.100.3 198.51.100.10; without=$served
    echo 1 >"$cpu" || fail "the processor does not come back"
    serve 198.51.100.4 198.51.100.10
    kill -INT "$pinging"; wait "$pinging"
    row "one processor less: $without of 8 customers served; back again: $served of 8; a blocked source meanwhile: $(grep -o '.* packets received' "$home/ping")"
    [ "$without" -eq 8 ] && [ "$served" -eq 8 ] && grep -Eq '^[1-9][0-9]{2,} packets transmitted, 0 packets received' "$home/ping" ||
        fail "a processor that goes or comes takes protection or customers with it: $(tail -3 "$home/ping")"
    ask --json status >"$home/status" || fail "the agent does not answer"
fi
# Generic XDP counts nothing there.
[ "$attached" = native ] || exit 0
queues=$(ip netns exec lb ethtool -S lb0 2>/dev/null | grep -cE 'rx_?(queue_)?[0-9]+_xdp_packets: [1-9]')
row "receive queues with packets: $queues of $(ip netns exec lb ethtool -l lb0 | grep Combined | tail -1 | tr -dc 0-9)"
