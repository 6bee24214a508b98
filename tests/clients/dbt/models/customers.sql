{{ config(materialized='table', transient=false) }}
select
    customers.id as customer_id,
    customers.name,
    count(orders.id) as orders,
    coalesce(sum(orders.price), 0) as spent
from {{ ref('raw_customers') }} as customers
left join {{ ref('raw_orders') }} as orders on orders.customer_id = customers.id
group by customers.id, customers.name
