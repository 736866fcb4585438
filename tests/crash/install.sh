#!/bin/sh
# Install what the tests in this folder break things with.
# For Debian and Ubuntu; needs root. Running it again changes nothing.
set -eu

set -- strace faketime

states=$(dpkg-query --show --showformat '${db:Status-Status}\n' "$@" 2>/dev/null || true)
if [ "$(printf '%s\n' "$states" | grep -c -x installed)" -eq $# ]; then
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
apt-get install -o DPkg::Lock::Timeout=300 --yes --quiet --no-install-recommends "$@"
