"""What works and is tested, and no verb reaches yet: outside the wheel until one does."""
