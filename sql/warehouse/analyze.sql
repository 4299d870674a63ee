-- Statistics for the planner.
ANALYZE {{ table }}
