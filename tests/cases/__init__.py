"""One case for each check: rows that are healthy, rows that are broken, what is found, what is repaired."""
