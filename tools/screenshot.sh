#!/usr/bin/env bash
# Takes the pictures of the README: one English and one Chinese mail of a demo. Usage: tools/screenshot.sh .demo
set -euo pipefail
folder=${1:-.demo}
images=$(cd "$(dirname "$0")/.." && pwd)/docs/images
width=${WIDTH:-760}

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "screenshot: chromium is not installed (Debian: apt-get install chromium)" >&2; exit 1; }
compgen -G "$folder/mail/*.html" >/dev/null || {
  echo "screenshot: $folder/mail holds no .html file; run make demo, and name its folder" >&2; exit 1; }

profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

take() { # language, height
  local page
  # The newest mail in that language with most in it, the fallback's aside; ls -S sorts by size.
  local newest
  newest=$(basename "$(ls "$folder"/mail/*.html | sort | tail -1)" | cut -c1-10)
  page=$(ls -S "$folder/mail/$newest"-*.html | grep -v -- -fallback- | xargs grep -l "<html[^>]*lang=\"$1" | head -1)
  [ -n "$page" ] || { echo "screenshot: no mail in language $1 below $folder/mail" >&2; exit 1; }
  "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$profile" \
    --window-size="$width,$2" --screenshot="$images/report-$1.png" "file://$(realpath "$page")" >/dev/null 2>&1
  echo "screenshot: docs/images/report-$1.png from $(basename "$page"), $(( $(stat -c %s "$images/report-$1.png") / 1024 )) kB"
}

mkdir -p "$images"
take en "${HEIGHT:-868}"
take zh "${HEIGHT:-868}"
