-- Current tiers whose rank is not the policy's, or whose day and run are not the latest published ones: one row each.
SELECT standing.policy_id, standing.customer_id
FROM tiering.customer_tier AS standing
LEFT JOIN tiering.tier_definition AS definition
  ON definition.policy_id = standing.policy_id
  AND definition.policy_version = standing.policy_version
  AND definition.tier = standing.tier
LEFT JOIN tiering.run AS run ON run.run_id = standing.run_id AND run.status = 'published'
WHERE definition.tier_rank IS NULL
  OR definition.tier_rank <> standing.tier_rank
  OR run.run_id IS NULL
  OR run.as_of <> standing.as_of
  OR run.policy_version <> standing.policy_version
  OR standing.since_on > standing.as_of
  OR standing.next_review_on <= standing.as_of
  OR EXISTS (
    SELECT 1
    FROM tiering.run AS later
    WHERE later.policy_id = standing.policy_id
      AND later.status = 'published'
      AND (later.as_of > run.as_of OR (later.as_of = run.as_of AND later.revision > run.revision))
  )
