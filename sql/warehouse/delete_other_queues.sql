-- Removes the queue priorities of every other day.
DELETE FROM tiering.queue_priority WHERE as_of <> :as_of
