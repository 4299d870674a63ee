-- How measures were taken.
ALTER TABLE tiering.measurement ADD COLUMN method TEXT COMMENT 'full: every account was measured; replay: those that a change touched, the others took their kept row; empty: full, before there were replays'
