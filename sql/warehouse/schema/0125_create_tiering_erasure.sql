-- tiering.erasure: customers whose personal data were erased.
CREATE TABLE tiering.erasure (
  customer_id TEXT NOT NULL COMMENT 'Customer number, which stays as the key of the history',
  erased_on DATE NOT NULL COMMENT 'Day of the erasure; from the next publication on the customer is out of every policy',
  requested_by TEXT NOT NULL COMMENT 'Who asked for it',
  reason TEXT NOT NULL COMMENT 'Why',
  replaced TEXT NOT NULL COMMENT 'Values that were replaced, by place, as JSON',
  batch_no BIGINT NOT NULL COMMENT 'State of the facts from which the erasure is known; it has a number of its own, like a load',
  recorded_at TIMESTAMPTZ NOT NULL COMMENT 'Instant of the erasure',
  PRIMARY KEY (customer_id)
) COMMENT 'One row per erased customer. What is loaded later of such a customer is replaced before it is kept'
