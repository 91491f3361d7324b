"""What is drawn in the browser: widgets that know pictures, tables and text, and no session."""
