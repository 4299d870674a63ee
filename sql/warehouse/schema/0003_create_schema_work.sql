-- Schema work: tables that any run may rebuild.
CREATE SCHEMA IF NOT EXISTS work
