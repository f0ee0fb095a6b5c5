#!/bin/sh
# Installs Levee from its archive: the binary, the unit, man pages, completions, configuration. Run it as root in the
# directory where the archive was unpacked. `PREFIX=/usr/local` and `DESTDIR=` are honoured; `./install.sh --uninstall` takes
# away what it installed, protection included, and keeps /etc/levee and /var/lib/levee.
#
# It starts nothing and enables nothing. Installing over an older version restarts a running agent; protection stays in the
# kernel meanwhile.
set -eu

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
here=$(dirname "$0")
cd "$here"

bin=$root$prefix/bin
man=$root$prefix/share/man
bash=$root$prefix/share/bash-completion/completions
zsh=$root$prefix/share/zsh/site-functions
fish=$root$prefix/share/fish/vendor_completions.d
units=$root/etc/systemd/system
users=$root$prefix/lib/sysusers.d
doc=$root$prefix/share/doc/levee

# True where a systemd runs that the installed unit is for.
systemd() {
    [ -z "$root" ] && [ -d /run/systemd/system ]
}

uninstall() {
    if systemd; then
        systemctl disable --now levee.service || true
    fi
    if [ -z "$root" ] && [ -x "$bin/agent" ]; then
        "$bin/agent" detach --if-attached
    fi
    for page in man/*; do
        rm -f "$man/man${page##*.}/${page#man/}"
    done
    rm -f "$bin/agent" "$bash/agent" "$zsh/_agent" "$fish/agent.fish" "$units/levee.service" "$users/levee.conf"
    rm -rf "$doc"
    if systemd; then
        systemctl daemon-reload
    fi
    echo "Removed. /etc/levee and /var/lib/levee are kept."
}

install_files() {
    install -D -m 755 agent "$bin/agent.new"
    # By one rename: an agent that runs keeps the file it has.
    mv "$bin/agent.new" "$bin/agent"
    for page in man/*; do
        install -D -m 644 "$page" "$man/man${page##*.}/${page#man/}"
    done
    install -D -m 644 completions/agent "$bash/agent"
    install -D -m 644 completions/_agent "$zsh/_agent"
    install -D -m 644 completions/agent.fish "$fish/agent.fish"
    install -d "$units"
    sed "s|/usr/bin/agent|$prefix/bin/agent|" levee.service >"$units/levee.service"
    chmod 644 "$units/levee.service"
    install -D -m 644 levee.sysusers "$users/levee.conf"
    mkdir -p "$doc"
    cp -R README.md CHANGELOG.md LICENSE-* third-party.txt sbom.cdx.json docs examples "$doc/"
    if [ ! -e "$root/etc/levee/agent.toml" ]; then
        install -D -m 644 agent.toml "$root/etc/levee/agent.toml"
        new=yes
    fi
}

case "${1:-}" in
    --uninstall)
        uninstall
        exit
        ;;
    '') ;;
    *)
        echo "usage: $0 [--uninstall]" >&2
        exit 2
        ;;
esac

new=
install_files
if systemd; then
    systemd-sysusers "$users/levee.conf"
    systemctl daemon-reload
    systemctl try-restart levee.service
fi
if [ -n "$new" ]; then
    cat <<'NEXT'
Installed, and nothing is protected yet. Next:
  1. name the network interfaces in /etc/levee/agent.toml
  2. agent check-config && systemctl enable --now levee     (without systemd: agent run)
It begins in mode "monitor", which drops nothing; `agent mode set enforce` does.
NEXT
fi
