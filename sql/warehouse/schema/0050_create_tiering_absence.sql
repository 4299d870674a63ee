-- tiering.absence: intervals without a tier.
CREATE TABLE tiering.absence (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  reason TEXT NOT NULL COMMENT 'gate:<name>, left, erased or not_in_population',
  valid_from DATE NOT NULL COMMENT 'First day',
  valid_to DATE COMMENT 'Day after the last day; empty: open',
  CHECK (valid_to IS NULL OR valid_to > valid_from)
) COMMENT 'One row per policy, customer and interval without a tier, half-open'
