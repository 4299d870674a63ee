-- Notes that a digest has told the evaluation of a policy and a year.
INSERT INTO tiering.told_evaluation (policy_id, year, digest_id)
VALUES (:policy_id, :year, :digest_id)
