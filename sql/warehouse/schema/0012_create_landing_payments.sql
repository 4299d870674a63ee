-- Landing of payments: one row per row of the source and batch.
CREATE TABLE landing.payments (
  batch_id TEXT NOT NULL COMMENT 'Half-open interval of days that was extracted: start/end',
  position BIGINT NOT NULL COMMENT 'Order in which the source returned the row, from 1',
  payment_id TEXT COMMENT 'Payment, as the source said it',
  customer_id TEXT COMMENT 'Customer number, text, leading zeros kept, as the source said it',
  paid_on TEXT COMMENT 'Day the money arrived, as the source said it',
  amount TEXT COMMENT 'Amount in the currency of the row, as the source said it',
  currency TEXT COMMENT 'ISO 4217 code, as the source said it',
  document_id TEXT COMMENT 'Document the payment is allocated to; empty: unallocated, as the source said it',
  kind TEXT COMMENT 'cash_sale, collection, prepayment or refund; empty: collection, as the source said it'
) COMMENT 'Extracted rows as the source said them. One row per payment and batch'
