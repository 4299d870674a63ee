-- Refusals that differ from those standing for the same interval, or the same entity where it is read whole: one row.
WITH standing AS (
  SELECT entity, position, rule
  FROM tiering.quarantine
  WHERE superseded_in IS NULL
    AND (batch_id = :batch_id{% if whole %} OR entity IN ('{{ whole | join("', '") }}'){% endif %})
)
SELECT
  (
    SELECT COUNT(*)
    FROM work.refused AS refused
    WHERE NOT EXISTS (
      SELECT 1
      FROM standing
      WHERE standing.entity = refused.entity AND standing.position = refused.position AND standing.rule = refused.rule
    )
  ) + (
    SELECT COUNT(*)
    FROM standing
    WHERE NOT EXISTS (
      SELECT 1
      FROM work.refused AS refused
      WHERE refused.entity = standing.entity AND refused.position = standing.position AND refused.rule = standing.rule
    )
  ) AS changed_rows
