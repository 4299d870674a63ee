-- The latest day between a run and a day on which people's decisions took effect: one row, of nothing where none did.
SELECT MAX(as_of) AS people_on
FROM tiering.run
WHERE policy_id = :policy_id AND status = 'published' AND revision = 0 AND as_of > :as_of AND as_of <= :asked_on
