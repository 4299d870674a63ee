-- Records that a customer counts for another one from a day on: one row.
INSERT INTO tiering.customer_merge (
  customer_id, merged_into, merged_on, reason, requested_by, approved_by, follows, batch_no, recorded_at
)
VALUES (
  :customer_id, :merged_into, :merged_on, :reason, :requested_by, :approved_by, :follows, :batch_no, :recorded_at
)
