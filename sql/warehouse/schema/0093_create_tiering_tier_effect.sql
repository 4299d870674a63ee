-- tiering.tier_effect: what tiers achieve.
CREATE TABLE tiering.tier_effect (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Business day whose tiers are looked at',
  tier TEXT NOT NULL COMMENT 'Tier in force on that day',
  measure TEXT NOT NULL COMMENT 'net_sales (reporting currency, credit notes subtracted), sales_share (of all tiers), order_count, buying_customers, complaint_count, average_satisfaction, average_survey_score or left_customers',
  customers BIGINT NOT NULL COMMENT 'Customers that had the tier on that day, those that left later included',
  before DECIMAL(38, 18) COMMENT 'Value in the 12 months up to the day; empty: undefined',
  after DECIMAL(38, 18) COMMENT 'Value in the 12 months after the day; empty: undefined',
  change DECIMAL(38, 18) COMMENT 'after minus before; empty: either is undefined',
  change_rate DECIMAL(38, 18) COMMENT 'change divided by before, cut off after 18 digits; empty: before is not greater than zero'
) COMMENT 'One row per policy, day, tier and measure'
