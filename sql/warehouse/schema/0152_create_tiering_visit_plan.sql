-- tiering.visit_plan: contacts that the cadence of a tier asks for in a month, and where contacts and visits went.
CREATE TABLE tiering.visit_plan (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  tier TEXT NOT NULL COMMENT 'Tier (or class) with a cadence',
  account_manager_id TEXT COMMENT 'Account manager on period_end; empty: nobody',
  period_start DATE NOT NULL COMMENT 'First day of the month',
  period_end DATE NOT NULL COMMENT 'Last day of the month',
  customers BIGINT NOT NULL COMMENT 'Customers who had the tier on any day of the month and are in scope on its last; one who moved counts under both tiers, each for its days',
  planned BIGINT NOT NULL COMMENT 'Contacts that the cadence asks for on days of the tier in the month, each made on its day; one that was due before counts once, on the first of these days',
  made BIGINT NOT NULL COMMENT 'Contacts on these days, by whatever channel',
  visits BIGINT NOT NULL COMMENT 'Those of them whose channel is visit',
  as_of DATE NOT NULL COMMENT 'Day it was counted on'
) COMMENT 'One row per policy, tier, account manager and month'
