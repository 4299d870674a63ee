-- Schema tiering: what consumers read: tiers, history, changes and the ledgers behind them.
CREATE SCHEMA IF NOT EXISTS tiering
