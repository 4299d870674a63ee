{# The day that is looked at. #}
{% macro as_of() %}cast('{{ var("as_of") }}' as date){% endmacro %}

{# Snapshots are dated with the day that is looked at and not with the clock, so that they hold the history of tiers. #}
{% macro duckdb__snapshot_get_time() %}cast('{{ var("as_of") }}' as timestamp){% endmacro %}
