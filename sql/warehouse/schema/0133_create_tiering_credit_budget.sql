-- What became of a budget of credit.
CREATE TABLE tiering.credit_budget (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  as_of DATE NOT NULL COMMENT 'Day of the run that decided the limits',
  class TEXT NOT NULL COMMENT 'Tier; empty: all accounts, those without a tier too',
  currency TEXT NOT NULL COMMENT 'ISO 4217 code of every amount in the row: the reporting currency',
  accounts BIGINT NOT NULL COMMENT 'Accounts',
  sales_amount DECIMAL(20, 4) COMMENT 'Their sales by which a budget was shared',
  limit_amount DECIMAL(20, 4) NOT NULL COMMENT 'Their limits in total',
  budget_amount DECIMAL(20, 4) COMMENT 'Budget, of all accounts; limit_amount + unallocated_amount is it exactly; empty: no budget',
  unallocated_amount DECIMAL(20, 4) COMMENT 'What caps left of the budget, of all accounts',
  previous_amount DECIMAL(20, 4) NOT NULL COMMENT 'Limits of the same accounts at the decision before, in total',
  raised_amount DECIMAL(20, 4) NOT NULL COMMENT 'By how much limits went up, in total; new ones count',
  reduced_amount DECIMAL(20, 4) NOT NULL COMMENT 'By how much limits went down, in total',
  squeezed_amount DECIMAL(20, 4) NOT NULL COMMENT 'How much of that was taken from accounts whose tier is lower than before, or gone',
  reason TEXT COMMENT 'Why nothing was allocated: what the plan lacks; the limits before stay in force',
  run_id TEXT NOT NULL COMMENT 'Run that decided the limits'
) COMMENT 'One row per policy, day of a run and tier, and one for all accounts'
