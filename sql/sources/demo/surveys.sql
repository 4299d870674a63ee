-- Survey answers given in the batch: one row per answer.
SELECT
    answer.partner_no AS customer_id,
    answer.answer_day AS answered_on,
    answer.mark AS score,
    answer.question AS question
FROM erp.survey_answer AS answer
WHERE answer.answer_day >= :batch_start
    AND answer.answer_day < :batch_end
