"""What is deleted and when, what a legal hold keeps, and erasure by destroying keys."""
