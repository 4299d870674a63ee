#!/usr/bin/env bash
# Makes sure that PostgreSQL's programs are there; the tests start a throw-away cluster of their own.
set -euo pipefail
if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || { echo "test: install PostgreSQL 15 or newer (initdb is not found)" >&2; exit 1; }
echo "test: installing PostgreSQL from Debian"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
