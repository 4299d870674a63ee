{# The place among equally many parts from the lowest value up; equal values share the lowest place of the tie. #}
{% macro quantile(parts, column) -%}
1 + {{ parts }} * (rank() over (order by {{ column }}) - 1) // count(*) over ()
{%- endmacro %}
