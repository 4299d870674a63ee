-- tiering.customer_class: the current class, which stands beside the tier and never moves it.
CREATE TABLE tiering.customer_class (
  policy_id TEXT NOT NULL COMMENT 'Policy that classifies, alone or beside its tiers',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  class TEXT NOT NULL COMMENT 'Class',
  as_of DATE NOT NULL COMMENT 'Latest published day',
  policy_version TEXT NOT NULL COMMENT 'Version of the policy',
  run_id TEXT NOT NULL COMMENT 'Run of the latest published day'
) COMMENT 'One row per class policy and customer whose class is known'
