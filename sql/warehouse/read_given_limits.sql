-- The limits people gave that hold on a day under a policy: one row per level, customer and entity, of several the one that begins later.
SELECT level, customer_id, entity, limit_amount, is_mandatory
FROM (
  SELECT
    level,
    customer_id,
    entity,
    limit_amount,
    is_mandatory,
    ROW_NUMBER() OVER (
      PARTITION BY level, customer_id, entity
      ORDER BY valid_from DESC, recorded_at DESC NULLS LAST, limit_amount NULLS LAST, is_mandatory DESC
    ) AS nth
  FROM tiering.given_limit
  WHERE policy_id = :policy_id
    AND approved_by IS NOT NULL
    AND superseded_at IS NULL
    AND valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of)
) AS given
WHERE nth = 1
ORDER BY level, customer_id, entity
