-- Receivables of every account as of a day.
CREATE TABLE tiering.receivable_position (
  customer_id TEXT NOT NULL COMMENT 'Bill-to account',
  currency TEXT NOT NULL COMMENT 'ISO 4217 code of the documents and of every amount in the row',
  as_of DATE NOT NULL COMMENT 'Day; what is dated later is not seen',
  billed_amount DECIMAL(20, 4) NOT NULL COMMENT 'Documents issued up to the day, with tax, credit notes negative',
  paid_amount DECIMAL(20, 4) NOT NULL COMMENT 'Money received up to the day that names a document of the account, in the currency of the document, or names none; refunds negative',
  balance DECIMAL(20, 4) NOT NULL COMMENT 'billed_amount - paid_amount; negative: paid in advance or credited',
  open_amount DECIMAL(20, 4) NOT NULL COMMENT 'What is open of invoices: money that names no document settles what is due first, and what is left over of it settles nothing; the buckets and disputed_amount add up to it',
  disputed_amount DECIMAL(20, 4) NOT NULL COMMENT 'What is open of disputed invoices; in no bucket and not overdue',
  overdue_amount DECIMAL(20, 4) NOT NULL COMMENT 'What is open of invoices whose due day is past',
  overdue_days INTEGER NOT NULL COMMENT 'Days that the oldest of those is past due; 0: none',
  ageing_current DECIMAL(20, 4) NOT NULL COMMENT 'What is open and not past due',
  ageing_1_30 DECIMAL(20, 4) NOT NULL COMMENT 'What is open and 1 to 30 days past due',
  ageing_31_60 DECIMAL(20, 4) NOT NULL COMMENT 'What is open and 31 to 60 days past due',
  ageing_61_90 DECIMAL(20, 4) NOT NULL COMMENT 'What is open and 61 to 90 days past due',
  ageing_over_90 DECIMAL(20, 4) NOT NULL COMMENT 'What is open and more than 90 days past due',
  unmatched_amount DECIMAL(20, 4) NOT NULL COMMENT 'Money of the account that names a document which the facts do not hold; it counts nowhere else',
  average_days DECIMAL(38, 18) COMMENT 'Days from issue to payment of the money that names its document and came in the 12 months up to the day, weighted by amount; empty: none came',
  on_time_rate DECIMAL(38, 18) COMMENT 'Share of that money that came by the due day; empty: none came',
  dso DECIMAL(38, 18) COMMENT 'Days sales outstanding: open_amount divided by what was billed in those 12 months, times their days; empty: nothing was billed'
) COMMENT 'Receivables as of a day: the latest day, month ends, and days on which limits were decided. One row per bill-to account, currency and day'
