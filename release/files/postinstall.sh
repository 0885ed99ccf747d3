#!/bin/sh
# After an installation or an upgrade, of a deb ("configure [old version]") and of an rpm ("1", or "2" for an upgrade).
set -e
case "$1" in configure | 1 | 2) ;; *) exit 0 ;; esac

if ! getent passwd or3-cloud > /dev/null; then
  useradd --system --user-group --no-create-home --home-dir /var/lib/or3-cloud --shell /usr/sbin/nologin or3-cloud
fi
install -d -m 0700 -o or3-cloud -g or3-cloud /var/lib/or3-cloud
chgrp or3-cloud /etc/or3-cloud/or3-cloud.env

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
# A server that runs hands its socket to the new program, and no client notices.
if systemctl is-active --quiet or3-cloud; then
  systemctl reload or3-cloud
elif [ "$1" = 1 ] || [ "$1" = configure -a -z "${2:-}" ]; then
  echo "OR3 Cloud is installed. Look at /etc/or3-cloud/or3-cloud.env, and start it: systemctl enable --now or3-cloud"
fi
