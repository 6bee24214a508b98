select sum(price) as price from {{ ref('recent') }}
