#!/usr/bin/env bash
# Makes sure that a Java for Spark is there: 17 or newer.
set -euo pipefail
version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
if [ "${version:-0}" -ge 17 ]; then exit 0; fi
command -v apt-get >/dev/null || { echo "spark: install Java 17 or newer (java is not found, or older)" >&2; exit 1; }
echo "spark: installing Java 17 from Debian"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless >/dev/null
