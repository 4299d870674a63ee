-- Where landing differs from what the source counted: one row per currency, none when they agree.
{% from 'warehouse/parse.jinja' import parsed %}
WITH landed AS (
  SELECT
    {% if entity.amount %}
    COALESCE({{ parsed('currency', 'currency') }}, '?') AS currency,
    COUNT(*) AS landed_rows,
    SUM(COALESCE({{ parsed(entity.amount, 'money') }}, 0)) AS landed_amount,
    COUNT({{ entity.amount }}) - COUNT({{ parsed(entity.amount, 'money') }}) AS unreadable_rows
    {% else %}
    '-' AS currency,
    COUNT(*) AS landed_rows,
    CAST(0 AS DECIMAL(38, 4)) AS landed_amount,
    0 AS unreadable_rows
    {% endif %}
  FROM landing.{{ entity.name }}
  WHERE batch_id = :batch_id
  GROUP BY 1
),
extraction AS (
  SELECT currency, source_rows, source_amount
  FROM work.extraction
  WHERE batch_id = :batch_id AND entity = '{{ entity.name }}' AND entity <> 'customer_attributes'
)
SELECT
  COALESCE(extraction.currency, landed.currency) AS currency,
  COALESCE(extraction.source_rows, 0) AS source_rows,
  extraction.source_amount,
  COALESCE(landed.landed_rows, 0) AS landed_rows,
  landed.landed_amount
FROM extraction
FULL OUTER JOIN landed ON landed.currency = extraction.currency
WHERE EXISTS (SELECT 1 FROM extraction)
  AND (
    COALESCE(extraction.source_rows, 0) <> COALESCE(landed.landed_rows, 0)
    OR (extraction.source_amount <> COALESCE(landed.landed_amount, 0) AND landed.unreadable_rows = 0)
  )
