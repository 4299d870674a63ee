#!/usr/bin/env bash
# Starts all of Airflow on this machine, on loopback, with the demo's company, warehouse and mail folder; Ctrl-C stops all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
port=${AIRFLOW_PORT:-8080}
folder=$root/.airflow
mkdir -p "$folder/demo/handed_in"

export AIRFLOW_HOME=$folder
export PATH=$root/.venv/bin:$PATH
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=True
export AIRFLOW__CORE__PARALLELISM=2 AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$port AIRFLOW__API__BASE_URL=http://localhost:$port
export AIRFLOW__API__WORKERS=1 AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://localhost:$port/execution/
# The bundle is the whole repository, so that DAGs, statements, policies and suites travel together.
export AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST='[{"name": "customer-tiering", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": "'$root'"}}]'
export GX_ANALYTICS_ENABLED=false
export AIRFLOW_CONN_TIERING_SOURCE='{"conn_type": "duckdb", "host": "'$folder'/demo/company.duckdb"}'
export AIRFLOW_CONN_TIERING_WAREHOUSE='{"conn_type": "duckdb", "host": "'$folder'/demo/warehouse.duckdb"}'
export TIERING_SOURCE=demo TIERING_FALLBACK_MANAGER=sales.desk@tiering.example TIERING_FIRST_DAY=2023-07-01
export TIERING_MAIL_DIR=$folder/demo/mail TIERING_DATA_DOCS_DIR=$folder/demo/data_docs
export TIERING_HANDED_IN=$folder/demo/handed_in TIERING_REVIEW_DIR=$folder/demo/review
# A DuckDB file has one process at a time: every task that opens it waits for the one slot of this pool.
export TIERING_POOL=tiering_warehouse

log=$folder/airflow.log
group=
stop() {
  trap - EXIT INT TERM
  [ -n "$group" ] || return 0
  echo "airflow: stopping"
  kill -TERM -- "-$group" 2>/dev/null || true
  for _ in $(seq 60); do kill -0 -- "-$group" 2>/dev/null || break; sleep 0.5; done
  kill -KILL -- "-$group" 2>/dev/null || true
  echo "airflow: stopped"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/"; then
  echo "airflow: port $port is taken; choose another: make airflow AIRFLOW_PORT=8090" >&2; exit 1
fi
if [ ! -f "$folder/demo/company.duckdb" ]; then
  echo "airflow: generating the demo company"
  python -m tiering.cli company "$folder/demo/company.duckdb" --last-day "$(date +%F)"
fi
echo "airflow: preparing its database"
airflow db migrate >"$log" 2>&1
airflow pools set tiering_warehouse 1 "one process at a time opens the DuckDB file" >>"$log" 2>&1
echo "airflow: starting (half a minute to a minute; log: .airflow/airflow.log)"
# `airflow standalone` starts the same four, but its log servers listen on every interface.
setsid bash -c 'airflow api-server & airflow dag-processor & airflow triggerer --skip-serve-logs &
  airflow scheduler --skip-serve-logs & wait -n; kill -TERM 0' >>"$log" 2>&1 </dev/null &
group=$!
for _ in $(seq 240); do
  curl -sf --max-time 2 "http://127.0.0.1:$port/api/v2/monitor/health" >/dev/null 2>&1 && break
  kill -0 "$group" 2>/dev/null || { echo "airflow: it did not start; see .airflow/airflow.log" >&2; exit 1; }
  sleep 0.5
done
cat <<TEXT
airflow: ready at http://localhost:$port (no password: this is a demo on loopback)
  1. switch on customer_facts: it runs at once and loads everything up to yesterday
  2. switch on tier__pyramid, tier__rfm_555 and tier__collection_classes: each runs at once for its latest day;
     the last one asks the director and then the manager before it publishes (Required Actions)
  3. switch on people: it takes in overrides and grades from .airflow/demo/handed_in (docs/people.md)
  4. switch on follow_ups: who is to be contacted, in tiering.follow_up
  5. switch on tier_reports: the mails land in .airflow/demo/mail
  Ctrl-C stops everything.
TEXT
if [ -n "${AIRFLOW_UNTIL_READY:-}" ]; then exit 0; fi
wait "$group"
