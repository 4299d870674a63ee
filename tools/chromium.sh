#!/usr/bin/env bash
# Makes sure that Chromium is there, and a font that has Chinese; the tests and the screenshots look at mails with them.
set -euo pipefail
packages=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
compgen -G '/usr/share/fonts/*/*/*CJK*' >/dev/null || packages+=(fonts-noto-cjk)
[ ${#packages[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "test: install Chromium and a font with Chinese; tests that look at mails are left out" >&2; exit 0; }
echo "test: installing ${packages[*]} from Debian"
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
