{# One indicator of every account out of one column: a value, and for those that are graded a level and points. #}
{% macro indicator(name, level='null', points='null') -%}
select
    account_id,
    {{ as_of() }} as as_of,
    '{{ name }}' as indicator,
    cast({{ name }} as double) as value,
    cast({{ level }} as text) as level,
    cast({{ points }} as double) as points
from measured
{%- endmacro %}

{# The moves between the last day that was kept and this one: one row per account, with what changed behind it. #}
{% macro changes(policy, tiers) -%}
with

decisions as (

    select account_id, as_of, tier, account_manager_id
    from {{ ref(policy ~ '_decisions') }}
    where tier is not null

),

earlier_days as (

    select max(as_of) as as_of
    from {{ ref(policy ~ '_decisions') }}
    where as_of < {{ as_of() }}

),

moves as (

    select
        coalesce(now.account_id, earlier.account_id) as account_id,
        earlier.tier as from_tier,
        now.tier as to_tier,
        coalesce(now.account_manager_id, earlier.account_manager_id) as account_manager_id
    from (select * from decisions where as_of = {{ as_of() }}) as now
    full join (select * from decisions where as_of = (select as_of from earlier_days)) as earlier
        on earlier.account_id = now.account_id
    where now.tier is distinct from earlier.tier

),

drivers as (

    select
        now.account_id,
        to_json(list({'indicator': now.indicator, 'before': earlier.value, 'after': now.value})) as drivers
    from (select * from {{ ref(policy ~ '_evidence') }} where as_of = {{ as_of() }}) as now
    inner join (
        select * from {{ ref(policy ~ '_evidence') }} where as_of = (select as_of from earlier_days)
    ) as earlier on earlier.account_id = now.account_id and earlier.indicator = now.indicator
    where now.value is distinct from earlier.value
        and now.account_id in (select account_id from moves where from_tier is not null and to_tier is not null)
    group by now.account_id

)

select
    moves.account_id,
    {{ as_of() }} as as_of,
    moves.from_tier,
    moves.to_tier,
    case
        when moves.from_tier is null then 'new'
        when moves.to_tier is null then 'left'
        when list_position({{ tiers }}, moves.to_tier) < list_position({{ tiers }}, moves.from_tier) then 'up'
        else 'down'
    end as direction,
    moves.account_manager_id,
    drivers.drivers
from moves
left join drivers on drivers.account_id = moves.account_id
{%- endmacro %}
