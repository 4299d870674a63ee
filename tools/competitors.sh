#!/usr/bin/env bash
# Makes the environments of what the benchmarks compare with, below .bench: dbt and pymc-marketing would downgrade what
# Airflow needs. One whose lock has not changed is left as it is.
set -euo pipefail
uv=${UV:-.venv/bin/uv}
python=${PYTHON:-.venv/bin/python}

for name in dbt pymc; do
  lock=benchmarks/competitors/requirements-$name.lock
  venv=.bench/$name
  if cmp -s "$lock" "$venv/installed.lock"; then continue; fi
  echo "competitors: installing $(grep -c '==' "$lock") locked packages into $venv"
  "$uv" venv -q --clear --no-python-downloads --python "$python" "$venv"
  VIRTUAL_ENV=$venv "$uv" pip install -q --require-hashes --compile-bytecode -r "$lock"
  cp "$lock" "$venv/installed.lock"
done
