#!/bin/sh
# Before a removal: "remove" of a deb, "0" of an rpm. An upgrade keeps the server running.
set -e
case "$1" in remove | 0) ;; *) exit 0 ;; esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now or3-cloud
fi
