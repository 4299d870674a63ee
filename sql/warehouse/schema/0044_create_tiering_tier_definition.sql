-- tiering.tier_definition: what a tier means.
CREATE TABLE tiering.tier_definition (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  policy_version TEXT NOT NULL COMMENT 'Version of the policy',
  tier TEXT NOT NULL COMMENT 'Tier',
  tier_rank INTEGER NOT NULL COMMENT '1 = best',
  title_en TEXT COMMENT 'Title, English',
  title_zh TEXT COMMENT 'Title, Chinese',
  rule TEXT COMMENT 'The rule in plain words of the policy',
  actions TEXT COMMENT 'What follows from the tier, as JSON: language → text',
  terms TEXT COMMENT 'Terms that follow from the tier, as JSON',
  service_levels TEXT COMMENT 'Service levels of the tier, as JSON',
  owner_level TEXT COMMENT 'Who looks after customers of the tier',
  PRIMARY KEY (policy_id, policy_version, tier)
) COMMENT 'One row per policy version and tier'
