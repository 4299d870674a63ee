-- tiering.approval_customer: whom a request is about, and what was said of each.
CREATE TABLE tiering.approval_customer (
  run_id TEXT NOT NULL COMMENT 'Run that asks',
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day of the run',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  asked_tier TEXT NOT NULL COMMENT 'Tier that needs a word',
  tier_before TEXT COMMENT 'Tier until then; empty: none',
  is_approved BOOLEAN COMMENT 'Whether it was given; empty: nobody has answered yet',
  effective_on DATE COMMENT 'Day on which the answer takes effect',
  PRIMARY KEY (run_id, customer_id)
) COMMENT 'One row per run and customer that would hold a tier which needs somebody''s word'
