-- Schema landing: what the sources said, as text, by batch.
CREATE SCHEMA IF NOT EXISTS landing
