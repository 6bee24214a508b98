select * from {{ ref('raw_orders') }} where price <= 0
