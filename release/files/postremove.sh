#!/bin/sh
# After a removal. The data stays, and with it the user whose it is: no package manager takes people's chats away.
set -e
case "$1" in remove | purge | 0) ;; *) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ -d /var/lib/or3-cloud ]; then
  echo "The data of OR3 Cloud stays in /var/lib/or3-cloud. If it is of no more use: rm -r /var/lib/or3-cloud && userdel or3-cloud"
fi
