-- tiering.policy_evaluation: how a policy did in a year.
CREATE TABLE tiering.policy_evaluation (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  year BIGINT NOT NULL COMMENT 'Calendar year',
  figure TEXT NOT NULL COMMENT 'customers_at_start, customers_at_end, customers_in_year, moved_up, moved_down, new, left, flip_flops, flip_flops_per_100, provisional_share, average_completeness, overridden_customers, approvals_asked, approvals_refused, quarantined_rows or published_days',
  tier TEXT NOT NULL COMMENT 'Tier of customers_at_start and customers_at_end; -: the policy as a whole',
  value DECIMAL(38, 18) COMMENT 'Value; shares are 0 to 1, cut off after 18 digits; empty: undefined'
) COMMENT 'One row per policy, year, figure and tier'
