"""The pages of the runbook, as data: what `holystone explain` shows."""
