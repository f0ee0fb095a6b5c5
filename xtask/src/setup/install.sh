# Installs Debian packages without starting the services they bring. Arguments: the packages.
#
# nginx, HAProxy and Prometheus would start on this machine the moment they are unpacked, and again at every boot. Debian's hook against
# that is /usr/sbin/policy-rc.d; a hook that is already there is the administrator's and stays.
# Never removes a package: where apt would have to, it stops and says so.

hook=/usr/sbin/policy-rc.d
if [ ! -e "$hook" ]; then
    trap 'rm -f "$hook"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$hook"
    chmod 755 "$hook"
fi

DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends --no-remove install "$@"

for package in "$@"; do
    case "$package" in
        nginx-light) service=nginx ;;
        haproxy) service=haproxy ;;
        prometheus) service=prometheus ;;
        *) continue ;;
    esac
    echo "==> $service: its system service stays off; the lab runs its own"
    if [ -d /run/systemd/system ]; then
        systemctl disable --now "$service"
    else
        update-rc.d "$service" disable
    fi
done
