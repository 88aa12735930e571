"""Why an instance is where it is: what it waits for, since when, and who can wake it; or that nothing will."""
