#!/bin/sh
# Install the mail servers that the tests in this folder start for themselves.
# For Debian and Ubuntu; needs root, and node with npm. Running it again changes nothing.
set -eu
cd "$(dirname "$0")/../.."

# The packages conflict, since a machine has one mail server. So Postfix is installed, and of
# Exim and Sendmail there are the programs alone, each in a folder, which need their libraries
# beside them, and Exim a user. npm's servers lie in a folder too; aiosmtpd is a dependency.
exim=.venv/exim
exim_user=Debian-exim
sendmail=.venv/sendmail
node=.venv/node
wait_for_others="-o DPkg::Lock::Timeout=300"

set -- postfix libsasl2-modules libsasl2-modules-db sasl2-bin m4 \
    dovecot-lmtpd tinyproxy-bin microsocks
command -v npm >/dev/null || set -- "$@" nodejs npm

has_packages() {
    states=$(dpkg-query --show --showformat '${db:Status-Status}\n' "$@" 2>/dev/null || true)
    [ "$(printf '%s\n' "$states" | grep -c -x installed)" -eq $# ]
}

has_exim() {
    id "$exim_user" >/dev/null 2>&1 && "$exim/usr/sbin/exim4" -C /dev/null -bV >/dev/null 2>&1
}

has_sendmail() {
    # A program that misses a library says so.
    [ -f "$sendmail/usr/share/sendmail/cf/m4/cf.m4" ] &&
        ! ldd "$sendmail/usr/libexec/sendmail/sendmail" 2>&1 | grep -q 'not found\|No such file'
}

has_node_servers() {
    cmp -s tests/servers/programs/package-lock.json "$node/package-lock.json" &&
        [ -f "$node/.complete" ]
}

# unpack FOLDER PACKAGE...: what is in the packages, and installs the libraries of the first.
unpack() {
    folder=$1
    shift
    rm -rf "$folder"
    mkdir -p "$folder"
    # As root: apt's own user need not be able to write here.
    (cd "$folder" && apt-get download --quiet -o APT::Sandbox::User=root "$@")
    for package in "$@"; do
        dpkg-deb --extract "$folder/$package"_*.deb "$folder"
    done
    libraries=$(dpkg-deb --field "$folder/$1"_*.deb Depends |
        tr ',' '\n' | sed 's/^ *//; s/[ (|].*//' | grep '^lib')
    # Unquoted: each is a word of its own.
    apt-get install $wait_for_others --yes --quiet --no-install-recommends $libraries
}

if ! { has_packages "$@" && has_exim && has_sendmail; }; then
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
        unpack "$exim" exim4-daemon-light
        # The name is built into the program, which does not start without that user.
        id "$exim_user" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir /nonexistent \
                --shell /usr/sbin/nologin "$exim_user"
        has_exim
    fi

    if ! has_sendmail; then
        unpack "$sendmail" sendmail-bin sendmail-cf
        # Whoever runs it as another group is given no say over its environment.
        chmod g-s "$sendmail/usr/libexec/sendmail/sendmail"
        has_sendmail
    fi
fi

if ! has_node_servers; then
    rm -rf "$node"
    mkdir -p "$node"
    cp tests/servers/programs/package.json tests/servers/programs/package-lock.json \
        tests/servers/programs/.npmrc "$node"
    # Told on standard error: versions of node that a package would rather have.
    npm ci --prefix "$node" --silent --omit=optional --no-audit --no-fund
    touch "$node/.complete"
fi
