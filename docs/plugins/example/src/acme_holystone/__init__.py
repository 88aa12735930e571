"""What Acme asks of its stores."""
