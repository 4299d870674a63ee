-- Takes back what an earlier version granted.
REVOKE ALL ON TABLE {{ table }} FROM {{ roles | join(", ") }}
