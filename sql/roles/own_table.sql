-- A table of schema work belongs to the writer, who empties, measures and rebuilds it.
ALTER TABLE {{ table }} OWNER TO {{ role }}
