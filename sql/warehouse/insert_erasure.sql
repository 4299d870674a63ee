-- Records that a customer was erased: one row.
INSERT INTO tiering.erasure (customer_id, erased_on, requested_by, reason, replaced, batch_no, recorded_at)
VALUES (:customer_id, :erased_on, :requested_by, :reason, :replaced, :batch_no, :recorded_at)
