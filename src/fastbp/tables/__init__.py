"""Tables as users have them: columns read, scaled and encoded; and what learns from them."""
