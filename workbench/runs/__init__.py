"""Every evaluation, stored in a database."""
