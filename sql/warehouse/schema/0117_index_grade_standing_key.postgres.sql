-- One standing grade per policy, day, customer and stage.
CREATE UNIQUE INDEX grade_standing_key ON tiering.grade (policy_id, as_of, customer_id, stage) WHERE superseded_at IS NULL
