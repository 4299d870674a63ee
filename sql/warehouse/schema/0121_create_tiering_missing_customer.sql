-- tiering.missing_customer: customers that the source stopped naming.
CREATE TABLE tiering.missing_customer (
  customer_id TEXT NOT NULL COMMENT 'Customer number, text, leading zeros kept',
  missing_since DATE NOT NULL COMMENT 'Last day of the first batch whose customers did not hold this one',
  missing_in BIGINT NOT NULL COMMENT 'Load that found it',
  extracts INTEGER NOT NULL COMMENT 'Complete extracts in a row, on different days, without the customer; counted until it is gone',
  gone_on DATE COMMENT 'Day from which the customer is out of every policy; empty: it is carried forward with its last attributes',
  gone_in BIGINT COMMENT 'Load that found it gone',
  returned_on DATE COMMENT 'Day of the first extract that held the customer again; empty: none yet',
  returned_in BIGINT COMMENT 'Load that found it again',
  PRIMARY KEY (customer_id, missing_in)
) COMMENT 'One row per customer and time of which the source did not name it, with the loads that knew it'
