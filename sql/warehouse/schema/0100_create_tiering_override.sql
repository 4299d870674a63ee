-- tiering.override: tiers set by people, with a reason, an approver and an expiry.
CREATE TABLE tiering.override (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  tier TEXT NOT NULL COMMENT 'Tier that the customer is to have',
  reason TEXT NOT NULL COMMENT 'Why, such as popularity or related sales',
  requested_by TEXT NOT NULL COMMENT 'Who asked for it',
  approved_by TEXT COMMENT 'Who approved it; empty: nobody yet, and it has no effect',
  valid_from DATE NOT NULL COMMENT 'First day on which it holds',
  valid_to DATE COMMENT 'Day after the last day on which it holds; empty: until it is ended',
  CHECK (valid_to IS NULL OR valid_to > valid_from)
) COMMENT 'Input, written by people. One row per policy, customer and interval; of two that overlap, the one that begins later counts'
