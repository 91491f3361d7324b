"""Pages to hand in or send: one HTML file each, without script, that opens offline."""
