"""Schema: columns, tables, terms and streams that everything else is written in."""
