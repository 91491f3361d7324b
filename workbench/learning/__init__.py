"""What is trained. The core never imports from here."""
