#!/bin/sh
# Install the mail servers that the tests in this folder start for themselves.
# For Debian and Ubuntu; needs root. Running it again changes nothing.
set -eu
cd "$(dirname "$0")/../.."

# The packages conflict, since a machine has one mail server. So Postfix is installed, and
# of Exim there is the program alone, which needs its libraries and its user beside it.
exim=.venv/exim
exim_package=exim4-daemon-light
exim_user=Debian-exim
wait_for_others="-o DPkg::Lock::Timeout=300"

set -- postfix libsasl2-modules libsasl2-modules-db sasl2-bin \
    dovecot-lmtpd tinyproxy-bin microsocks

has_packages() {
    states=$(dpkg-query --show --showformat '${db:Status-Status}\n' "$@" 2>/dev/null || true)
    [ "$(printf '%s\n' "$states" | grep -c -x installed)" -eq $# ]
}

has_exim() {
    id "$exim_user" >/dev/null 2>&1 && "$exim/usr/sbin/exim4" -C /dev/null -bV >/dev/null 2>&1
}

if has_packages "$@" && has_exim; then
    exit 0
fi

# The packages start their servers unless this says no; the tests want none but their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet

if ! has_packages "$@"; then
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    apt-get install $wait_for_others --yes --quiet --no-install-recommends "$@"
fi

if ! has_exim; then
    rm -rf "$exim"
    mkdir -p "$exim"
    # As root: apt's own user need not be able to write here.
    (cd "$exim" && apt-get download --quiet -o APT::Sandbox::User=root "$exim_package")
    dpkg-deb --extract "$exim/$exim_package"_*.deb "$exim"
    libraries=$(dpkg-deb --field "$exim/$exim_package"_*.deb Depends |
        tr ',' '\n' | sed 's/^ *//; s/[ (|].*//' | grep '^lib')
    # Unquoted: each is a word of its own.
    apt-get install $wait_for_others --yes --quiet --no-install-recommends $libraries
    # The name is built into the program, which does not start without that user.
    id "$exim_user" >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$exim_user"
    has_exim
fi
