-- The place of a request among those of its run.
ALTER TABLE tiering.approval ADD COLUMN step INTEGER COMMENT 'Place among the requests of the run, from 1; each is made when the one before was approved'
