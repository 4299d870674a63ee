-- tiering.told_evaluation: yearly evaluations that a mail has told.
CREATE TABLE tiering.told_evaluation (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  year BIGINT NOT NULL COMMENT 'Calendar year',
  digest_id TEXT NOT NULL COMMENT 'Digest that told it; none: nobody was to be told'
) COMMENT 'One row per policy and year of tiering.policy_evaluation that was told; evaluated again, it is not told again'
