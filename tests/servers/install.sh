#!/bin/sh
# Install the mail servers that the tests in this folder start for themselves.
# For Debian and Ubuntu; needs root. Running it again changes nothing.
set -eu

set -- postfix libsasl2-modules libsasl2-modules-db sasl2-bin

states=$(dpkg-query --show --showformat '${db:Status-Status}\n' "$@" 2>/dev/null || true)
if [ "$(printf '%s\n' "$states" | grep -c -x installed)" -eq $# ]; then
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
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update --quiet --quiet
apt-get install --yes --quiet --no-install-recommends "$@"
