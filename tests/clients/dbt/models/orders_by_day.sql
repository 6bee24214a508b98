{{ config(materialized='incremental', unique_key='ordered') }}
select ordered, sum(price) as price
from {{ ref('raw_orders') }}
{% if is_incremental() %}
where ordered >= (select max(ordered) from {{ this }})
{% endif %}
group by ordered
