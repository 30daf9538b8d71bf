"""The program wsgiaudit: `python -m wsgiaudit` runs it. Nothing is imported from here."""
