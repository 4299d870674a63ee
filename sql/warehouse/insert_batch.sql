-- Reconciles one entity of a load: one row per currency; extracted is counted in landing, loaded in the facts.
INSERT INTO tiering.batch (
  batch_no, entity, currency, batch_id, batch_start, batch_end,
  extracted_rows, loaded_rows, quarantined_rows, excluded_rows,
  extracted_amount, loaded_amount, quarantined_amount, excluded_amount,
  source_snapshot, extracted_at, loaded_at, holds_from
)
{% from 'warehouse/parse.jinja' import parsed, trimmed %}
WITH landed AS (
  SELECT
    position,
    {% if entity.amount %}
    COALESCE({{ parsed('currency', 'currency') }}, '?') AS currency,
    COALESCE({{ parsed(entity.amount, 'money') }}, 0) AS amount
    {% else %}
    '-' AS currency,
    CAST(0 AS DECIMAL(20, 4)) AS amount
    {% endif %}
  FROM landing.{{ entity.name }}
  WHERE batch_id = :batch_id
),
refused AS (
  SELECT DISTINCT position FROM work.refused WHERE entity = :entity
),
standing AS (
  SELECT parsed.position, {{ "fact." ~ entity.amount if entity.amount else "CAST(0 AS DECIMAL(20, 4))" }} AS amount
  FROM work.parsed_{{ entity.name }} AS parsed
  JOIN facts.{{ entity.name }} AS fact
    ON {% for column in entity.key %}fact.{{ column }} = parsed.{{ column }} AND {% endfor %}
    fact.superseded_in IS NULL
  {% if entity.versioned %}
  WHERE NOT EXISTS (
    SELECT 1
    FROM facts.{{ entity.name }} AS later
    WHERE later.superseded_in IS NULL
      AND later.holds_from > fact.holds_from
      {% for column in entity.key %}
      AND later.{{ column }} = parsed.{{ column }}
      {% endfor %}
  )
  {% endif %}
),
counted AS (
  SELECT
    landed.currency,
    COUNT(*) AS extracted_rows,
    COUNT(standing.position) AS loaded_rows,
    COUNT(refused.position) AS quarantined_rows,
    SUM(landed.amount) AS extracted_amount,
    COALESCE(SUM(standing.amount), 0) AS loaded_amount,
    COALESCE(SUM(CASE WHEN refused.position IS NOT NULL THEN landed.amount END), 0) AS quarantined_amount
  FROM landed
  LEFT JOIN standing ON standing.position = landed.position
  LEFT JOIN refused ON refused.position = landed.position
  GROUP BY landed.currency
),
at_least_one AS (
  SELECT currency, extracted_rows, loaded_rows, quarantined_rows, extracted_amount, loaded_amount, quarantined_amount
  FROM counted
  UNION ALL
  SELECT '-', 0, 0, 0, 0, 0, 0
  WHERE NOT EXISTS (SELECT 1 FROM counted)
)
SELECT
  CAST(:batch_no AS BIGINT),
  CAST(:entity AS TEXT),
  currency,
  CAST(:batch_id AS TEXT),
  CAST(:batch_start AS DATE),
  CAST(:batch_end AS DATE),
  extracted_rows,
  loaded_rows,
  quarantined_rows,
  0,
  extracted_amount,
  loaded_amount,
  quarantined_amount,
  0,
  CAST(:snapshot AS TEXT),
  CAST(:extracted_at AS TIMESTAMPTZ),
  CAST(:loaded_at AS TIMESTAMPTZ),
  CAST(:holds_from AS DATE)
FROM at_least_one
