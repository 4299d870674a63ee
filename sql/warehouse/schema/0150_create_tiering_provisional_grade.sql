-- tiering.provisional_grade: tiers in force that are provisional, and the day by which they are to be made final.
CREATE TABLE tiering.provisional_grade (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Key of the grain of the policy',
  tier TEXT NOT NULL COMMENT 'Tier in force on as_of',
  since_on DATE NOT NULL COMMENT 'Day since which this tier is in force',
  reason TEXT NOT NULL COMMENT 'new: the policy keeps grades of new customers provisional until final_by; review: figures lacked something, and the policy looks again on final_by',
  began_on DATE COMMENT 'First day of the relationship, or else of the first sale; empty where the reason is review',
  final_by DATE NOT NULL COMMENT 'Day by which the grade is to be made final',
  overdue_days BIGINT NOT NULL COMMENT 'Days from final_by to as_of, 0 when final_by is not past',
  account_manager_id TEXT COMMENT 'Account manager on the latest published day',
  as_of DATE NOT NULL COMMENT 'Day the list was made for'
) COMMENT 'One row per policy and customer whose tier in force is provisional'
