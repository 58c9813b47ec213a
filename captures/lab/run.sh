#!/bin/sh
# Rebuilds the captures: sudo captures/lab/run.sh [--install] [-v] [name ...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# Keeps Debian from starting the servers it installs: the lab starts its own, in its own namespaces.
hold_services() {
    [ -e /usr/sbin/policy-rc.d ] && return
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
}

# All at once; where a distribution lacks one, each by itself.
install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-upgrade --no-install-recommends "$@" && return
    for package; do
        apt-get install -y -q --no-upgrade --no-install-recommends "$package" || echo "lab: no package $package"
    done
}

if [ "${1:-}" = --install ]; then
    shift
    if [ "$(id -u)" != 0 ]; then
        :
    elif command -v apt-get >/dev/null; then
        (
            hold_services
            install_packages iproute2 nftables ethtool iputils-ping procps tcpdump tshark openssl curl wget python3 nginx haproxy stunnel4 gnutls-bin \
                golang-go nodejs default-jdk-headless gcc libc6-dev apache2 squid redis-server postgresql mariadb-server postfix dovecot-imapd \
                mitmproxy sslsplit libio-socket-ssl-perl
        )
    else
        echo "lab: no apt-get here: nothing installed"
    fi
fi

# rustls is built with the Rust of whoever called sudo.
if ! command -v cargo >/dev/null && [ -n "${SUDO_USER:-}" ]; then
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    PATH=$PATH:$home/.cargo/bin
    RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
    export PATH RUSTUP_HOME
fi
exec python3 "$here/lab.py" "$@"
