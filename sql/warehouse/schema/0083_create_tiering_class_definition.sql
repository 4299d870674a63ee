-- tiering.class_definition: what a class means in a tier.
CREATE TABLE tiering.class_definition (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  policy_version TEXT NOT NULL COMMENT 'Version of the policy',
  class TEXT NOT NULL COMMENT 'Class: a value of the policy''s class axis',
  tier TEXT NOT NULL COMMENT 'Tier the class meets',
  title_en TEXT COMMENT 'Title of the class, English',
  title_zh TEXT COMMENT 'Title of the class, Chinese',
  actions TEXT COMMENT 'What follows from tier and class together, as JSON: language → texts, the tier''s first',
  PRIMARY KEY (policy_id, policy_version, class, tier)
) COMMENT 'One row per policy version, class and tier, for policies with a class axis'
