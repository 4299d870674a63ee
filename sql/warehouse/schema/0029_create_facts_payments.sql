-- Facts of payments: one row per version.
CREATE TABLE facts.payments (
  payment_id TEXT NOT NULL COMMENT 'Payment',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept',
  paid_on DATE COMMENT 'Day the money arrived',
  amount DECIMAL(20, 4) COMMENT 'Amount in the currency of the row',
  currency TEXT COMMENT 'ISO 4217 code',
  document_id TEXT COMMENT 'Document the payment is allocated to; empty: unallocated',
  kind TEXT COMMENT 'cash_sale, collection, prepayment or refund; empty: collection',
  amount_reporting DECIMAL(20, 4) COMMENT 'amount at the rate of its day, reporting currency',
  batch_no BIGINT NOT NULL COMMENT 'Load that brought this version of the row',
  superseded_in BIGINT COMMENT 'Load that replaced or withdrew this version; empty: it stands'
) COMMENT 'Checked rows. One row per payment and version; the standing version has no superseded_in'
