"""What can be a member of an ensemble, behind one interface."""
