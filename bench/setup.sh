#!/bin/sh
# Prepares what is compared: the programs, a clean venv with nexomailer in it as a user would
# install it, nodemailer with a template engine, another venv for its peers in Python. Everything of ours goes to bench/.work.
# May be run again at any time; only nexomailer itself is installed anew.
set -eu
cd "$(dirname "$0")/.."
work=bench/.work
mkdir -p "$work/home" "$work/node"
PATH="$PATH:/usr/sbin"
# Both would reach into the comparison: no bytecode, and other certificates.
unset PYTHONDONTWRITEBYTECODE SSL_CERT_FILE SSL_CERT_DIR

packages=""
while read -r program package; do
    command -v "$program" >/dev/null || packages="$packages $package"
done <<PROGRAMS
smtp-sink postfix
smtp-source postfix
stunnel4 stunnel4
msmtp msmtp
swaks swaks
curl curl
node nodejs
npm npm
PROGRAMS
perl -MNet::SSLeay -e 1 2>/dev/null || packages="$packages libnet-ssleay-perl"
if [ -n "$packages" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing:$packages. Run: sudo apt-get install --no-install-recommends$packages" >&2
        exit 1
    fi
    # RUNLEVEL=1 keeps Debian from starting what it installs.
    # shellcheck disable=SC2086
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends $packages
fi

if [ ! -x "$work/venv/bin/nexomailer" ]; then
    "${PYTHON:-python3}" -m venv --clear "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet --compile '.[bulk]'
    # It comes with Python 3.11's venv and brings a .pth file that every start would read.
    "$work/venv/bin/python" -m pip uninstall --quiet --yes setuptools
fi
"$work/venv/bin/python" -m pip install --quiet --compile --no-deps --force-reinstall .

if [ ! -x "$work/peers/bin/mailmerge" ]; then
    "${PYTHON:-python3}" -m venv --clear "$work/peers"
    "$work/peers/bin/python" -m pip install --quiet --compile \
        aiosmtplib uvloop jinja2 mailmerge matplotlib
fi

if [ ! -d "$work/node/node_modules/handlebars" ]; then
    npm install --silent --no-audit --no-fund --prefix "$work/node" nodemailer@10 handlebars@4
fi
cp bench/nodemailer.mjs "$work/node/send.mjs"
cp bench/crowd.mjs "$work/node/crowd.mjs"
