"""Tables as users have them, on their way to a network: columns read, scaled, encoded."""
