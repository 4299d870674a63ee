#!/usr/bin/env bash
# Makes sure that Redis is there, and makes the environment of `make celery` below .bench: what is locked for this
# project, and Celery beside it. An environment whose locks have not changed is left as it is.
set -euo pipefail
uv=${UV:-.venv/bin/uv}
python=${PYTHON:-.venv/bin/python}
venv=.bench/celery

if ! command -v redis-server >/dev/null; then
  command -v apt-get >/dev/null || { echo "celery: install Redis 7 or newer (redis-server is not found)" >&2; exit 1; }
  echo "celery: installing Redis from Debian"
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
fi

if cat requirements.lock requirements-celery.lock | cmp -s - "$venv/installed.lock"; then exit 0; fi
echo "celery: installing $(cat requirements.lock requirements-celery.lock | grep -c '==') locked packages into $venv"
"$uv" venv -q --clear --no-python-downloads --python "$python" "$venv"
VIRTUAL_ENV=$venv "$uv" pip install -q --require-hashes --no-deps -r requirements.lock -r requirements-celery.lock
VIRTUAL_ENV=$venv "$uv" pip install -q --no-deps --no-build-isolation -e .
cat requirements.lock requirements-celery.lock > "$venv/installed.lock"
