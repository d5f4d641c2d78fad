"""What the core counts about itself."""
