-- Since when the tiers are held that stand just before a day: one row per account.
WITH {% include 'warehouse/begun_spells.jinja' %}
SELECT customer_id, since_on
FROM begun
WHERE valid_to IS NULL OR valid_to > :as_of
