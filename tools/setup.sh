#!/usr/bin/env bash
# Installs the locked packages and this project into a virtual environment. Usage: tools/setup.sh .venv
set -euo pipefail
venv=$1
python=${PYTHON:-python3}
start=$SECONDS

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup: Python 3.11 or newer is needed, $python is $("$python" -V 2>&1); set PYTHON=/path/to/python3.11" >&2; exit 1; }

if [ ! -x "$venv/bin/python" ]; then
  echo "setup: creating $venv with $("$python" -V)"
  if ! "$python" -m venv "$venv" 2>/dev/null; then
    rm -rf "$venv"
    command -v apt-get >/dev/null || { echo "setup: '$python -m venv' fails; install your system's venv package" >&2; exit 1; }
    echo "setup: installing python3-venv from Debian"
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq && $sudo apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv "$venv"
  fi
fi

echo "setup: installing $(grep -c '==' requirements.lock) locked packages (a minute or two on the first run)"
# uv installs some ten times faster than pip; it is locked like everything else.
awk '/^uv==/{on=1} on{print} on && !/\\$/{exit}' requirements.lock > "$venv/uv.lock.txt"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$venv/uv.lock.txt"
VIRTUAL_ENV=$venv "$venv/bin/uv" pip install -q --require-hashes -r requirements.lock
VIRTUAL_ENV=$venv "$venv/bin/uv" pip install -q --no-deps --no-build-isolation -e .
"$venv/bin/python" -m compileall -q "$venv/lib" >/dev/null 2>&1 || true
echo "setup: done in $((SECONDS - start)) s"
