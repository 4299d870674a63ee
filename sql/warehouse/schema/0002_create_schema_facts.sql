-- Schema facts: what the sources said, checked and typed, every version kept.
CREATE SCHEMA IF NOT EXISTS facts
