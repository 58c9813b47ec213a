#!/bin/sh
# Rebuilds the captures: sudo captures/lab/run.sh [--install] [name ...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = --install ]; then
    shift
    # Keeps Debian from starting the servers it installs; a lab run starts its own, in its own namespaces.
    guard=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        guard=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        iproute2 nftables ethtool tcpdump tshark openssl curl wget python3 nginx haproxy stunnel4 gnutls-bin \
        golang-go nodejs default-jdk-headless apache2 squid redis-server || true
    if [ -n "$guard" ]; then rm /usr/sbin/policy-rc.d; fi
fi
exec python3 "$here/lab.py" "$@"
