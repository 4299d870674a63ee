-- Forgets who was told in the weeks before.
DELETE FROM tiering.told_follow_up WHERE week_on < :week_on
