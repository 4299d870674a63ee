-- Exchange rates quoted in the batch, in CNY for one unit: one row per currency and day.
SELECT
    quote.currency_code AS currency,
    quote.quote_day AS valid_on,
    quote.cny_per_unit AS rate_to_reporting
FROM erp.fx_rate AS quote
WHERE quote.quote_day >= :batch_start
    AND quote.quote_day < :batch_end
