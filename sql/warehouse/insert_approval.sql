-- A request to people; it stands once, and is made again only when it was refused.
INSERT INTO tiering.approval (approval_id, policy_id, as_of, revision, run_id, step, request, asked_of, asked_at)
SELECT
  CAST(:approval_id AS TEXT), CAST(:policy_id AS TEXT), CAST(:as_of AS DATE), CAST(:revision AS INTEGER),
  CAST(:run_id AS TEXT), CAST(:step AS INTEGER), CAST(:request AS TEXT), CAST(:asked_of AS TEXT),
  CAST(:asked_at AS TIMESTAMPTZ)
WHERE NOT EXISTS (
  SELECT 1
  FROM tiering.approval
  WHERE approval_id LIKE :subject AND (answer IS NULL OR answer = 'approved')
)
