-- tiering.queue_priority: in which order callers are served.
CREATE TABLE tiering.queue_priority (
  policy_id TEXT NOT NULL COMMENT 'Policy',
  customer_id TEXT NOT NULL COMMENT 'Customer number, whatever the grain of the policy; one that was merged into another is served like that one',
  tier TEXT COMMENT 'Tier (or class) in force on as_of; empty: none, listed because it is blacklisted',
  queue_priority INTEGER COMMENT 'Priority that the policy states for the tier, 1 = first; empty: it states none',
  is_blacklisted BOOLEAN NOT NULL COMMENT 'Whether the source blocks the customer on as_of; it has no influence on the tier',
  queue_position INTEGER NOT NULL COMMENT 'Lower is served first: queue_priority; one more than the last priority of the policy where the tier has none; two more, behind everybody, for who is blacklisted',
  as_of DATE NOT NULL COMMENT 'Day the list was made for',
  published_on DATE NOT NULL COMMENT 'Published day of the policy that the tiers are of: the latest one up to as_of'
) COMMENT 'One row per policy that states queue priorities, and customer that has a tier or is blacklisted'
