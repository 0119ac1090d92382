"""One module per stage. A stage reads what earlier ones wrote, writes its own folder, and says what it did and why."""
