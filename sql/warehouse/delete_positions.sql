-- Removes the positions of a day before they are written again.
DELETE FROM tiering.receivable_position WHERE as_of = :as_of
