-- Says until the end of the transaction whether the planner may join by looping over rows.
SELECT set_config('enable_nestloop', :allowed, TRUE)
