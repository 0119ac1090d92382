"""A service on 127.0.0.1 that stands in for kaggle.com, and what it takes to talk to it."""
